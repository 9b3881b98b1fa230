#include "server/storage.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "os/clock.h"
#include "os/random.h"

namespace plume::server {
namespace {

// A digest as the text of a link file's name.
std::string DigestOfHex(const std::string& hex) { return "sha256:" + hex; }

bool Missing(const Error& error) { return error.code == Errc::kNotFound; }

}  // namespace

Storage::Storage(os::Path root, os::FileSystem& files, os::FileLock lock)
    : root_(std::move(root)), files_(files), serve_lock_(std::move(lock)) {}

Result<std::unique_ptr<Storage>> Storage::OpenForServing(const os::Path& root, os::FileSystem& files) {
  auto lock = os::FileLock::Acquire(root / "serve.lock", os::FileLock::Mode::kExclusive, 0);
  if (!lock.ok()) {
    if (lock.error().code != Errc::kBusy) return std::move(lock).error();
    return Error{Errc::kBusy, "another plume-server is using " + os::Utf8(root) +
                                  " (stop it, or choose another folder with --root)"};
  }
  auto storage = std::unique_ptr<Storage>(new Storage(root, files, std::move(*lock)));
  TRY(os::RemoveTree(files, root / "uploads"));
  for (const char* folder : {"uploads", "repositories"}) TRY(storage->EnsureDirectory(root / folder));
  TRY(storage->EnsureDirectory(root / "blobs" / "sha256"));
  return storage;
}

os::Path Storage::BlobPath(std::string_view digest) const {
  const std::string hex(HexOf(digest));
  return root_ / "blobs" / "sha256" / hex.substr(0, 2) / hex;
}

os::Path Storage::RepositoryPath(std::string_view name) const {
  return root_ / "repositories" / os::FromUtf8(name);
}

os::Path Storage::LinkPath(std::string_view name, const char* kind, std::string_view digest) const {
  return RepositoryPath(name) / kind / std::string(HexOf(digest));
}

Result<os::FileLock> Storage::HoldOffGc() const {
  return os::FileLock::Acquire(root_ / "gc.lock", os::FileLock::Mode::kShared, os::FileLock::kForever);
}

// gc spares what was touched within its grace period.
Status Storage::Touch(const os::Path& path) {
  const int64_t now = os::SystemClock().NowFiletime();
  return files_.SetTimes(path, os::FileTimes{.modified = now, .accessed = now});
}

Status Storage::EnsureDirectory(const os::Path& path) {
  {
    std::lock_guard hold(known_mutex_);
    if (known_directories_.contains(path)) return Ok();
  }
  if (path != root_ && path.has_parent_path() && path.parent_path() != path) {
    TRY(EnsureDirectory(path.parent_path()));
  }
  if (!os::Exists(files_, path)) {
    TRY(files_.MakeDirectories(path));
    TRY(files_.SyncDirectory(path.parent_path()));
  }
  std::lock_guard hold(known_mutex_);
  known_directories_.insert(path);
  return Ok();
}

Status Storage::Publish(const os::Path& path, std::string_view bytes) {
  TRY(EnsureDirectory(path.parent_path()));
  const os::Path temporary = UploadPath("t" + os::RandomHex(16));
  auto write = [&]() -> Status {
    ASSIGN(auto file, files_.Open(temporary, os::OpenMode::kCreateNew));
    TRY(file->WriteAt(0, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
    TRY(file->Flush());
    TRY(file->Close());
    TRY(files_.Rename(temporary, path, true));
    return files_.SyncDirectory(path.parent_path());
  };
  Status status = write();
  if (!status.ok()) (void)files_.Remove(temporary);
  return status;
}

Result<BlobInfo> Storage::FindBlob(const std::string& name, const std::string& digest, bool keep) {
  const os::Path link = LinkPath(name, "_blobs", digest), blob = BlobPath(digest);
  std::optional<os::FileLock> lock;
  if (keep) {
    ASSIGN(lock, HoldOffGc());
  }
  // A manifest is also a blob of its repository: registries differ, the specification allows it, clients like
  // it.
  if (!os::Exists(files_, link) && !os::Exists(files_, LinkPath(name, "_manifests", digest))) {
    return Error{Errc::kNotFound, "blob " + digest + " is not in " + name};
  }
  ASSIGN(const auto info, files_.Stat(blob));
  if (keep) {
    TRY(Touch(blob));
    if (auto touched = Touch(link); !touched.ok() && !Missing(touched.error()))
      return std::move(touched).error();
  }
  return BlobInfo{blob, info.size};
}

Status Storage::AdoptBlob(const std::string& name, const std::string& digest, const os::Path& source) {
  const os::Path blob = BlobPath(digest);
  TRY(EnsureDirectory(blob.parent_path()));
  ASSIGN(auto lock, HoldOffGc());
  // Replacing an equal blob costs nothing and heals one that the disk has damaged.
  TRY(files_.Rename(source, blob, true));
  TRY(files_.SyncDirectory(blob.parent_path()));
  return Publish(LinkPath(name, "_blobs", digest), "");
}

Result<bool> Storage::MountBlob(const std::string& name, const std::string& from, const std::string& digest) {
  auto found = FindBlob(from, digest, true);
  if (!found.ok()) {
    if (Missing(found.error())) return false;
    return std::move(found).error();
  }
  ASSIGN(auto lock, HoldOffGc());
  if (!os::Exists(files_, found->path)) return false;  // gc was faster
  TRY(Publish(LinkPath(name, "_blobs", digest), ""));
  return true;
}

Status Storage::DeleteBlob(const std::string& name, const std::string& digest) {
  const os::Path link = LinkPath(name, "_blobs", digest);
  TRY(files_.Remove(link));
  return files_.SyncDirectory(link.parent_path());
}

Status Storage::RequireReferences(const std::string& name, const ManifestInfo& info) {
  for (const std::string& digest : info.blobs) {
    auto found = FindBlob(name, digest, true);
    if (!found.ok()) return std::move(found).error();
  }
  for (const std::string& digest : info.manifests) {
    if (!os::Exists(files_, LinkPath(name, "_manifests", digest))) {
      return Error{Errc::kNotFound, "manifest " + digest + " is not in " + name};
    }
  }
  return Ok();
}

Status Storage::PutManifest(const std::string& name, const std::string& tag, const std::string& digest,
                            std::string_view bytes, const ManifestInfo& info) {
  std::lock_guard one(manifest_mutex_);
  TRY(RequireReferences(name, info));
  ASSIGN(auto lock, HoldOffGc());
  TRY(Publish(BlobPath(digest), bytes));
  if (!info.subject.empty()) {
    // Before the manifest itself is visible: an entry among referrers whose manifest is missing is skipped.
    nlohmann::json descriptor = {{"mediaType", info.media_type}, {"digest", digest}, {"size", bytes.size()}};
    if (!info.artifact_type.empty()) descriptor["artifactType"] = info.artifact_type;
    if (!info.annotations.empty()) descriptor["annotations"] = info.annotations;
    TRY(Publish(
        RepositoryPath(name) / "_referrers" / std::string(HexOf(info.subject)) / std::string(HexOf(digest)),
        descriptor.dump()));
  }
  TRY(Publish(LinkPath(name, "_manifests", digest), info.media_type));
  if (!tag.empty()) TRY(Publish(RepositoryPath(name) / "_tags" / tag, digest));
  return Ok();
}

Result<StoredManifest> Storage::GetManifest(const std::string& name, const std::string& tag_or_digest) {
  StoredManifest manifest;
  manifest.digest = tag_or_digest;
  if (!IsDigest(tag_or_digest)) {
    ASSIGN(manifest.digest, os::ReadText(files_, RepositoryPath(name) / "_tags" / tag_or_digest, 256));
    if (!IsDigest(manifest.digest))
      return Error{Errc::kCorrupt, "tag " + tag_or_digest + " of " + name + " is damaged"};
  }
  ASSIGN(manifest.media_type, os::ReadText(files_, LinkPath(name, "_manifests", manifest.digest), 1024));
  ASSIGN(manifest.bytes, os::ReadText(files_, BlobPath(manifest.digest), 16u << 20));
  return manifest;
}

Status Storage::DeleteManifest(const std::string& name, const std::string& tag_or_digest) {
  std::lock_guard one(manifest_mutex_);
  const os::Path repository = RepositoryPath(name);
  if (!IsDigest(tag_or_digest)) {
    TRY(files_.Remove(repository / "_tags" / tag_or_digest));
    return files_.SyncDirectory(repository / "_tags");
  }
  ASSIGN(const StoredManifest manifest, GetManifest(name, tag_or_digest));
  // Tags first: a tag never points at nothing.
  if (auto tags = Tags(name); tags.ok()) {
    for (const std::string& tag : *tags) {
      auto target = os::ReadText(files_, repository / "_tags" / tag, 256);
      if (target.ok() && *target == tag_or_digest) TRY(files_.Remove(repository / "_tags" / tag));
    }
    if (os::Exists(files_, repository / "_tags")) TRY(files_.SyncDirectory(repository / "_tags"));
  }
  TRY(files_.Remove(LinkPath(name, "_manifests", tag_or_digest)));
  TRY(files_.SyncDirectory(repository / "_manifests"));
  auto parsed = ParseManifest(manifest.bytes, manifest.media_type);
  if (auto* info = std::get_if<ManifestInfo>(&parsed); info != nullptr && !info->subject.empty()) {
    (void)files_.Remove(repository / "_referrers" / std::string(HexOf(info->subject)) /
                        std::string(HexOf(tag_or_digest)));
  }
  return Ok();
}

Result<std::vector<std::string>> Storage::Tags(const std::string& name) {
  const os::Path repository = RepositoryPath(name);
  if (!os::Exists(files_, repository / "_manifests")) return Error{Errc::kNotFound, "no repository " + name};
  std::vector<std::string> tags;
  auto entries = files_.List(repository / "_tags");
  if (!entries.ok()) {
    if (Missing(entries.error())) return tags;
    return std::move(entries).error();
  }
  for (const os::DirectoryEntry& entry : *entries) {
    std::string tag = os::Utf8(entry.name);
    if (IsTag(tag)) tags.push_back(std::move(tag));
  }
  std::sort(tags.begin(), tags.end());
  return tags;
}

void Storage::ListRepositories(const os::Path& folder, const std::string& prefix,
                               std::vector<std::string>* out) {
  auto entries = files_.List(folder);
  if (!entries.ok()) return;  // removed meanwhile
  for (const os::DirectoryEntry& entry : *entries) {
    const std::string component = os::Utf8(entry.name);
    if (!entry.info.directory) continue;
    if (component == "_manifests") {
      auto manifests = files_.List(folder / entry.name);
      if (manifests.ok() && !manifests->empty()) out->push_back(prefix);
    } else if (component.front() != '_') {
      ListRepositories(folder / entry.name, prefix.empty() ? component : prefix + "/" + component, out);
    }
  }
}

Result<std::vector<std::string>> Storage::Repositories() {
  std::vector<std::string> names;
  ListRepositories(root_ / "repositories", "", &names);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> Storage::Referrers(const std::string& name, const std::string& subject) {
  std::vector<std::string> descriptors;
  const os::Path folder = RepositoryPath(name) / "_referrers" / std::string(HexOf(subject));
  auto entries = files_.List(folder);
  if (!entries.ok()) {
    if (Missing(entries.error())) return descriptors;
    return std::move(entries).error();
  }
  std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const os::DirectoryEntry& entry : *entries) {
    const std::string hex = os::Utf8(entry.name);
    if (!IsDigest(DigestOfHex(hex)) || !os::Exists(files_, LinkPath(name, "_manifests", DigestOfHex(hex))))
      continue;
    auto text = os::ReadText(files_, folder / entry.name, 1u << 20);
    if (text.ok()) descriptors.push_back(std::move(*text));
  }
  return descriptors;
}

}  // namespace plume::server
