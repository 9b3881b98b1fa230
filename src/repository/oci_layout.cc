#include "repository/oci_layout.h"

#include "repository/artifact.h"

namespace plume::repository {
namespace {

constexpr size_t kMaxManifest = image::kMaxManifestBytes;
constexpr uint32_t kReferrersTimeoutMs = 30'000;

Error WrongSize(const std::string& digest) {
  return Error{Errc::kInternal,
               "storing the blob " + digest + ": its source gave another number of bytes than announced"};
}

}  // namespace

OciLayout::OciLayout(os::FileSystem& files, os::Path directory, std::string name)
    : files_(files), directory_(std::move(directory)), name_(std::move(name)) {}

Result<image::Layout*> OciLayout::Open(bool create) {
  const std::lock_guard lock(mutex_);
  if (!layout_) {
    ASSIGN(layout_, image::Layout::Open(files_, directory_, create));
  }
  return layout_.get();
}

Result<ManifestBlob> OciLayout::GetManifest(const std::string& tag_or_digest) {
  ASSIGN(const image::Layout* layout, Open(false));
  ManifestBlob out{tag_or_digest, image::kManifestMediaType, {}};
  if (!os::ParseDigest(tag_or_digest)) {
    ASSIGN(const image::LayoutEntry entry, layout->Find(tag_or_digest));
    out.digest = entry.manifest.digest;
    out.media_type = entry.manifest.media_type;
  }
  ASSIGN(const os::Bytes bytes, layout->ReadBlob(out.digest, kMaxManifest));
  out.bytes.assign(bytes.begin(), bytes.end());
  return out;
}

Status OciLayout::ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) {
  ASSIGN(const image::Layout* layout, Open(false));
  return layout->StreamBlob(digest, offset, length, sink);
}

Result<bool> OciLayout::HasBlob(const std::string& digest) {
  Result<image::Layout*> layout = Open(false);
  if (!layout.ok()) {
    if (layout.error().code == Errc::kNotFound) return false;
    return layout.error();
  }
  return (*layout)->HasBlob(digest);
}

Status OciLayout::PutBlob(const std::string& digest, uint64_t size,
                          const std::function<Status(const Sink&)>& read) {
  ASSIGN(const image::Layout* layout, Open(true));
  {
    const std::lock_guard lock(mutex_);
    if (!hold_) {
      ASSIGN(hold_, layout->HoldBlobs());
    }
  }
  ASSIGN(const std::unique_ptr<image::BlobWriter> writer, layout->NewBlob());
  TRY(read([&](std::span<const uint8_t> piece) { return writer->Write(piece); }));
  if (writer->size() != size) return WrongSize(digest);
  Result<image::Descriptor> committed = writer->Commit("", digest);
  return committed.ok() ? Ok() : Status(committed.error());
}

Status OciLayout::PutManifest(const std::string& tag, const ManifestBlob& manifest) {
  ASSIGN(image::Layout * layout, Open(true));
  const auto* bytes = reinterpret_cast<const uint8_t*>(manifest.bytes.data());
  ASSIGN(const image::Descriptor blob,
         layout->PutBlob(os::ByteView(bytes, manifest.bytes.size()), manifest.media_type));
  TRY(layout->Set({tag, blob}));
  const std::lock_guard lock(mutex_);
  hold_.reset();
  return Ok();
}

Result<std::vector<std::string>> OciLayout::Tags() {
  ASSIGN(const image::Layout* layout, Open(false));
  ASSIGN(const std::vector<image::LayoutEntry> entries, layout->Entries());
  std::vector<std::string> tags;
  for (const image::LayoutEntry& entry : entries) tags.push_back(entry.ref_name);
  return tags;
}

Result<std::vector<Referrer>> OciLayout::Referrers(const std::string& subject,
                                                   const std::string& artifact_type) {
  Result<ManifestBlob> index = GetManifest(FallbackTag(subject));
  if (!index.ok()) {
    if (index.error().code == Errc::kNotFound) return std::vector<Referrer>();
    return std::move(index).error();
  }
  return ParseReferrers(index->bytes, artifact_type);
}

Status OciLayout::PutReferrer(const ManifestBlob& manifest) {
  ASSIGN(const Attached attached, Describe(manifest));
  ASSIGN(image::Layout * layout, Open(true));
  // Reading, adding and writing are one step to every other writer.
  ASSIGN(const os::FileLock lock, os::FileLock::Acquire(directory_ / "referrers.lock",
                                                        os::FileLock::Mode::kExclusive, kReferrersTimeoutMs));
  ASSIGN(const os::FileLock hold, layout->HoldBlobs());
  const auto put = [&](const std::string& bytes, const std::string& media_type) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    return layout->PutBlob(os::ByteView(data, bytes.size()), media_type);
  };
  ASSIGN(const image::Descriptor stored, put(manifest.bytes, manifest.media_type));
  const std::string tag = FallbackTag(attached.subject);
  const Result<ManifestBlob> old = GetManifest(tag);
  if (!old.ok() && old.error().code != Errc::kNotFound) return old.error();
  ASSIGN(const std::string index, AddReferrer(old.ok() ? old->bytes : std::string(), attached.referrer));
  ASSIGN(const image::Descriptor blob, put(index, kIndexMediaType));
  TRY(layout->Set({tag, blob}));
  const std::lock_guard guard(mutex_);
  hold_.reset();
  return Ok();
}

}  // namespace plume::repository
