#include "repository/publish.h"

#include "image/manifest.h"
#include "os/sha256.h"

namespace plume::repository {
namespace {

// Counts, and tells at most for every 256 KiB.
class Reporter {
 public:
  Reporter(const OnTransfer& progress, const std::vector<image::Descriptor>& blobs) : progress_(progress) {
    state_.blobs_total = blobs.size();
    for (const image::Descriptor& blob : blobs) state_.bytes_total += blob.size;
    Tell();
  }
  void Bytes(uint64_t n) {
    state_.bytes_done = std::min(state_.bytes_done + n, state_.bytes_total);
    untold_ += n;
    if (untold_ >= (256u << 10)) Tell();
  }
  // Whatever was counted for this blob before (a try that failed), now it is whole.
  void BlobDone(uint64_t bytes_done) {
    ++state_.blobs_done;
    state_.bytes_done = bytes_done;
    Tell();
  }

 private:
  void Tell() {
    untold_ = 0;
    if (progress_) progress_(state_);
  }
  const OnTransfer& progress_;
  TransferProgress state_;
  uint64_t untold_ = 0;
};

using Reader = std::function<Status(const image::Descriptor&, const Sink&)>;

// The common part: every blob the target misses, then the manifest under each tag.
Result<TransferStats> Send(const image::Manifest& manifest, const ManifestBlob& manifest_blob,
                           const Reader& read, Repository& to, const std::vector<std::string>& tags,
                           const OnTransfer& progress) {
  TransferStats stats;
  stats.digest = manifest_blob.digest;
  const std::vector<image::Descriptor> blobs = manifest.Blobs();
  Reporter reporter(progress, blobs);
  uint64_t done = 0;
  for (const image::Descriptor& blob : blobs) {
    ASSIGN(const bool present, to.HasBlob(blob.digest));
    if (present) {
      ++stats.blobs_present;
    } else {
      const auto source = [&](const Sink& sink) {
        return read(blob, [&](std::span<const uint8_t> piece) {
          reporter.Bytes(piece.size());
          return sink(piece);
        });
      };
      TRY(to.PutBlob(blob.digest, blob.size, source));
      ++stats.blobs_moved;
      stats.bytes_moved += blob.size;
    }
    done += blob.size;
    reporter.BlobDone(done);
  }
  for (const std::string& tag : tags) TRY(to.PutManifest(tag, manifest_blob));
  return stats;
}

Result<image::Manifest> Parse(const ManifestBlob& blob) { return image::ParseManifest(blob.bytes); }

// Passes the bytes of a blob on and fails at its end if they were not what its digest says.
Status ReadVerified(Repository& from, const image::Descriptor& blob, const Sink& sink) {
  os::Sha256 hash;
  uint64_t size = 0;
  TRY(from.ReadBlob(blob.digest, 0, 0, [&](std::span<const uint8_t> piece) -> Status {
    size += piece.size();
    if (size > blob.size) {
      return Error{Errc::kCorrupt, "reading the blob " + blob.digest + " from " + from.Name() +
                                       ": it is longer than the manifest says"};
    }
    hash.Update(piece);
    return sink(piece);
  }));
  if (size != blob.size || os::DigestText(hash.Finish()) != blob.digest) {
    return Error{Errc::kCorrupt,
                 "reading the blob " + blob.digest + " from " + from.Name() +
                     ": the bytes are not what the digest says (the repository's copy is damaged)"};
  }
  return Ok();
}

}  // namespace

Result<TransferStats> Publish(const image::Store& store, const image::ImageRef& image, Repository& to,
                              const std::vector<std::string>& tags, const OnTransfer& progress) {
  const auto run = [&]() -> Result<TransferStats> {
    for (const std::string& tag : tags) {
      if (!image::IsImageVersion(tag)) {
        return Error{
            Errc::kInvalid,
            "'" + tag + "' is no tag (use letters, digits and . _ -, beginning with a letter or digit)"};
      }
    }
    // Nothing may be removed from the store while it is read.
    ASSIGN(const os::FileLock hold, store.layout().HoldBlobs());
    ASSIGN(const os::Bytes bytes, store.layout().ReadBlob(image.digest, image::kMaxManifestBytes));
    const ManifestBlob blob{image.digest, image::kManifestMediaType, std::string(bytes.begin(), bytes.end())};
    ASSIGN(const image::Manifest manifest, Parse(blob));
    const Reader read = [&](const image::Descriptor& wanted, const Sink& sink) {
      return store.layout().StreamBlob(wanted.digest, 0, 0, sink);
    };
    return Send(manifest, blob, read, to, tags, progress);
  };
  Result<TransferStats> result = run();
  if (!result.ok()) return result.error().In("publishing " + image.Text() + " to " + to.Name());
  return result;
}

Result<TransferStats> Pull(Repository& from, const std::string& tag_or_digest, image::Store& store,
                           const OnTransfer& progress) {
  const auto run = [&]() -> Result<TransferStats> {
    ASSIGN(const ManifestBlob blob, from.GetManifest(tag_or_digest));
    ASSIGN(const image::Manifest manifest, Parse(blob));
    ASSIGN(const os::FileLock hold, store.layout().HoldBlobs());
    TransferStats stats;
    stats.digest = blob.digest;
    const std::vector<image::Descriptor> blobs = manifest.Blobs();
    Reporter reporter(progress, blobs);
    uint64_t done = 0;
    for (const image::Descriptor& wanted : blobs) {
      if (store.layout().HasBlob(wanted.digest)) {
        ++stats.blobs_present;
      } else {
        ASSIGN(const std::unique_ptr<image::BlobWriter> writer, store.layout().NewBlob());
        const Sink sink = [&](std::span<const uint8_t> piece) {
          reporter.Bytes(piece.size());
          return writer->Write(piece);
        };
        TRY(ReadVerified(from, wanted, sink));
        ASSIGN(const image::Descriptor stored, writer->Commit(wanted.media_type, wanted.digest));
        ++stats.blobs_moved;
        stats.bytes_moved += stored.size;
      }
      done += wanted.size;
      reporter.BlobDone(done);
    }
    const auto* text = reinterpret_cast<const uint8_t*>(blob.bytes.data());
    ASSIGN(const image::Descriptor stored,
           store.layout().PutBlob(os::ByteView(text, blob.bytes.size()), image::kManifestMediaType));
    ASSIGN(const image::ImageRef tagged, store.Tag(stored.digest));
    return stats;
  };
  Result<TransferStats> result = run();
  if (!result.ok()) return result.error().In("fetching " + from.Name() + ":" + tag_or_digest);
  return result;
}

Result<TransferStats> Copy(Repository& from, const std::string& tag_or_digest, Repository& to,
                           const std::vector<std::string>& tags, const OnTransfer& progress) {
  const auto run = [&]() -> Result<TransferStats> {
    ASSIGN(const ManifestBlob blob, from.GetManifest(tag_or_digest));
    ASSIGN(const image::Manifest manifest, Parse(blob));
    const Reader read = [&](const image::Descriptor& wanted, const Sink& sink) {
      return ReadVerified(from, wanted, sink);
    };
    return Send(manifest, blob, read, to, tags, progress);
  };
  Result<TransferStats> result = run();
  if (!result.ok())
    return result.error().In("copying " + from.Name() + ":" + tag_or_digest + " to " + to.Name());
  return result;
}

std::string RepositoryOf(const std::string& repo, const std::string& name) {
  std::string base = repo;
  while (base.size() > 1 && (base.back() == '/' || base.back() == '\\')) base.pop_back();
  const bool folder = base.starts_with("oci:") || base.starts_with("share:");
  const size_t slash = base.find_last_of(folder ? "/\\:" : "/");
  if (base.ends_with("/" + name) || (folder && slash != std::string::npos && base.substr(slash + 1) == name))
    return base;
  // A folder keeps the separator its user wrote.
  const bool backslash =
      folder && base.find('\\') != std::string::npos && base.find('/') == std::string::npos;
  return base + (backslash ? "\\" : "/") + name;
}

}  // namespace plume::repository
