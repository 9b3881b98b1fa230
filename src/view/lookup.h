// Classify and resolve: from a canonical path to what a VM's layers say about it, before the upper layer or the host
// is touched. Pure and freestanding: the same code answers in guests, in `plume vm explain` and in tests.
#pragma once
#include <cstdint>
#include <span>

#include "catalog/reader.h"
#include "view/path.h"
#include "view/vm_index.h"

namespace plume::view {

enum class Mode : uint8_t { kMerge = 0, kHost = 1, kPrivate = 2, kDeny = 3 };

// One row of a policy table: the longest matching prefix decides.
struct Rule { WView prefix; Mode mode; };

// A root of an image layer, hung at `prefix` of the guest's view.
struct MountPoint { WView prefix; uint32_t root; bool registry; uint16_t layer; };

// What a VM's namespace consists of. Filled once per process from the mapped View; immutable afterwards.
struct Space {
  std::span<const Rule> file_rules, key_rules;
  std::span<const MountPoint> mounts;                // top layer first
  std::span<const catalog::Reader> catalogs;         // by layer number
  const VmIndex* index = nullptr;
};

struct Lookup {
  Mode mode = Mode::kHost;
  int rule = -1;                 // index into the rule table, -1 = built-in default (host)
  bool upper_possible = false;   // the upper layer may hold it: probe it first
  bool lower_hidden = false;     // a whiteout covers it: images and host are invisible
  int mount = -1;                // the top image layer that has it, as index into Space.mounts; -1 = none
  uint32_t entry = catalog::kNone;  // index of the entry or key in that layer
  bool blocked = false;          // an image has a FILE where this path needs a directory: nothing below it exists
  bool host_visible = false;     // if upper and images do not have it, the host may (mode merge, not hidden)
  // For directory listings: does anything but a single real directory contribute?
  bool merge_listing = false;    // upper, image or child whiteouts contribute to this directory
};

// REQUIRES path from the matching parser (kDrivePath or kKeyPath).
Lookup LookUp(const Space& space, const VPath& path, bool registry);

}  // namespace plume::view
