#include "view/lookup.h"

namespace plume::view {
namespace {

constexpr bool ShowsImages(Mode mode) { return mode == Mode::kMerge || mode == Mode::kPrivate; }

// If `text` names something below the directory `path`, gives the component that follows.
bool ChildOnTheWay(const VPath& path, WView text, WView* child, bool* direct) {
  const size_t n = path.text.size();
  if (text.size() <= n + 1 || text[n] != u'\\' || !EqualFolded(Sub(text, 0, n), path.text)) return false;
  size_t end = n + 1;
  while (end < text.size() && text[end] != u'\\') ++end;
  *child = Sub(text, n + 1, end - n - 1);
  *direct = end == text.size();
  return true;
}

int FindRule(std::span<const Rule> rules, const VPath& path) {
  int best = -1;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (best >= 0 && rules[i].prefix.size() <= rules[best].prefix.size()) continue;
    if (HasPrefix(path, rules[i].prefix)) best = static_cast<int>(i);
  }
  return best;
}

// The component count of a prefix that HasPrefix accepted.
int DepthOf(const VPath& path, WView prefix) {
  int i = 0;
  while (path.end[i] < prefix.size()) ++i;
  return i;
}

struct Step {
  uint32_t entry = catalog::kNone;
  bool file_on_the_way = false;  // an ancestor is a file
  bool is_file = false;
};

// Walks from a mount's root to `path` in its catalog.
Step Descend(const Space& space, const MountPoint& mount, const VPath& path, bool registry) {
  const catalog::Reader& reader = space.catalogs[mount.layer];
  Step step;
  uint32_t at = mount.root;
  for (int i = DepthOf(path, mount.prefix); i < path.depth; ++i) {
    const WView name = Sub(path.text, path.end[i] + 1u, path.end[i + 1] - path.end[i] - 1u);
    if (registry) {
      at = reader.Subkey(at, name);
    } else {
      if ((reader.entry(at).flags() & catalog::kDirectory) == 0) {
        step.file_on_the_way = true;
        return step;
      }
      at = reader.Child(at, name);
    }
    if (at == catalog::kNone) return step;
  }
  step.entry = at;
  step.is_file = !registry && (reader.entry(at).flags() & catalog::kDirectory) == 0;
  return step;
}

// Calls visit(mount index, Step) for every mount above `path`, top layer first and the longer mount of a
// layer first, until it returns false.
template <typename Visit>
void ForEachMount(const Space& space, const VPath& path, bool registry, Visit&& visit) {
  const auto& mounts = space.mounts;
  for (size_t first = 0; first < mounts.size();) {
    size_t end = first + 1;
    while (end < mounts.size() && mounts[end].layer == mounts[first].layer) ++end;
    size_t below = kMaxPathUnits + 1;  // prefixes of this length and more have been visited
    while (true) {
      size_t best = end;
      for (size_t i = first; i < end; ++i) {
        const MountPoint& m = mounts[i];
        if (m.registry != registry || m.prefix.size() >= below || !HasPrefix(path, m.prefix)) continue;
        if (best == end || m.prefix.size() > mounts[best].prefix.size()) best = i;
      }
      if (best == end) break;
      if (!visit(static_cast<int>(best), Descend(space, mounts[best], path, registry))) return;
      below = mounts[best].prefix.size();
    }
    first = end;
  }
}

// What the index says about `path` and the directories above it.
struct IndexFacts {
  bool whiteout = false, made = false, upper = false, child_whiteouts = false;
};

IndexFacts AskIndex(const VmIndex* index, const VPath& path) {
  IndexFacts facts;
  if (index == nullptr) return facts;
  for (int i = 0; i <= path.depth; ++i) {
    const uint32_t flags = index->Flags(path, i);
    facts.whiteout |= (flags & VmIndex::kWhiteout) != 0;
    facts.made |= (flags & VmIndex::kMade) != 0;
    facts.upper |= (flags & VmIndex::kSubtreeUpper) != 0;
    if (i == path.depth) {
      facts.upper |= (flags & VmIndex::kUpper) != 0;
      facts.child_whiteouts = (flags & VmIndex::kChildWhiteout) != 0;
    }
  }
  return facts;
}

bool AnyMountBelow(const Space& space, const VPath& path, bool registry) {
  size_t at = 0;
  WView name;
  return NextMountChild(space, path, registry, &at, &name);
}

bool AnyChildRule(std::span<const Rule> rules, const VPath& path, Mode mode) {
  for (const Rule& rule : rules) {
    WView child;
    bool direct = false;
    if (ChildOnTheWay(path, rule.prefix, &child, &direct) && direct && rule.mode != mode) return true;
  }
  return false;
}

// LookUp for a path whose rule is known to show images.
void Resolve(const Space& space, const VPath& path, bool registry, Lookup* out) {
  const IndexFacts facts = AskIndex(space.index, path);
  out->upper_possible = facts.upper;
  out->lower_hidden = facts.whiteout;
  bool ends_at_file = false;  // a file of an image covers whatever lower layers have
  if (!out->lower_hidden) {
    ForEachMount(space, path, registry, [&](int mount, const Step& step) {
      if (step.file_on_the_way) {
        out->blocked = out->mount < 0;
        ends_at_file = true;
        return false;
      }
      if (step.entry == catalog::kNone) return true;
      if (out->mount < 0) {
        out->mount = mount;
        out->entry = step.entry;
      }
      ends_at_file = step.is_file;
      return !step.is_file;
    });
    out->virtual_directory = !ends_at_file && AnyMountBelow(space, path, registry);
  }
  out->host_visible = out->mode == Mode::kMerge && !out->lower_hidden && !facts.made && !ends_at_file;
  // A directory with a whiteout is the upper layer's alone. (Keys of the upper layer have no listing of their
  // own order.)
  out->merge_listing = (registry || !out->lower_hidden) && (out->upper_possible || out->mount >= 0 ||
                                                            out->virtual_directory || facts.child_whiteouts);
}

}  // namespace

