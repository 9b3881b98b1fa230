#include "server/gc.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "os/clock.h"
#include "os/lock.h"
#include "server/manifest.h"
#include "server/protocol.h"

namespace plume::server {
namespace {

class Collector {
 public:
  Collector(os::Path root, os::FileSystem& files, const GcOptions& options)
      : root_(std::move(root)),
        files_(files),
        options_(options),
        deadline_(os::SystemClock().NowFiletime() - options.grace_seconds * 10'000'000) {}

  Result<GcResult> Run() {
    if (!os::Exists(files_, root_ / "blobs" / "sha256") || !os::Exists(files_, root_ / "repositories")) {
      return Error{Errc::kNotFound,
                   os::Utf8(root_) + " is not the storage of a plume-server (use --root DIR)"};
    }
    TRY(FindRepositories(root_ / "repositories"));
    for (const os::Path& repository : repositories_) TRY(CleanRepository(repository));
    TRY(Sweep());
    return result_;
  }

 private:
  using Hexes = std::set<std::string>;

  Status FindRepositories(const os::Path& folder) {
    ASSIGN(const auto entries, files_.List(folder));
    bool repository = false;
    for (const os::DirectoryEntry& entry : entries) {
      if (!entry.info.directory) continue;
      if (os::Utf8(entry.name).front() == '_') {
        repository = true;
      } else {
        TRY(FindRepositories(folder / entry.name));
      }
    }
    if (repository) repositories_.push_back(folder);
    return Ok();
  }

  // The names in a folder that are 64 hex digits. A missing folder is an empty one.
  Result<Hexes> ListHexes(const os::Path& folder) {
    Hexes hexes;
    auto entries = files_.List(folder);
    if (!entries.ok()) {
      if (entries.error().code == Errc::kNotFound) return hexes;
      return std::move(entries).error();
    }
    for (const os::DirectoryEntry& entry : *entries) {
      const std::string name = os::Utf8(entry.name);
      if (IsDigest("sha256:" + name)) hexes.insert(name);
    }
    return hexes;
  }

  os::Path BlobPath(const std::string& hex) const {
    return root_ / "blobs" / "sha256" / hex.substr(0, 2) / hex;
  }

  // Removes `path` if it is older than the grace period still when the server is held off.
  Result<bool> RemoveIfOld(const os::Path& path, uint64_t* size) {
    ASSIGN(auto lock,
           os::FileLock::Acquire(root_ / "gc.lock", os::FileLock::Mode::kExclusive, os::FileLock::kForever));
    auto info = files_.Stat(path);
    if (!info.ok()) {
      if (info.error().code == Errc::kNotFound) return false;
      return std::move(info).error();
    }
    if (info->times.modified > deadline_) return false;
    if (size != nullptr) *size = info->size;
    if (!options_.dry_run) TRY(files_.Remove(path));
    return true;
  }

  void Report(const std::string& what) {
    if (options_.report) options_.report(what);
  }

  // Everything a manifest leads to. Unreadable manifests keep nothing alive, but they stay themselves.
  Status Mark(const std::string& manifest_hex, Hexes* blobs, Hexes* manifests) {
    auto bytes = os::ReadText(files_, BlobPath(manifest_hex), 16u << 20);
    if (!bytes.ok()) {
      if (bytes.error().code == Errc::kNotFound) return Ok();
      return std::move(bytes).error();
    }
    std::vector<std::string> blob_digests, manifest_digests;
    ReferencesOf(*bytes, &blob_digests, &manifest_digests);
    for (const std::string& digest : blob_digests) blobs->insert(std::string(HexOf(digest)));
    for (const std::string& digest : manifest_digests) {
      if (manifests->insert(std::string(HexOf(digest))).second)
        TRY(Mark(std::string(HexOf(digest)), blobs, manifests));
    }
    return Ok();
  }

  // Tags by which clients find what belongs to an image: "sha256-<hex>" (referrers), "sha256-<hex>.sig".
  static std::string SubjectHexOf(const std::string& tag) {
    const std::string hex = tag.substr(0, 71).substr(std::min<size_t>(tag.size(), 7));
    const bool ends = tag.size() == 71 || (tag.size() > 71 && tag[71] == '.');
    return tag.starts_with("sha256-") && ends && IsDigest("sha256:" + hex) ? hex : std::string();
  }

