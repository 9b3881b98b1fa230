// Registry keys that can be read whole and changed: a VM's workspace, the machine's own registry, a test's.
//
// Paths are canonical ("M\Software\X", "U\<sid>\Software"). A symbolic link is a key like any other here: it
// is never followed, so nothing outside the store is ever reached through one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/content.h"

namespace plume::agent {

bool SameValue(const image::ValueItem& a, const image::ValueItem& b);

// A key without its subkeys.
struct KeyNode {
  std::u16string class_name;
  std::vector<image::ValueItem> values;
  bool link = false;            // symbolic link; its target is the value SymbolicLinkValue
  bool volatile_key = false;    // gone at the next start of the system (Wine does not tell)
  std::vector<uint8_t> access;  // security descriptor with an access list of its own; empty: inherited

  friend bool operator==(const KeyNode& a, const KeyNode& b);
};

class KeyStore {
 public:
  virtual ~KeyStore() = default;
  // kNotFound if there is none. Either pointer may be null.
  virtual Status Read(std::u16string_view path, KeyNode* node, std::vector<std::u16string>* subkeys) = 0;
  // Makes a key with exactly this content, and missing ancestors empty. kExists if it is there.
  virtual Status Create(std::u16string_view path, const KeyNode& node) = 0;
  virtual Status SetValue(std::u16string_view path, const image::ValueItem& value) = 0;
  virtual Status DeleteValue(std::u16string_view path,
                             std::u16string_view name) = 0;  // a missing one is success
  // Within its parent, with everything below it. kExists if the new name is taken.
  virtual Status Rename(std::u16string_view path, std::u16string_view new_name) = 0;
  virtual Status RemoveTree(std::u16string_view path) = 0;  // a missing key is success
  // Returns once the changes are on the medium.
  virtual Status Flush() = 0;

  bool Has(std::u16string_view path) { return Read(path, nullptr, nullptr).ok(); }
};

// Keys that copy-up is still building begin with two of these (src/vl/calls/key_internal.h): never content.
inline constexpr char16_t kTemporaryKeyMark = 0xffff;
inline bool IsTemporaryKey(std::u16string_view name) {
  return name.size() > 1 && name[0] == kTemporaryKeyMark && name[1] == kTemporaryKeyMark;
}

#ifdef _WIN32
// The keys below `key`, which is relative to the current user's key ("Software\Plume\<state>\VMs\<id>\w1").
std::unique_ptr<KeyStore> OpenKeyStore(const std::u16string& key);
// This machine's registry, 64-bit view: "M" and "U".
std::unique_ptr<KeyStore> OpenHostKeyStore();
#endif

}  // namespace plume::agent