Lookup LookUp(const Space& space, const VPath& path, bool registry) {
  const std::span<const Rule> rules = registry ? space.key_rules : space.file_rules;
  Lookup out;
  out.rule = FindRule(rules, path);
  out.mode = out.rule < 0 ? Mode::kHost : rules[out.rule].mode;
  if (ShowsImages(out.mode)) {
    Resolve(space, path, registry, &out);
  } else {
    out.host_visible = out.mode == Mode::kHost;
  }
  out.merge_listing = out.merge_listing || AnyChildRule(rules, path, out.mode);
  return out;
}

bool NextContributor(const Space& space, const VPath& path, bool registry, const Lookup& found,
                     Contributor* at) {
  if (found.mount < 0) return false;
  if (at->mount < 0) {
    *at = Contributor{found.mount, found.entry};
    return true;
  }
  bool passed = false, ok = false;
  ForEachMount(space, path, registry, [&](int mount, const Step& step) {
    if (mount == at->mount) {
      passed = true;
      return !step.is_file;
    }
    if (!passed) return true;
    if (step.file_on_the_way || step.is_file) return false;
    if (step.entry == catalog::kNone) return true;
    *at = Contributor{mount, step.entry};
    ok = true;
    return false;
  });
  return ok;
}

bool NextMountChild(const Space& space, const VPath& path, bool registry, size_t* at, WView* name) {
  while (*at < space.mounts.size()) {
    const MountPoint& mount = space.mounts[(*at)++];
    bool direct = false;
    if (mount.registry == registry && ChildOnTheWay(path, mount.prefix, name, &direct)) return true;
  }
  return false;
}

ChildFilter::ChildFilter(const Space& space, const VPath& path, bool registry, const Lookup& found)
    : space_(space), path_(path), rules_(registry ? space.key_rules : space.file_rules), mode_(found.mode) {
  // As a child with a rule of its own would find it, whatever the mode of the directory.
  Lookup merged;
  merged.mode = Mode::kMerge;
  Resolve(space, path, registry, &merged);
  lower_hidden_ = merged.lower_hidden;
  host_hidden_ = !merged.host_visible;
  needs_host_ = found.host_visible;
  for (const Rule& rule : rules_) {
    WView child;
    bool direct = false;
    if (!ChildOnTheWay(path, rule.prefix, &child, &direct) || !direct) continue;
    child_rules_ = true;
    if (rule.mode == Mode::kHost || (rule.mode == Mode::kMerge && !host_hidden_)) needs_host_ = true;
  }
  child_whiteouts_ =
      space.index != nullptr && (space.index->Flags(path, path.depth) & VmIndex::kChildWhiteout) != 0;
}

Mode ChildFilter::ModeOf(WView name) const {
  if (!child_rules_) return mode_;
  for (const Rule& rule : rules_) {
    WView child;
    bool direct = false;
    if (ChildOnTheWay(path_, rule.prefix, &child, &direct) && direct && EqualFolded(child, name))
      return rule.mode;
  }
  return mode_;
}

bool ChildFilter::Hidden(WView name) const {
  if (lower_hidden_) return true;
  if (!child_whiteouts_) return false;
  const VmIndex::Record* record = space_.index->FindChild(path_, name);
  return record != nullptr && (record->flags.load(std::memory_order_acquire) & VmIndex::kWhiteout) != 0;
}

bool ChildFilter::ShowsUpper(WView name) const { return ShowsImages(ModeOf(name)); }

bool ChildFilter::ShowsImage(WView name) const { return ShowsImages(ModeOf(name)) && !Hidden(name); }

bool ChildFilter::ShowsHost(WView name) const {
  switch (ModeOf(name)) {
    case Mode::kHost:
      return true;
    case Mode::kMerge:
      return !host_hidden_ && !Hidden(name);
    case Mode::kPrivate:
    case Mode::kDeny:
      break;
  }
  return false;
}

}  // namespace plume::view
