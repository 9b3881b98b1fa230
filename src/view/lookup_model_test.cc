// LookUp against a naive model: sets of folded paths, one per layer, no cleverness. Seeded; a failure prints
// its seed.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/utf16.h"
#include "catalog/testing.h"
#include "view/lookup.h"

namespace plume::view {
namespace {

std::u16string Fold(std::u16string s) {
  for (char16_t& c : s) c = Upcase(c);
  return s;
}

struct Path : VPath {
  explicit Path(std::u16string canonical) : room(canonical.size()) {
    EXPECT_NE(ParseCanonical(canonical, room, this), NameKind::kInvalid);
  }
  Path(const Path&) = delete;
  std::vector<char16_t> room;
};

// One mounted tree as the model sees it: absolute folded virtual paths -> is it a file.
using Tree = std::map<std::u16string, bool>;

struct Model {
  struct Mount {
    int layer;
    size_t prefix_length;
    Tree tree;
    int number;
    std::u16string prefix;
  };
  std::vector<Mount> mounts;  // in order of precedence
  std::map<std::u16string, Mode> rules;
  std::set<std::u16string> whiteouts, upper, subtree, made;

  static std::vector<std::u16string> Ancestors(const std::u16string& path) {  // with itself, root first
    std::vector<std::u16string> out;
    for (size_t i = 0; i <= path.size(); ++i) {
      if (i == path.size() || path[i] == u'\\') out.push_back(path.substr(0, i));
    }
    return out;
  }
  std::pair<Mode, bool> ModeOf(const std::u16string& path) const {
    std::vector<std::u16string> all = Ancestors(path);
    all.insert(all.begin(), u"");
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      if (auto rule = rules.find(*it); rule != rules.end()) return {rule->second, true};
    }
    return {Mode::kHost, false};
  }
  bool AnyOf(const std::set<std::u16string>& set, const std::u16string& path) const {
    for (const std::u16string& a : Ancestors(path)) {
      if (set.count(a)) return true;
    }
    return false;
  }
  struct Answer {
    Mode mode;
    bool upper_possible = false, hidden = false, blocked = false, host = false, virtual_directory = false;
    bool image_file = false;
    std::vector<int> mounts;  // contributors, top first
  };
  Answer Ask(const std::u16string& path) const {
    Answer a;
    a.mode = ModeOf(path).first;
    if (a.mode == Mode::kHost || a.mode == Mode::kDeny) {
      a.host = a.mode == Mode::kHost;
      return a;
    }
    a.hidden = AnyOf(whiteouts, path);
    a.upper_possible = upper.count(path) || AnyOf(subtree, path);
    bool covered = a.hidden;
    if (!a.hidden) {
      for (const Mount& m : mounts) {
        bool file_above = false;
        for (const std::u16string& p : Ancestors(path)) {
          auto it = m.tree.find(p);
          if (p != path && it != m.tree.end() && it->second) file_above = true;
        }
        if (file_above) {
          a.blocked = a.mounts.empty();
          covered = true;
          break;
        }
        auto it = m.tree.find(path);
        if (it == m.tree.end()) continue;
        if (it->second && !a.mounts.empty()) {
          covered = true;
          break;
        }
        a.mounts.push_back(m.number);
        if (it->second) {
          a.image_file = covered = true;
          break;
        }
      }
    }
    a.host = a.mode == Mode::kMerge && !covered && !AnyOf(made, path);
    if (!covered) {
      for (const Mount& m : mounts) {
        if (m.prefix.size() > path.size() && m.prefix.compare(0, path.size() + 1, path + u"\\") == 0) {
          a.virtual_directory = true;
        }
      }
    }
    return a;
  }
};

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}
  unsigned Below(unsigned n) { return random_() % n; }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  std::u16string Name() {
    static const char16_t* const kNames[] = {u"a", u"B", u"\u00e4x", u"LongName", u"c d"};
    std::u16string name = kNames[Below(5)];
    if (Chance(50)) name = Fold(name);
    return name;
  }
  std::u16string Relative(int max_depth) {
    std::u16string path;
    for (unsigned n = Below(max_depth + 1); n > 0; --n) path += (path.empty() ? u"" : u"\\") + Name();
    return path;
  }
  std::u16string Below(const std::u16string& root, int max_depth) {
    const std::u16string relative = Relative(max_depth);
    return relative.empty() ? root : root + u"\\" + relative;
  }

 private:
  std::mt19937 random_;
};

