// The registry of a workspace: which keys of the upper layer are the application's. Works on any KeySource.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/capture.h"
#include "image/content.h"

namespace plume::capture {

struct KeySet {
  std::vector<image::KeyItem> changed;  // new or different from the host, residue included
  uint64_t unchanged = 0;               // copies of host keys that nothing changed
  uint64_t other_users = 0;             // keys of other users' hives: not part of an image
};

// Reads the whole upper layer. A key that also exists on the host counts as changed only if its values
// differ; one that was made only to hold subkeys (no values, host has it) is not listed, so that an image
// never hides the values of the client's key. One that the image below the VM has (`in_base`, by canonical
// path; may be empty) always counts: its values are all the upper key has.
Result<KeySet> ReadKeys(const KeySource& upper, const KeySource* host, std::u16string_view user_sid,
                        const std::function<bool(std::u16string_view)>& in_base = {});

struct Sifted {
  std::vector<image::KeyItem> keys;  // without residue
  std::vector<image::EnvVar> environment;
  uint64_t dropped = 0;
};

// Takes environment variables out and drops residue. `host` and `user_sid` as above.
Sifted SiftKeys(const std::vector<image::KeyItem>& changed, const KeySource* host,
                std::u16string_view user_sid);

// True if some class or component is installed on demand by Windows Installer (then cached packages are
// needed).
bool NeedsCachedPackages(const std::vector<image::KeyItem>& keys);

}  // namespace plume::capture
