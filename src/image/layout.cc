#include "image/layout.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "image/json.h"

namespace plume::image {
namespace {

constexpr char kLayoutFile[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
constexpr char kEmptyIndex[] =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}";
constexpr char kRefName[] = "org.opencontainers.image.ref.name";
constexpr uint64_t kMaxIndexBytes = 64u << 20;
constexpr size_t kPiece = 1u << 20;
constexpr uint32_t kIndexTimeoutMs = 30'000, kCollectTimeoutMs = 2'000;

std::string HexOf(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

std::string RefNameOf(const Json& entry) {
  const Json* annotations = ObjectMember(entry, "annotations");
  const Json* name = annotations ? Member(*annotations, kRefName) : nullptr;
  return name && name->is_string() ? name->get<std::string>() : std::string();
}

std::string DigestOf(const Json& entry) {
  const Json* digest = Member(entry, "digest");
  return digest && digest->is_string() ? digest->get<std::string>() : std::string();
}

// The manifest that an entry of this name is about, by the tags under which registries without the referrers
// API list what is attached to an image ("sha256-<hex>") and signatures are found ("sha256-<hex>.sig").
std::string SubjectOf(const std::string& ref_name) {
  if (!ref_name.starts_with("sha256-")) return {};
  const std::string digest = "sha256:" + ref_name.substr(7, 64);
  const std::string_view rest = std::string_view(ref_name).substr(std::min<size_t>(ref_name.size(), 71));
  return os::ParseDigest(digest) && (rest.empty() || rest.front() == '.') ? digest : std::string();
}

Error NoBlob(const std::string& digest) {
  return Error{Errc::kNotFound, "reading the blob " + digest + ": it is not in this store"};
}

}  // namespace

// --- BlobWriter
// ------------------------------------------------------------------------------------------------

BlobWriter::BlobWriter(const Layout& layout, os::Path temporary, std::unique_ptr<os::File> file)
    : layout_(layout), temporary_(std::move(temporary)), file_(std::move(file)) {}

BlobWriter::~BlobWriter() {
  if (!file_) return;
  file_.reset();
  (void)layout_.files().Remove(temporary_);
}

Status BlobWriter::Write(os::ByteView bytes) {
  TRY(file_->WriteAt(size_, bytes));
  hash_.Update(bytes);
  size_ += bytes.size();
  return Ok();
}

Result<Descriptor> BlobWriter::Commit(const std::string& media_type, const std::string& expected) {
  const Descriptor blob{media_type, os::DigestText(hash_.Finish()), size_};
  if (!expected.empty() && expected != blob.digest) {
    return Error{Errc::kCorrupt,
                 "storing the blob " + expected + ": the bytes received have the digest " + blob.digest};
  }
  const os::Path final_name = layout_.BlobPath(blob.digest);
  // An equal one is kept and the destructor drops this copy. One of another size is damaged: it is replaced.
  if (const Result<uint64_t> there = layout_.BlobSize(blob.digest); there.ok() && *there == size_)
    return blob;
  TRY(file_->Flush());
  TRY(file_->Close());
  Status renamed = layout_.files().Rename(temporary_, final_name, /*replace=*/true);
  if (!renamed.ok()) {
    (void)layout_.files().Remove(temporary_);
    file_.reset();
    return renamed.error();
  }
  file_.reset();
  TRY(layout_.files().SyncDirectory(final_name.parent_path()));
  return blob;
}

// --- opening
// ---------------------------------------------------------------------------------------------------

Layout::Layout(os::FileSystem& files, os::Path directory) : files_(files), directory_(std::move(directory)) {}

Result<std::unique_ptr<Layout>> Layout::Open(os::FileSystem& files, const os::Path& directory, bool create) {
  std::unique_ptr<Layout> layout(new Layout(files, directory));
  const os::Path marker = directory / "oci-layout";
  if (!os::Exists(files, marker)) {
    if (!create) {
      return Error{Errc::kNotFound,
                   "opening " + os::Utf8(directory) + ": there is no image layout in this folder"};
    }
    TRY(files.MakeDirectories(layout->BlobFolder()));
    // Another process may be doing the same, and have entered an image already.
    ASSIGN(const os::FileLock lock,
           os::FileLock::Acquire(directory / "index.lock", os::FileLock::Mode::kExclusive, kIndexTimeoutMs));
    if (!os::Exists(files, directory / "index.json")) {
      TRY(os::WriteAtomic(files, directory / "index.json", std::string_view(kEmptyIndex)));
    }
    // Last: a folder with this file is complete.
    TRY(os::WriteAtomic(files, marker, std::string_view(kLayoutFile)));
  } else {
    ASSIGN(const std::string text, os::ReadText(files, marker, 4096));
    ASSIGN(const Json json, ParseJsonObject(text, os::Utf8(marker)));
    ASSIGN(const std::string version, TextMember(json, "imageLayoutVersion", os::Utf8(marker)));
    if (!version.starts_with("1.")) {
      return Error{Errc::kUnsupported, "opening " + os::Utf8(directory) +
                                           ": it is an image layout of version \"" + version +
                                           "\", this Plume reads 1.x"};
    }
  }
  return layout;
}

// --- index.json
// ------------------------------------------------------------------------------------------------

Result<std::string> Layout::ReadIndexText() const {
  return os::ReadText(files_, directory_ / "index.json", kMaxIndexBytes);
}

Result<std::vector<LayoutEntry>> Layout::Entries() const {
  const std::string what = os::Utf8(directory_ / "index.json");
  ASSIGN(const std::string text, ReadIndexText());
  ASSIGN(const Json index, ParseJsonObject(text, what));
  std::vector<LayoutEntry> entries;
  const Json* manifests = ArrayMember(index, "manifests");
  if (!manifests) return Error{Errc::kCorrupt, "reading " + what + ": it has no list of manifests"};
  for (const Json& item : *manifests) {
    LayoutEntry entry;
    entry.ref_name = RefNameOf(item);
    if (entry.ref_name.empty()) continue;
    ASSIGN(entry.manifest.digest, TextMember(item, "digest", what));
    ASSIGN(entry.manifest.media_type, TextMember(item, "mediaType", what));
    ASSIGN(entry.manifest.size, NumberMember(item, "size", 0, what));
    if (os::ParseDigest(entry.manifest.digest)) entries.push_back(std::move(entry));
  }
  return entries;
}

Result<LayoutEntry> Layout::Find(const std::string& ref_name) const {
  ASSIGN(std::vector<LayoutEntry> entries, Entries());
  for (LayoutEntry& entry : entries) {
    if (entry.ref_name == ref_name) return std::move(entry);
  }
  return Error{Errc::kNotFound,
               "finding " + ref_name + " in " + os::Utf8(directory_) + ": there is no such image"};
}

Status Layout::ChangeIndex(const std::string& ref_name, const Descriptor* manifest) {
  ASSIGN(const os::FileLock lock,
         os::FileLock::Acquire(directory_ / "index.lock", os::FileLock::Mode::kExclusive, kIndexTimeoutMs));
  return ChangeIndexLocked(ref_name, manifest);
}

Status Layout::ChangeIndexLocked(const std::string& ref_name, const Descriptor* manifest) {
  const os::Path path = directory_ / "index.json";
  ASSIGN(const std::string text, ReadIndexText());
  // Ordered, so that what other tools wrote stays readable; parsed strictly first.
  ASSIGN(const Json checked, ParseJsonObject(text, os::Utf8(path)));
  if (!ArrayMember(checked, "manifests")) {
    return Error{Errc::kCorrupt, "reading " + os::Utf8(path) + ": it has no list of manifests"};
  }
  nlohmann::ordered_json index = nlohmann::ordered_json::parse(text, nullptr, false);
  nlohmann::ordered_json& list = index["manifests"];
  nlohmann::ordered_json kept = nlohmann::ordered_json::array();
  bool found = false;
  for (auto& item : list) {
    if (RefNameOf(Json::parse(item.dump(), nullptr, false)) == ref_name)
      found = true;
    else
      kept.push_back(std::move(item));
  }
  if (manifest) {
    kept.push_back({{"mediaType", manifest->media_type},
                    {"digest", manifest->digest},
                    {"size", manifest->size},
                    {"annotations", {{kRefName, ref_name}}}});
  } else if (!found) {
    return Error{Errc::kNotFound,
                 "removing " + ref_name + " from " + os::Utf8(directory_) + ": there is no such image"};
  }
  list = std::move(kept);
  return os::WriteAtomic(files_, path,
                         index.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

Status Layout::Set(const LayoutEntry& entry) { return ChangeIndex(entry.ref_name, &entry.manifest); }

Status Layout::Erase(const std::string& ref_name) { return ChangeIndex(ref_name, nullptr); }

// --- blobs
// -----------------------------------------------------------------------------------------------------

os::Path Layout::BlobPath(const std::string& digest) const { return BlobFolder() / HexOf(digest); }

bool Layout::HasBlob(const std::string& digest) const {
  return os::ParseDigest(digest).has_value() && os::Exists(files_, BlobPath(digest));
}

Result<uint64_t> Layout::BlobSize(const std::string& digest) const {
  if (!os::ParseDigest(digest)) return NoBlob(digest);
  Result<os::FileInfo> info = files_.Stat(BlobPath(digest));
  if (!info.ok()) return info.error().code == Errc::kNotFound ? NoBlob(digest) : info.error();
  return info->size;
}

Result<os::Bytes> Layout::ReadBlob(const std::string& digest, uint64_t limit) const {
  if (!HasBlob(digest)) return NoBlob(digest);
  ASSIGN(os::Bytes bytes, os::ReadFile(files_, BlobPath(digest), limit));
  if (os::DigestText(os::Sha256::Of(bytes)) != digest) {
    return Error{Errc::kCorrupt, "reading the blob " + digest +
                                     ": the file does not have this digest (it was damaged on disk)"};
  }
  return bytes;
}

Result<os::Bytes> Layout::ReadBlobRange(const std::string& digest, uint64_t offset, uint64_t length) const {
  if (!HasBlob(digest)) return NoBlob(digest);
  ASSIGN(const std::unique_ptr<os::File> file, files_.Open(BlobPath(digest), os::OpenMode::kRead));
  ASSIGN(const uint64_t size, file->Size());
  if (offset > size || length > size - offset) {
    return Error{Errc::kCorrupt, "reading the blob " + digest + ": it is shorter than it should be"};
  }
  os::Bytes bytes(static_cast<size_t>(length));
  ASSIGN(const size_t n, file->ReadAt(offset, bytes));
  if (n != bytes.size())
    return Error{Errc::kCorrupt, "reading the blob " + digest + ": it is shorter than it should be"};
  return bytes;
}

Status Layout::StreamBlob(const std::string& digest, uint64_t offset, uint64_t length,
                          const std::function<Status(os::ByteView)>& sink) const {
  if (!HasBlob(digest)) return NoBlob(digest);
  ASSIGN(const std::unique_ptr<os::File> file, files_.Open(BlobPath(digest), os::OpenMode::kRead));
  ASSIGN(const uint64_t size, file->Size());
  if (offset > size || length > size - offset) {
    return Error{Errc::kCorrupt, "reading the blob " + digest + ": it is shorter than it should be"};
  }
  uint64_t left = length ? length : size - offset;
  os::Bytes piece(static_cast<size_t>(std::min<uint64_t>(kPiece, left)));
  while (left > 0) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(piece.size(), left));
    ASSIGN(const size_t n, file->ReadAt(offset, std::span(piece).first(wanted)));
    if (n == 0)
      return Error{Errc::kCorrupt, "reading the blob " + digest + ": it is shorter than it should be"};
    TRY(sink(os::ByteView(piece.data(), n)));
    offset += n;
    left -= n;
  }
  return Ok();
}

Status Layout::CheckBlob(const Descriptor& blob) const {
  os::Sha256 hash;
  uint64_t size = 0;
  TRY(StreamBlob(blob.digest, 0, 0, [&](os::ByteView piece) -> Status {
    hash.Update(piece);
    size += piece.size();
    return Ok();
  }));
  if (size != blob.size || os::DigestText(hash.Finish()) != blob.digest) {
    return Error{Errc::kCorrupt, "checking the blob " + blob.digest +
                                     ": its bytes are not what its name says (it was damaged on disk)"};
  }
  return Ok();
}

Result<std::unique_ptr<BlobWriter>> Layout::NewBlob() const {
  TRY(files_.MakeDirectories(TemporaryFolder()));
  const os::Path temporary = os::TemporaryName(TemporaryFolder(), "blob");
  ASSIGN(std::unique_ptr<os::File> file, files_.Open(temporary, os::OpenMode::kCreateNew));
  return std::unique_ptr<BlobWriter>(new BlobWriter(*this, temporary, std::move(file)));
}

Result<Descriptor> Layout::PutBlob(os::ByteView bytes, const std::string& media_type) const {
  ASSIGN(const std::unique_ptr<BlobWriter> writer, NewBlob());
  TRY(writer->Write(bytes));
  return writer->Commit(media_type);
}

// --- garbage
// ---------------------------------------------------------------------------------------------------

Result<os::FileLock> Layout::HoldBlobs() const {
  return os::FileLock::Acquire(directory_ / "blobs.lock", os::FileLock::Mode::kShared, kIndexTimeoutMs);
}

// Digests reachable from index.json, also from entries without a name and from manifests that are not ours:
// whatever a manifest mentions as a digest stays.
Result<std::vector<std::string>> Layout::Referenced(std::vector<std::string>* orphans) const {
  ASSIGN(const std::string text, ReadIndexText());
  ASSIGN(const Json index, ParseJsonObject(text, os::Utf8(directory_ / "index.json")));
  const Json* list = ArrayMember(index, "manifests");
  if (!list)
    return Error{Errc::kCorrupt,
                 "reading " + os::Utf8(directory_ / "index.json") + ": it has no list of manifests"};
  std::vector<std::string> found, open;
  // What is attached to an image stays as long as that does, and does not keep it.
  std::vector<std::pair<std::string, const Json*>> attached;  // by subject
  for (const Json& item : *list) {
    if (std::string subject = SubjectOf(RefNameOf(item)); !subject.empty())
      attached.emplace_back(std::move(subject), &item);
    else
      open.push_back(DigestOf(item));
  }
  std::unordered_set<std::string> seen;
  for (;;) {
    if (open.empty()) {
      const auto next = std::find_if(attached.begin(), attached.end(),
                                     [&](const auto& one) { return seen.contains(one.first); });
      if (next == attached.end()) break;
      open.push_back(DigestOf(*next->second));
      attached.erase(next);
    }
    const std::string digest = std::move(open.back());
    open.pop_back();
    if (digest.empty() || !seen.insert(digest).second) continue;
    found.push_back(digest);
    // A manifest that cannot be read makes it unknown what else is in use: nothing is removed then.
    if (!HasBlob(digest)) continue;
    ASSIGN(const os::Bytes bytes, ReadBlob(digest, kMaxManifestBytes));
    Result<Json> manifest =
        ParseJsonObject(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                        "the manifest " + digest);
    if (!manifest.ok()) return manifest.error();
    if (const Json* config = ObjectMember(*manifest, "config")) found.push_back(DigestOf(*config));
    for (const char* name : {"layers", "blobs"}) {
      if (const Json* blobs = ArrayMember(*manifest, name)) {
        for (const Json& blob : *blobs) found.push_back(DigestOf(blob));
      }
    }
    if (const Json* subject = ObjectMember(*manifest, "subject")) open.push_back(DigestOf(*subject));
    if (const Json* nested = ArrayMember(*manifest, "manifests")) {
      for (const Json& item : *nested) open.push_back(DigestOf(item));
    }
  }
  for (const auto& one : attached) orphans->push_back(RefNameOf(*one.second));
  return found;
}

Result<uint64_t> Layout::CollectGarbage() {
  ASSIGN(const os::FileLock blobs,
         os::FileLock::Acquire(directory_ / "blobs.lock", os::FileLock::Mode::kExclusive, kCollectTimeoutMs));
  ASSIGN(const os::FileLock index,
         os::FileLock::Acquire(directory_ / "index.lock", os::FileLock::Mode::kExclusive, kIndexTimeoutMs));
  std::vector<std::string> orphans;
  ASSIGN(const std::vector<std::string> referenced, Referenced(&orphans));
  // First: an entry never names a blob that is gone.
  for (const std::string& ref_name : orphans) TRY(ChangeIndexLocked(ref_name, nullptr));
  std::unordered_set<std::string> keep;
  for (const std::string& digest : referenced) {
    if (!digest.empty()) keep.insert(HexOf(digest));
  }
  uint64_t freed = 0;
  ASSIGN(const std::vector<os::DirectoryEntry> all, files_.List(BlobFolder()));
  for (const os::DirectoryEntry& entry : all) {
    if (entry.info.directory || keep.contains(os::Utf8(entry.name))) continue;
    TRY(files_.Remove(BlobFolder() / entry.name));
    freed += entry.info.size;
  }
  if (os::Exists(files_, TemporaryFolder())) {
    ASSIGN(const std::vector<os::DirectoryEntry> leftovers, files_.List(TemporaryFolder()));
    for (const os::DirectoryEntry& entry : leftovers) {
      TRY(files_.Remove(TemporaryFolder() / entry.name));
      freed += entry.info.size;
    }
  }
  return freed;
}

}  // namespace plume::image
