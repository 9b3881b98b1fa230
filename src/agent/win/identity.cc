#include "agent/identity.h"

#include "agent/key_store.h"
#include "agent/state.h"
#include "agent/text.h"
#include "agent/win/handle.h"
#include "agent/win/registry.h"
#include "os/file.h"
#include "os/random.h"

namespace plume::agent {
namespace {

constexpr std::u16string_view kIdValue = u"Id";

std::optional<std::string> RegistryId(KeyStore& user, const StatePaths& state) {
  KeyNode node;
  if (!user.Read(state.RegistryRoot(), &node, nullptr).ok()) return std::nullopt;
  for (const image::ValueItem& v : node.values)
    if (v.name == kIdValue) return std::string(v.data.begin(), v.data.end());
  return std::nullopt;
}

std::optional<StateIdentity> Written(const StatePaths& state) {
  const auto text = os::ReadText(os::SystemFiles(), HostPath(state.Identity()), 64u << 10);
  if (!text.ok()) return std::nullopt;
  auto written = StateIdentity::FromText(*text);
  return written.ok() ? std::optional(std::move(*written)) : std::nullopt;
}

// One file under two names: a folder may be reached through several drives.
bool SameFile(const std::u16string& a, const std::u16string& b) {
  BY_HANDLE_FILE_INFORMATION info[2] = {};
  const std::u16string* names[] = {&a, &b};
  for (int i = 0; i < 2; ++i) {
    const Handle file(CreateFileW(Wide(*names[i]).c_str(), 0,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                  OPEN_EXISTING, 0, nullptr));
    if (!file || !GetFileInformationByHandle(file.get(), &info[i])) return false;
  }
  return info[0].dwVolumeSerialNumber == info[1].dwVolumeSerialNumber &&
         info[0].nFileIndexLow == info[1].nFileIndexLow && info[0].nFileIndexHigh == info[1].nFileIndexHigh;
}

}  // namespace

Status ClaimState(const StatePaths& state, const std::u16string& user_sid, bool* moved) {
  os::FileSystem& files = os::SystemFiles();
  const auto user = OpenKeyStore(u"");
  IdentityFacts facts;
  facts.path = state.root();
  facts.user_sid = user_sid;
  if (const auto text = os::ReadText(files, HostPath(state.Identity()), 64u << 10); text.ok()) {
    ASSIGN(facts.written, StateIdentity::FromText(*text));
  } else if (text.error().code != Errc::kNotFound) {
    return text.error();
  }
  if (const auto vms = files.List(HostPath(state.Vms())); vms.ok()) facts.has_vms = !vms->empty();
  facts.registry_id = RegistryId(*user, state);
  StatePaths old = state;
  if (facts.written && facts.written->path != state.root()) {
    old = StatePaths(facts.written->path);
    facts.old_registry_id = RegistryId(*user, old);
    const auto there = Written(old);
    facts.old_folder_lives =
        there && there->id == facts.written->id && !SameFile(old.Identity(), state.Identity());
  }
  ASSIGN(const StateClaim claim, ClaimState(facts));
  *moved = facts.written && facts.written->path != state.root();
  if (claim == StateClaim::kAsItIs && !*moved) return Ok();
  StateIdentity now = facts.written.value_or(StateIdentity{os::RandomHex(8), {}, user_sid});
  now.path = state.root();
  if (claim == StateClaim::kMove) {
    TRY(user->RemoveTree(state.RegistryRoot()));  // of a folder that was here before
    TRY(user->Rename(old.RegistryRoot(), state.hash()));
  }
  TRY(MakeKey(state.RegistryRoot()));
  TRY(user->SetValue(state.RegistryRoot(),
                     {std::u16string(kIdValue), REG_BINARY, {now.id.begin(), now.id.end()}}));
  // Before the file: with the file alone the folder would look like one from another machine.
  TRY(user->Flush());
  return os::WriteAtomic(files, HostPath(state.Identity()), std::string_view(now.ToText()));
}

}  // namespace plume::agent
