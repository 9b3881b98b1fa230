// Policies: which mode each part of the file and registry space has in a VM. Pure; docs/formats/policy.md.
//
// A VM has a base policy, the user's rules on top of it (TOML), and the mandatory rules, which nothing
// overrides: Plume's own state is never visible to a guest.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/service_parts.h"
#include "base/result.h"
#include "catalog/reader.h"
#include "view/lookup.h"

namespace plume::agent {

// What the rules need to know of this machine. DOS paths without trailing backslash.
struct MachineFacts {
  std::u16string state_root;
  std::vector<std::u16string> state_aliases;  // other names of the state folder (Wine: through Z:)
  std::u16string system_root;                 // "C:\windows"
  std::u16string profile, roaming, local, local_low, temp;
  std::u16string program_data, public_folder;  // may be empty
  std::vector<std::u16string> program_folders;
  std::u16string user_sid;  // "S-1-5-21-..."
  // What is below Services, as far as a VM may see it; only on Wine, where a VM has a service manager of its
  // own.
  std::vector<SystemService> services;
  bool is_wine = false;
};

enum class BasePolicy : uint8_t {
  kSandbox,      // everything is copied on write
  kApplication,  // a streamed application: its own places from the image, the user's documents local
};

struct PolicyRule {
  std::u16string prefix;  // canonical: "C:\x", "M\Software\X", "" = everything
  view::Mode mode = view::Mode::kMerge;
  std::string origin;  // what `plume vm explain` says about it
};

// A rule for a name that lies in no tree: kernel objects, devices, window classes (view/name_rules.h). kHost:
// the machine's own; kPrivate: the VM's own; kDeny: refused.
struct PolicyNameRule {
  std::u16string pattern;
  view::Mode mode = view::Mode::kPrivate;
  std::string origin;
};

// Directions in which the clipboard is open, as bits.
enum class ClipboardMode : uint8_t { kIsolated = 0, kToHost = 1, kFromHost = 2, kShared = 3 };

struct ClipboardPolicy {
  ClipboardMode mode = ClipboardMode::kIsolated;
  std::vector<std::string> formats;  // "text", "image", "files", "private"; empty = all
  uint64_t max_bytes = 0;            // of one item that crosses; 0 = no limit
  std::string origin;
};

enum class NetworkMode : uint8_t { kAll = 0, kNone = 1, kList = 2 };

// One reachable place. host: name, address, or address/bits; "*" = any.
struct NetworkPlace {
  std::string host;
  uint16_t first_port = 0, last_port = 65535;
  std::string origin;
};

struct NetworkPolicy {
  NetworkMode mode = NetworkMode::kAll;
  std::vector<NetworkPlace> allow;      // for kList
  std::vector<uint16_t> private_ports;  // loopback listeners that are the VM's own
  std::string origin;
};

struct Policy {
  BasePolicy base = BasePolicy::kSandbox;
  std::vector<PolicyRule> files, keys;
  std::vector<PolicyNameRule> objects, devices, windows;  // the first that matches decides
  bool show_all_processes = false;
  std::optional<ClipboardPolicy> clipboard;  // unset: the base's
  std::optional<NetworkPolicy> network;
};

// The user's policy file. Errors are kInvalid with FILE:LINE:COLUMN. `inherit` missing = `base`.
Result<Policy> ParsePolicy(std::string_view toml, const std::string& file_name, const MachineFacts& facts,
                           BasePolicy base);

// The whole table: base rules, then the user's (same prefix: the user's wins), then the mandatory ones.
// `images`: for kApplication, the folders that the image brings are merged too.
// `hidden_keys`: canonical keys of the machine that no guest sees unless the user's rules say so.
Policy CompletePolicy(const Policy& user, const MachineFacts& facts,
                      const std::vector<const catalog::Reader*>& images,
                      const std::vector<std::u16string>& hidden_keys = {});

// Turns the user's patterns into the form the layer compares ("COM1" -> "\??\COM1") and appends the devices
// that programs need on this system (policy_devices.cc; docs/nt-compat.md lists them).
void CompleteDeviceRules(const MachineFacts& facts, std::vector<PolicyNameRule>* rules);

// "HKLM\Software\X", "HKEY_CURRENT_USER\X", "M\X" -> canonical; kInvalid otherwise.
Result<std::u16string> CanonicalKey(std::u16string_view text, std::u16string_view user_sid);
// The way back, for people: "HKCU\Software\X".
std::u16string KeyForPeople(std::u16string_view canonical, std::u16string_view user_sid);

const char* ModeName(view::Mode mode);
// Does `text` begin with `prefix`, as names are compared?
bool BeginsFolded(std::u16string_view text, std::u16string_view prefix);

}  // namespace plume::agent