class Round {
 public:
  Round(uint32_t seed, bool registry, VmIndex* index) : g_(seed), registry_(registry), index_(index) {
    root_ = registry ? u"M" : u"C:";
    MakeLayers();
    MakeRules();
    for (unsigned n = g_.Below(6); n > 0; --n) {
      const std::u16string text = g_.Below(root_, 3);
      constexpr uint32_t kKinds[] = {VmIndex::kUpper, VmIndex::kWhiteout, VmIndex::kSubtreeUpper,
                                     VmIndex::kMade};
      const uint32_t flags = kKinds[g_.Below(4)];
      const Path p(text);
      EXPECT_TRUE(index_->Set(p, p.depth, flags));
      auto& set = flags == VmIndex::kUpper      ? model_.upper
                  : flags == VmIndex::kWhiteout ? model_.whiteouts
                  : flags == VmIndex::kMade     ? model_.made
                                                : model_.subtree;
      set.insert(Fold(text));
      if (flags != VmIndex::kMade || p.depth == 0) continue;
      // Such a key is in the upper layer, and so is the one above it.
      for (int depth : {p.depth - 1, int{p.depth}}) {
        EXPECT_TRUE(index_->Set(p, depth, VmIndex::kUpper));
        model_.upper.insert(Fold(std::u16string(p.Prefix(depth))));
      }
    }
    space_ = {rules_, rules_, mounts_, readers_, index_};
  }

  void Check(int queries) {
    for (int q = 0; q < queries; ++q) {
      const std::u16string text = g_.Below(root_, 4);
      const Path path(text);
      SCOPED_TRACE(ToUtf8(text));
      const Lookup got = LookUp(space_, path, registry_);
      const Model::Answer want = model_.Ask(Fold(text));
      ASSERT_EQ(got.mode, want.mode);
      ASSERT_EQ(got.rule >= 0, model_.ModeOf(Fold(text)).second);
      ASSERT_EQ(got.upper_possible, want.upper_possible);
      ASSERT_EQ(got.lower_hidden, want.hidden);
      ASSERT_EQ(got.blocked, want.blocked);
      ASSERT_EQ(got.mount, want.mounts.empty() ? -1 : want.mounts[0]);
      ASSERT_EQ(got.host_visible, want.host);
      ASSERT_EQ(got.virtual_directory, want.virtual_directory);
      std::vector<int> contributors;
      Contributor at;
      while (NextContributor(space_, path, registry_, got, &at)) contributors.push_back(at.mount);
      ASSERT_EQ(contributors, want.mounts);
      CheckChildren(path, text, got);
    }
  }

 private:
  // What the listing filter says of a child is what LookUp says of it, and a directory that claims to need no
  // merging shows exactly the host's children.
  void CheckChildren(const Path& path, const std::u16string& text, const Lookup& got) {
    const ChildFilter filter(space_, path, registry_, got);
    for (int i = 0; i < 4; ++i) {
      const std::u16string name = g_.Name();
      SCOPED_TRACE(ToUtf8(name));
      const Model::Answer child = model_.Ask(Fold(text + u"\\" + name));
      const bool images = child.mode == Mode::kMerge || child.mode == Mode::kPrivate;
      ASSERT_EQ(filter.ShowsUpper(name), images);
      ASSERT_EQ(filter.ShowsImage(name), images && !child.hidden);
      // Names that the upper layer or images have are in the listing before the host's turn.
      const bool made = child.mode == Mode::kMerge && model_.made.count(Fold(text + u"\\" + name)) != 0;
      if (child.mounts.empty() && !made) {
        ASSERT_EQ(filter.ShowsHost(name), child.host);
      } else {
        ASSERT_TRUE(made || filter.ShowsImage(name));
        ASSERT_TRUE(!child.host || filter.ShowsHost(name));
      }
      ASSERT_TRUE(!child.host || filter.NeedsHost());
      if (!got.merge_listing && got.host_visible) {
        ASSERT_TRUE(child.host);
        ASSERT_TRUE(child.mounts.empty());
      }
    }
  }

