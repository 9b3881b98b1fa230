#include "agent/service_parts.h"

#include <algorithm>

#include "view/path.h"

namespace plume::agent {
namespace {

constexpr uint32_t kOwnProcess = 0x10, kShareProcess = 0x20, kDemandStart = 3, kDisabled = 4;

// `is_part(g)`: whether a process that the manager itself started is a service that counts.
template <typename IsPart>
bool OnlyParts(const std::vector<GuestProcess>& guests, const std::u16string& manager, IsPart&& is_part) {
  const auto is_manager = [&](const GuestProcess& g) { return view::EqualFolded(g.image, manager); };
  std::vector<const GuestProcess*> parts;
  for (const GuestProcess& g : guests)
    if (is_manager(g)) parts.push_back(&g);
  if (parts.empty()) return false;
  // Parents before children, in whatever order they are listed.
  for (size_t i = 0; i < parts.size(); ++i) {
    for (const GuestProcess& g : guests) {
      if (g.parent != parts[i]->pid || is_manager(g) ||
          std::find(parts.begin(), parts.end(), &g) != parts.end())
        continue;
      if (!is_manager(*parts[i]) || is_part(g)) parts.push_back(&g);
    }
  }
  return parts.size() == guests.size();
}

}  // namespace

bool MayRunTwice(uint32_t type, uint32_t start) {
  if (type == 0) return true;  // no service: settings below a name that a service could have
  return (type & (kOwnProcess | kShareProcess)) != 0 && (start == kDemandStart || start == kDisabled);
}

bool OnlyManager(const std::vector<GuestProcess>& guests, const std::u16string& manager,
                 const std::vector<SystemService>& system) {
  return OnlyParts(guests, manager, [&](const GuestProcess& g) {
    return std::any_of(system.begin(), system.end(), [&](const SystemService& s) {
      return !s.command.empty() && view::EqualFolded(s.command, g.command);
    });
  });
}

bool OnlyServices(const std::vector<GuestProcess>& guests, const std::u16string& manager) {
  return OnlyParts(guests, manager, [](const GuestProcess&) { return true; });
}

std::vector<uint32_t> ProcessesOf(const std::vector<GuestProcess>& guests, const std::u16string& manager,
                                  const std::vector<SystemService>& system, const std::u16string& name) {
  std::u16string command;
  for (const SystemService& s : system)
    if (view::EqualFolded(s.name, name)) command = s.command;
  std::vector<uint32_t> out;
  for (const GuestProcess& g : guests) {
    const bool child = std::any_of(guests.begin(), guests.end(), [&](const GuestProcess& m) {
      return m.pid == g.parent && view::EqualFolded(m.image, manager);
    });
    if (child && !command.empty() && view::EqualFolded(g.command, command)) out.push_back(g.pid);
  }
  return out;
}

}  // namespace plume::agent