  Result<Hexes> TaggedManifests(const os::Path& repository, const Hexes& all) {
    struct Attached {
      os::Path tag;
      std::string hex;
    };
    std::multimap<std::string, Attached> attached;  // by the image's digest: live if that is
    Hexes live, unused_blobs;
    auto tags = files_.List(repository / "_tags");
    if (tags.ok()) {
      for (const os::DirectoryEntry& tag : *tags) {
        auto digest = os::ReadText(files_, repository / "_tags" / tag.name, 256);
        if (!digest.ok() || !IsDigest(*digest)) continue;
        const std::string hex(HexOf(*digest)), subject = SubjectHexOf(os::Utf8(tag.name));
        if (subject.empty())
          live.insert(hex);
        else
          attached.emplace(subject, Attached{repository / "_tags" / tag.name, hex});
      }
    } else if (tags.error().code != Errc::kNotFound) {
      return std::move(tags).error();
    }
    const Hexes tagged = live;
    for (const std::string& hex : tagged) TRY(Mark(hex, &unused_blobs, &live));
    // A signature lives as long as what it signs; it may itself be signed, so until nothing is added.
    for (bool grown = true; grown;) {
      grown = false;
      for (auto one = attached.begin(); one != attached.end();) {
        if (!live.contains(one->first)) {
          ++one;
          continue;
        }
        live.insert(one->second.hex);
        TRY(Mark(one->second.hex, &unused_blobs, &live));
        one = attached.erase(one);
        grown = true;
      }
      for (const std::string& hex : all) {
        if (live.contains(hex)) continue;
        auto bytes = os::ReadText(files_, BlobPath(hex), 16u << 20);
        if (!bytes.ok()) continue;
        auto parsed = ParseManifest(*bytes, "");
        auto* info = std::get_if<ManifestInfo>(&parsed);
        if (info != nullptr && !info->subject.empty() && live.contains(std::string(HexOf(info->subject)))) {
          grown = live.insert(hex).second || grown;
        }
      }
    }
    for (const auto& [subject, orphan] : attached) {
      ASSIGN(const bool removed, RemoveIfOld(orphan.tag, nullptr));
      if (removed)
        Report("tag " + os::Utf8(orphan.tag.filename()));
      else
        live.insert(orphan.hex);
    }
    return live;
  }

  Status CleanRepository(const os::Path& repository) {
    ASSIGN(Hexes manifests, ListHexes(repository / "_manifests"));
    if (options_.untagged) {
      ASSIGN(const Hexes live, TaggedManifests(repository, manifests));
      for (auto it = manifests.begin(); it != manifests.end();) {
        bool removed = false;
        if (!live.contains(*it)) {
          ASSIGN(removed, RemoveIfOld(repository / "_manifests" / *it, nullptr));
        }
        if (removed) {
          ++result_.manifests_removed;
          Report("manifest sha256:" + *it);
        }
        it = removed ? manifests.erase(it) : std::next(it);
      }
    }
    Hexes needed;
    for (const std::string& hex : manifests) {
      Hexes children;
      TRY(Mark(hex, &needed, &children));
      reachable_.insert(hex);
    }
    ASSIGN(const Hexes links, ListHexes(repository / "_blobs"));
    for (const std::string& hex : links) {
      bool removed = false;
      if (!needed.contains(hex)) {
        ASSIGN(removed, RemoveIfOld(repository / "_blobs" / hex, nullptr));
      }
      if (!removed) reachable_.insert(hex);
    }
    return Ok();
  }

  Status Sweep() {
    ASSIGN(const auto folders, files_.List(root_ / "blobs" / "sha256"));
    for (const os::DirectoryEntry& folder : folders) {
      ASSIGN(const Hexes hexes, ListHexes(root_ / "blobs" / "sha256" / folder.name));
      for (const std::string& hex : hexes) {
        bool removed = false;
        uint64_t size = 0;
        if (!reachable_.contains(hex)) {
          ASSIGN(removed, RemoveIfOld(BlobPath(hex), &size));
        }
        if (removed) {
          ++result_.blobs_removed;
          result_.bytes_removed += size;
          Report("blob sha256:" + hex);
        } else if (auto info = files_.Stat(BlobPath(hex)); info.ok()) {
          ++result_.blobs_kept;
          result_.bytes_kept += info->size;
        }
      }
    }
    return Ok();
  }

  const os::Path root_;
  os::FileSystem& files_;
  const GcOptions& options_;
  const int64_t deadline_;  // FILETIME; what is newer is spared
  std::vector<os::Path> repositories_;
  Hexes reachable_;
  GcResult result_;
};

}  // namespace

Result<GcResult> CollectGarbage(const os::Path& root, os::FileSystem& files, const GcOptions& options) {
  return Collector(root, files, options).Run();
}

}  // namespace plume::server