  void MakeLayers() {
    const int layers = 1 + static_cast<int>(g_.Below(3));
    struct Pending {
      std::u16string prefix;
      std::string root;
      int layer;
    };
    std::vector<Pending> pending;
    for (int layer = 0; layer < layers; ++layer) {
      std::vector<catalog::testing::TestEntry> entries;
      std::vector<catalog::testing::TestKey> keys;
      std::vector<Pending> of_layer = {{root_, registry_ ? "M" : "C", layer}};
      if (g_.Chance(60)) of_layer.push_back({g_.Below(root_, 2), registry_ ? "CU" : "Profile", layer});
      if (of_layer.back().prefix == root_ && of_layer.size() == 2) of_layer.pop_back();
      if (g_.Chance(50)) std::swap(of_layer.front(), of_layer.back());
      std::map<std::string, std::set<std::u16string>> files;
      for (const Pending& p : of_layer) {
        entries.push_back({p.root, u"", true});
        keys.push_back({p.root, u""});
        for (unsigned n = g_.Below(7); n > 0; --n) {
          const std::u16string relative = g_.Relative(4);
          if (relative.empty()) continue;
          if (HasFileAbove(entries, p.root, relative)) continue;
          entries.push_back({p.root, relative, g_.Chance(40), 3});
          keys.push_back({p.root, relative});
        }
      }
      if (registry_) {
        entries.clear();
      } else {
        keys.clear();
      }
      buffers_.push_back(catalog::testing::Build(entries, keys));
      EXPECT_TRUE(catalog::Reader::Verify(buffers_.back().data(), buffers_.back().size()));
      pending.insert(pending.end(), of_layer.begin(), of_layer.end());
    }
    for (const auto& buffer : buffers_) readers_.push_back(buffer.reader());
    prefixes_.reserve(pending.size());
    for (const Pending& p : pending) {
      prefixes_.push_back(p.prefix);
      const catalog::Reader& reader = readers_[p.layer];
      const uint32_t root = reader.RootIndex(p.root.c_str());
      Model::Mount mount = {p.layer, p.prefix.size(), {}, static_cast<int>(mounts_.size()), Fold(p.prefix)};
      Collect(reader, root, Fold(p.prefix), &mount.tree);
      mounts_.push_back({prefixes_.back(), root, registry_, static_cast<uint16_t>(p.layer)});
      model_.mounts.push_back(std::move(mount));
    }
    std::stable_sort(model_.mounts.begin(), model_.mounts.end(), [](const auto& a, const auto& b) {
      return a.layer != b.layer ? a.layer < b.layer : a.prefix_length > b.prefix_length;
    });
  }

  static bool HasFileAbove(const std::vector<catalog::testing::TestEntry>& entries, const std::string& root,
                           const std::u16string& path) {
    for (const auto& e : entries) {
      if (e.root != root || e.path.empty()) continue;
      const std::u16string a = Fold(e.path), b = Fold(path);
      if (a == b || a.compare(0, b.size() + 1, b + u"\\") == 0) return true;
      if (!e.directory && b.compare(0, a.size() + 1, a + u"\\") == 0) return true;
    }
    return false;
  }

  void Collect(const catalog::Reader& r, uint32_t at, const std::u16string& path, Tree* tree) {
    if (registry_) {
      (*tree)[path] = false;
      const catalog::Key& k = r.key(at);
      for (uint32_t i = 0; i < k.child_count(); ++i) {
        const uint32_t child = k.first_child() + i;
        Collect(r, child, path + u"\\" + Fold(std::u16string(r.name(r.key(child)))), tree);
      }
      return;
    }
    const catalog::Entry& e = r.entry(at);
    (*tree)[path] = (e.flags() & catalog::kDirectory) == 0;
    for (uint32_t i = 0; i < e.child_count(); ++i) {
      const uint32_t child = e.first_child() + i;
      Collect(r, child, path + u"\\" + Fold(std::u16string(r.name(r.entry(child)))), tree);
    }
  }

  void MakeRules() {
    std::map<std::u16string, Mode> rules;
    if (g_.Chance(90)) rules[u""] = g_.Chance(80) ? Mode::kMerge : Mode::kPrivate;
    for (unsigned n = g_.Below(5); n > 0; --n)
      rules[Fold(g_.Below(root_, 3))] = static_cast<Mode>(g_.Below(4));
    model_.rules = rules;
    rule_texts_.reserve(rules.size());
    for (const auto& [prefix, mode] : rules) {
      rule_texts_.push_back(prefix);
      rules_.push_back({rule_texts_.back(), mode});
    }
    if (rules_.size() > 1) std::swap(rules_.front(), rules_.back());
  }

  Generator g_;
  bool registry_;
  VmIndex* index_;
  std::u16string root_;
  std::vector<catalog::testing::Buffer> buffers_;
  std::vector<catalog::Reader> readers_;
  std::vector<std::u16string> prefixes_, rule_texts_;
  std::vector<MountPoint> mounts_;
  std::vector<Rule> rules_;
  Model model_;
  Space space_;
};

TEST(LookupModel, AgreesOnRandomSpaces) {
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    // Fresh pages, of which only touched ones cost anything.
    void* const memory = mmap(nullptr, VmIndex::kFileBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    VmIndex::Format(memory);
    VmIndex index;
    ASSERT_TRUE(index.Attach(memory, VmIndex::kFileBytes));
    Round round(seed, seed % 3 == 0, &index);
    round.Check(60);
    munmap(memory, VmIndex::kFileBytes);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace plume::view
