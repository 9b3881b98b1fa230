// What belongs to a VM's own service manager. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace plume::agent {

// A service of this machine, or a key below Services that only holds settings.
struct SystemService {
  std::u16string name;
  std::u16string command;  // its program and arguments, variables replaced; empty: only settings
};

// Of the values Type and Start of a service: whether a VM may see it, and run one of its own of it. Drivers
// serve the machine's devices, and what starts by itself runs for the machine already: a second one of either
// would only get in the way of the first.
bool MayRunTwice(uint32_t type, uint32_t start);

struct GuestProcess {
  uint32_t pid = 0, parent = 0;
  std::u16string image;    // full path of the program
  std::u16string command;  // its command line; empty if it cannot be had
};

// True if `guests` are nothing but a service manager (`manager`: its full path), services of `system` that it
// started, and what those started. So nobody uses it: it may end. A service of the VM's own, or any other
// program, is none of these; nor is what cannot be judged.
bool OnlyManager(const std::vector<GuestProcess>& guests, const std::u16string& manager,
                 const std::vector<SystemService>& system);

// The same with services of any kind: nothing runs but what the VM itself would start again.
bool OnlyServices(const std::vector<GuestProcess>& guests, const std::u16string& manager);

// The processes that a service manager among `guests` started for the system's service `name`.
std::vector<uint32_t> ProcessesOf(const std::vector<GuestProcess>& guests, const std::u16string& manager,
                                  const std::vector<SystemService>& system, const std::u16string& name);

}  // namespace plume::agent
