// Where everything of one state folder is, derived once from the folder's path. Pure: no system call, no
// clock. The layout is documented in ARCHITECTURE.md and docs/formats/state.md.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plume::agent {

// A DOS path as the agent keeps it: drive letter, backslashes only, no trailing backslash, no "." and no
// "..". kInvalid if `path` is not absolute.
Result<std::u16string> CleanPath(std::u16string_view path);

// "\??\C:\x" for "C:\x".
std::u16string NtPath(std::u16string_view dos_path);

// Names of VMs and applications: 1 to 64 of A-Z a-z 0-9 . _ - and not starting with a dot or dash.
Status CheckName(std::string_view what, std::string_view name);
bool SameName(std::string_view a, std::string_view b);  // ASCII case-insensitive

// A file in a VM's folder while it is made or deleted: with it and without vm.json the folder is rubbish.
inline constexpr std::u16string_view kUnmade = u"unmade";

class StatePaths {
 public:
  // `root`: from CleanPath.
  explicit StatePaths(std::u16string root);

  const std::u16string& root() const { return root_; }
  // 16 hex digits: FNV-1a 64 of the upcased path. Names pipes, the mutex and the registry root.
  const std::u16string& hash() const { return hash_; }

  std::u16string Below(std::u16string_view relative) const {
    return root_ + u"\\" + std::u16string(relative);
  }
  std::u16string Store() const { return Below(u"store"); }
  std::u16string Catalogs() const { return Below(u"catalogs"); }
  std::u16string Images() const { return Below(u"images"); }
  std::u16string Vms() const { return Below(u"vms"); }
  std::u16string Profiles() const { return Below(u"profiles"); }
  std::u16string Trash() const { return Below(u"trash"); }
  std::u16string Applications() const { return Below(u"apps.json"); }
  std::u16string Log() const { return Below(u"agent.log"); }
  std::u16string Identity() const { return Below(u"state.json"); }
  std::u16string Lock() const { return Below(u"agent.lock"); }

  std::u16string Vm(std::u16string_view id) const { return Below(u"vms\\") + std::u16string(id); }
  std::u16string VmFile(std::u16string_view id, std::u16string_view name) const {
    return Vm(id) + u"\\" + std::u16string(name);
  }
  // A VM's private workspace: what it changed, and what its guests are given. Numbered, so that one is
  // exchanged for another by writing one number (vm.json).
  std::u16string Workspace(std::u16string_view id, uint32_t number) const {
    return VmFile(id, WorkspaceName(number));
  }
  std::u16string WorkspaceFile(std::u16string_view id, uint32_t number, std::u16string_view name) const {
    return Workspace(id, number) + u"\\" + std::u16string(name);
  }

  std::u16string ControlPipe() const { return u"\\\\.\\pipe\\plume-" + hash_; }
  std::u16string GuestPipe() const { return ControlPipe() + u"-guest"; }
  std::u16string GuestPipeNt() const { return u"\\??\\pipe\\plume-" + hash_ + u"-guest"; }
  std::u16string Mutex() const { return u"Local\\plume-" + hash_; }
  // Name of a VM's job object, without directory.
  std::u16string Job(std::u16string_view id) const { return u"PlumeVm-" + hash_ + u"-" + std::u16string(id); }

  // Relative to the current user's key.
  std::u16string RegistryRoot() const { return u"Software\\Plume\\" + hash_; }
  std::u16string VmsKey() const { return RegistryRoot() + u"\\VMs"; }
  std::u16string VmKey(std::u16string_view id) const { return VmsKey() + u"\\" + std::u16string(id); }
  std::u16string WorkspaceKey(std::u16string_view id, uint32_t number) const {
    return VmKey(id) + u"\\" + WorkspaceName(number);
  }
  static std::u16string WorkspaceName(uint32_t number);       // "w1"
  static uint32_t WorkspaceNumber(std::u16string_view name);  // 0: not the name of one
  // Image keys hold the machine's values too; `alone`: those that do not, for VMs that must not see the
  // machine's.
  std::u16string ImageKey(std::u16string_view digest_hex, bool alone = false) const {
    return RegistryRoot() + u"\\Images\\" + std::u16string(digest_hex) + (alone ? u"-alone" : u"");
  }

 private:
  std::u16string root_, hash_;
};

}  // namespace plume::agent
