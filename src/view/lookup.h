// Classify and resolve: from a canonical path to what a VM's layers say about it, before the upper layer or
// the host is touched. Pure and freestanding: the same code answers in guests, in `plume vm explain` and in
// tests. Nothing here allocates or keeps state; everything may be called from any thread.
#pragma once
#include <cstdint>
#include <span>

#include "catalog/reader.h"
#include "view/path.h"
#include "view/vm_index.h"

namespace plume::view {

enum class Mode : uint8_t { kMerge = 0, kHost = 1, kPrivate = 2, kDeny = 3 };

// One row of a policy table: the longest matching prefix decides.
struct Rule {
  WView prefix;
  Mode mode;
};

// A root of an image layer, hung at `prefix` of the guest's view.
struct MountPoint {
  WView prefix;
  uint32_t root;
  bool registry;
  uint16_t layer;
};

// What a VM's namespace consists of. Filled once per process from the mapped View; immutable afterwards.
// A layer may have several mounts, one inside another ("C:" and "C:\users\ann"): the longer one is looked up
// first.
struct Space {
  std::span<const Rule> file_rules, key_rules;
  std::span<const MountPoint> mounts;         // top layer first; mounts of one layer together, in any order
  std::span<const catalog::Reader> catalogs;  // by layer number
  const VmIndex* index = nullptr;             // null = nothing is in the upper layer
};

struct Lookup {
  Mode mode = Mode::kHost;
  int rule = -1;                    // index into the rule table, -1 = built-in default (host)
  bool upper_possible = false;      // the upper layer may hold it: probe it first
  bool lower_hidden = false;        // a whiteout covers it: images and host are invisible
  int mount = -1;                   // the top image layer that has it, as index into Space.mounts; -1 = none
  uint32_t entry = catalog::kNone;  // index of the entry or key in that layer
  bool blocked = false;  // an image has a FILE where this path needs a directory: nothing below it exists
  // If upper and images do not have it, the host may (mode merge, not hidden, not blocked, not at or below a
  // key that the VM made). Also said when an image has a directory here, whose host namesake then shows
  // through; never when an image has a file here.
  bool host_visible = false;
  // A mount hangs somewhere below: the path is a directory (or key) even if no layer has it.
  bool virtual_directory = false;
  // For directory listings: does anything but a single real directory contribute, or is a child hidden by
  // policy?
  bool merge_listing = false;
};

// REQUIRES path from the matching parser (kDrivePath or kKeyPath).
Lookup LookUp(const Space& space, const VPath& path, bool registry);

// The image layers that contribute to a directory (or key), top first: call with the result of LookUp, then
// with the last result until it gives false. The first is the one LookUp named; layers under a file of the
// same name do not contribute.
struct Contributor {
  int mount = -1;
  uint32_t entry = catalog::kNone;
};
bool NextContributor(const Space& space, const VPath& path, bool registry, const Lookup& found,
                     Contributor* at);

// Names of children that exist only because a mount hangs below them. Call with *at = 0 until it gives false;
// a name may come more than once.
bool NextMountChild(const Space& space, const VPath& path, bool registry, size_t* at, WView* name);

// Which children of a directory each kind of layer may show. Made once per listing; `path` and `space` must
// outlive it.
class ChildFilter {
 public:
  ChildFilter(const Space& space, const VPath& path, bool registry, const Lookup& found);
  bool ShowsUpper(WView name) const;  // names in the upper layer
  bool ShowsImage(WView name) const;  // names in image layers, and of mounts
  bool ShowsHost(WView name) const;   // names on the host
  // False if no child of the host's directory can be visible: it need not be read.
  bool NeedsHost() const { return needs_host_; }

 private:
  Mode ModeOf(WView name) const;
  bool Hidden(WView name) const;

  const Space& space_;
  const VPath& path_;
  std::span<const Rule> rules_;
  Mode mode_;                  // of children without a rule of their own
  bool lower_hidden_ = false;  // images and host hidden for every child by a whiteout
  bool host_hidden_ = false;   // ... or the host alone, by a file of an image
  bool needs_host_ = false;
  bool child_rules_ = false;  // some rule's prefix is a direct child
  bool child_whiteouts_ = false;
};

}  // namespace plume::view
