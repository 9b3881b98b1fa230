#include "repository/counterparts.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/utf16.h"
#include "image/delta.h"
#include "image/known_chunks.h"
#include "view/path.h"

namespace plume::repository {
namespace {

os::Digest DigestOf(const catalog::Sha256& digest) {
  os::Digest out;
  std::copy_n(digest.bytes()->data(), out.size(), out.begin());
  return out;
}

std::u16string Fold(catalog::WView text, bool without_digits) {
  std::u16string out;
  for (const char16_t c : std::u16string_view(text.data(), text.size())) {
    if (without_digits && c >= u'0' && c <= u'9') continue;
    out.push_back(view::Upcase(c));
  }
  return out;
}

// Paths of all files, folded; the name of the root is their first component.
std::unordered_map<uint32_t, std::u16string> Paths(const catalog::Reader& catalog) {
  std::vector<std::u16string> paths(catalog.entry_count());
  std::unordered_map<uint32_t, std::u16string> files;
  for (const catalog::Root* root : *catalog.raw().roots()) {
    if (!root->registry()) paths[root->index()] = FromUtf8Lossy(root->name()->str());
  }
  // A parent's index is smaller than its children's.
  for (uint32_t e = 0; e < catalog.entry_count(); ++e) {
    const catalog::Entry& entry = catalog.entry(e);
    if (entry.parent() != e) paths[e] = paths[entry.parent()] + u'\\' + Fold(catalog.name(entry), false);
    if ((entry.flags() & catalog::kDirectory) == 0) files.emplace(e, paths[e]);
  }
  return files;
}

class Matcher {
 public:
  explicit Matcher(const ImageReader& base) : base_(base), catalog_(base.catalog()) {
    for (const auto& [e, path] : Paths(catalog_)) {
      const catalog::Entry& entry = catalog_.entry(e);
      if (entry.size() == 0) continue;
      by_path_.emplace(path, e);
      by_name_[Fold(catalog_.name(entry), false)].push_back(e);
      by_form_[Fold(catalog_.name(entry), true)].push_back(e);
      for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
        std::vector<uint32_t>& users = by_chunk_[DigestOf(base.chunk(entry, i).digest())];
        if (users.size() < kMaxUsers && (users.empty() || users.back() != e)) users.push_back(e);
      }
    }
  }
  bool HasChunk(const os::Digest& digest) const { return by_chunk_.contains(digest); }

  uint32_t Match(const ImageReader& target, uint32_t e, const std::u16string& path) const {
    const auto same = by_path_.find(path);
    if (same != by_path_.end()) return same->second;
    const catalog::Entry& entry = target.catalog().entry(e);
    std::unordered_map<uint32_t, uint64_t> shared;
    for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
      const catalog::Chunk& chunk = target.chunk(entry, i);
      const auto users = by_chunk_.find(DigestOf(chunk.digest()));
      if (users == by_chunk_.end()) continue;
      for (const uint32_t user : users->second) shared[user] += chunk.size();
    }
    uint32_t best = image::kNoBase;
    uint64_t most = 0;
    for (const auto& [user, bytes] : shared) {
      if (bytes > most || (bytes == most && user < best)) std::tie(best, most) = std::tie(user, bytes);
    }
    if (best != image::kNoBase) return best;
    const catalog::WView name = target.catalog().name(entry);
    best = Nearest(by_name_, Fold(name, false), entry.size());
    return best != image::kNoBase ? best : Nearest(by_form_, Fold(name, true), entry.size());
  }

 private:
  using Names = std::unordered_map<std::u16string, std::vector<uint32_t>>;
  static constexpr size_t kMaxUsers = 8;

  // Of several the one of the most similar size.
  uint32_t Nearest(const Names& names, const std::u16string& name, uint64_t size) const {
    const auto found = names.find(name);
    if (found == names.end()) return image::kNoBase;
    const auto distance = [&](uint32_t e) {
      const uint64_t other = catalog_.entry(e).size();
      return std::make_pair(other > size ? other - size : size - other, e);
    };
    return *std::min_element(found->second.begin(), found->second.end(),
                             [&](uint32_t a, uint32_t b) { return distance(a) < distance(b); });
  }

  const ImageReader& base_;
  const catalog::Reader& catalog_;
  std::unordered_map<std::u16string, uint32_t> by_path_;
  Names by_name_, by_form_;  // names; names without their digits
  std::unordered_map<os::Digest, std::vector<uint32_t>, image::DigestHash> by_chunk_;
};

}  // namespace

std::vector<Changed> ChangedFiles(const ImageReader& base, const ImageReader& target) {
  const Matcher matcher(base);
  const catalog::Reader& catalog = target.catalog();
  std::vector<std::pair<std::tuple<uint32_t, uint64_t, uint32_t>, Changed>> found;
  const auto paths = Paths(catalog);
  std::unordered_set<uint32_t> contents;
  for (uint32_t e = 0; e < catalog.entry_count(); ++e) {
    const catalog::Entry& entry = catalog.entry(e);
    if (entry.content() == catalog::kNone || !contents.insert(entry.content()).second) continue;
    Changed changed{e, image::kNoBase, 0};
    std::unordered_set<os::Digest, image::DigestHash> counted;
    for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
      const catalog::Chunk& chunk = target.chunk(entry, i);
      const os::Digest digest = DigestOf(chunk.digest());
      if (!matcher.HasChunk(digest) && counted.insert(digest).second) changed.missing += chunk.stored();
    }
    if (changed.missing == 0) continue;
    changed.base = matcher.Match(target, e, paths.at(e));
    const catalog::Chunk& first = target.chunk(entry, 0);
    found.push_back({{first.pack(), first.offset(), e}, changed});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Changed> out;
  for (const auto& item : found) out.push_back(item.second);
  return out;
}

}  // namespace plume::repository
