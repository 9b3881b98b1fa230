#include "image/builder.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/utf16.h"
#include "catalog/reader.h"
#include "catalog/writer.h"
#include "image/chunk_workers.h"
#include "image/chunker.h"
#include "image/codec.h"
#include "image/inspect.h"
#include "image/known_chunks.h"
#include "image/pack.h"
#include "image/profile.h"
#include "os/clock.h"
#include "view/path.h"

namespace plume::image {
namespace {

constexpr int64_t kProgressMicros = 200'000;

Error Failed(const Config& config, const std::string& why) {
  return Error{Errc::kInvalid, "building " + config.name + ":" + config.version + ": " + why};
}

std::u16string Fold(std::u16string_view text) {
  std::u16string out(text);
  for (char16_t& c : out) c = view::Upcase(c);
  return out;
}

using FileKey = std::pair<std::string, std::u16string>;  // root, folded path

// A PE file begins with "MZ"; at 0x3c stands the offset of "PE\0\0". Cheap and never wrong for real ones; a
// false positive only keeps a file from being hard-linked.
bool LooksLikePe(std::span<const uint8_t> first_chunk) {
  if (first_chunk.size() < 0x40 || first_chunk[0] != 'M' || first_chunk[1] != 'Z') return false;
  const uint32_t at = first_chunk[0x3c] | first_chunk[0x3d] << 8 | first_chunk[0x3e] << 16 |
                      static_cast<uint32_t>(first_chunk[0x3f]) << 24;
  return at <= first_chunk.size() - 4 && first_chunk[at] == 'P' && first_chunk[at + 1] == 'E' &&
         first_chunk[at + 2] == 0 && first_chunk[at + 3] == 0;
}

class Builder {
 public:
  Builder(const Content& content, Store& store, const BuildOptions& options)
      : content_(content), store_(store), options_(options), packs_(store.layout()) {}

  Result<BuiltImage> Run() {
    TRY(CheckConfig());
    // Held until the image is tagged: nothing it refers to may be collected meanwhile.
    ASSIGN(const os::FileLock hold, store_.layout().HoldBlobs());
    TRY(FindKnownChunks());
    TRY(PrepareNodes());
    TRY(KeepFiles());
    TRY(ReadFiles());
    ASSIGN(const std::vector<Descriptor> new_packs, packs_.Finish());
    return Publish(new_packs);
  }

 private:
  Status CheckConfig() const {
    const Config& config = content_.config;
    if (!IsImageName(config.name)) {
      return Error{Errc::kInvalid, "building an image: \"" + config.name +
                                       "\" is no image name (use lower-case letters, digits and - . _ /)"};
    }
    if (!IsImageVersion(config.version)) {
      return Error{Errc::kInvalid, "building " + config.name + ": \"" + config.version +
                                       "\" is no version (use letters, digits and . - _, at most 128)"};
    }
    for (const EntryPoint& entry : config.entry_points) {
      if (entry.id.empty() || entry.path.empty())
        return Failed(config, "an entry point has no id or no path");
    }
    return Ok();
  }

  // What the content is based on, the image that is being replaced, then the newest: so building the same
  // again refers to the same packs.
  Status FindKnownChunks() {
    if (!content_.base.empty()) TRY(known_.Add(store_, content_.base));
    for (const std::string& ref : options_.previous) {
      ASSIGN(const ImageRef image, store_.Resolve(ref));
      TRY(known_.Add(store_, image.digest));
    }
    if (!options_.reuse_same_name) return Ok();
    ASSIGN(std::vector<ImageRef> images, store_.List());
    std::erase_if(images, [&](const ImageRef& image) { return image.name != content_.config.name; });
    std::reverse(images.begin(), images.end());
    std::stable_partition(images.begin(), images.end(),
                          [&](const ImageRef& image) { return image.version == content_.config.version; });
    for (const ImageRef& image : images) {
      // A damaged earlier image must not keep anybody from building a good one: its chunks are just not
      // reused.
      (void)known_.Add(store_, image.digest);
    }
    return Ok();
  }

  // Catalog nodes for every file and key, and the order in which files are read: recorded ones first, then by
  // path.
  Status PrepareNodes() {
    std::map<FileKey, size_t> order;  // also finds duplicates early, before gigabytes are read
    input_.files.reserve(content_.files.size());
    for (const FileItem& item : content_.files) {
      const auto [other, is_new] = order.try_emplace({item.root, Fold(item.path)}, input_.files.size());
      if (!is_new) {
        return Failed(content_.config, item.root + "\\" + ToUtf8(item.path) +
                                           " is there twice (names that differ in case only are one name)");
      }
      catalog::FileNode node;
      node.root = item.root;
      node.path = item.path;
      node.directory = item.directory;
      node.attributes = item.attributes;
      node.created = item.created;
      node.modified = item.modified;
      node.short_name = item.short_name;
      input_.files.push_back(std::move(node));
      if (item.directory) continue;
      ++progress_.files_total;
      if (item.kept) {
        progress_.bytes_total += item.kept->size;
        continue;
      }
      Result<os::FileInfo> info = store_.layout().files().Stat(item.source);
      if (!info.ok()) return info.error();
      progress_.bytes_total += info->size;
    }
    hashed_whole_.resize(content_.files.size());
    std::vector<bool> queued(content_.files.size());
    const auto queue = [&](size_t i) {
      if (!content_.files[i].directory && !queued[i]) reading_order_.push_back(i);
      queued[i] = true;
    };
    for (const auto& [root, path] : options_.first) {
      if (const auto found = order.find({root, Fold(path)}); found != order.end()) queue(found->second);
    }
    for (const auto& [key, i] : order) queue(i);
    for (const KeyItem& item : content_.keys) {
      catalog::KeyNode node{item.root, item.path, item.modified, {}};
      for (const ValueItem& value : item.values) node.values.push_back({value.name, value.type, value.data});
      input_.keys.push_back(std::move(node));
    }
    return Ok();
  }

  // Files whose bytes an earlier image has: their chunks are known, and where they are.
  Status KeepFiles() {
    if (content_.base.empty()) return Ok();
    ASSIGN(const Manifest manifest, store_.ReadManifest(content_.base));
    ASSIGN(const os::Bytes bytes, LoadCatalog(store_, manifest));
    catalog::Reader base;
    base.Attach(bytes.data(), bytes.size());
    for (const size_t i : reading_order_) {
      const std::optional<KeptBytes>& kept = content_.files[i].kept;
      if (!kept) continue;
      if (kept->entry >= base.entry_count() || base.entry(kept->entry).size() != kept->size)
        return Failed(content_.config, ToUtf8(content_.files[i].path) + " is no file of " + content_.base);
      const catalog::Entry& entry = base.entry(kept->entry);
      catalog::FileNode& node = input_.files[i];
      node.pe = (entry.flags() & catalog::kPeFile) != 0;
      node.size = entry.size();
      node.content = kept->digest;
      for (uint32_t n = 0; n < entry.chunk_count(); ++n) {
        const catalog::Chunk& chunk =
            *base.raw().chunks()->Get(base.raw().chunk_refs()->Get(entry.first_chunk() + n));
        os::Digest digest;
        std::copy(chunk.digest().bytes()->begin(), chunk.digest().bytes()->end(), digest.begin());
        TRY(Place(i, digest, chunk.size(), {}));
      }
      ++progress_.files_done;
    }
    return Ok();
  }

  Status ReadFiles() {
    ChunkWorkers workers(options_.threads,
                         [this](const os::Digest& digest) { return known_.Find(digest) != nullptr; });
    for (const size_t i : reading_order_) {
      const FileItem& item = content_.files[i];
      if (item.kept) continue;
      progress_.file = item.root + "\\" + ToUtf8(item.path);
      Status read = ReadOne(i, item, workers);
      if (!read.ok())
        return read.error().In("building " + content_.config.name + ":" + content_.config.version);
      ++progress_.files_done;
      Report(false);
    }
    while (std::unique_ptr<ChunkJob> job = workers.Pop()) TRY(Place(*job));
    Report(true);
    return Ok();
  }

  Status ReadOne(size_t i, const FileItem& item, ChunkWorkers& workers) {
    ASSIGN(const std::unique_ptr<os::File> file,
           store_.layout().files().Open(item.source, os::OpenMode::kRead));
    ASSIGN(const uint64_t size, file->Size());
    // A file of one chunk has the chunk's digest; only longer ones are hashed a second time, as a whole.
    hashed_whole_[i] = size > kMinChunk;
    os::Sha256 hash;
    uint64_t offset = 0;
    bool pe = false;
    const auto read = [&](std::span<uint8_t> out) -> Result<size_t> {
      ASSIGN(const size_t n, file->ReadAt(offset, out));
      offset += n;
      return n;
    };
    uint64_t chunked = 0;
    const auto emit = [&](std::span<const uint8_t> chunk) -> Status {
      if (chunked == 0) pe = LooksLikePe(chunk);
      if (hashed_whole_[i]) hash.Update(chunk);
      chunked += chunk.size();
      auto job = std::make_unique<ChunkJob>();
      job->file = i;
      job->plain.assign(chunk.begin(), chunk.end());
      while (workers.Full()) TRY(Place(*workers.Pop()));
      workers.Push(std::move(job));
      return Ok();
    };
    TRY(ForEachChunk(read, emit));
    if (chunked != size) {
      return Error{Errc::kBusy,
                   "reading " + os::Utf8(item.source) + ": it changed meanwhile (close the application)"};
    }
    catalog::FileNode& node = input_.files[i];
    node.pe = pe;
    node.size = size;
    if (hashed_whole_[i]) node.content = hash.Finish();
    return Ok();
  }

  Status Place(const ChunkJob& job) {
    if (!hashed_whole_[job.file]) input_.files[job.file].content = job.digest;
    return Place(job.file, job.digest, static_cast<uint32_t>(job.plain.size()), job.stored);
  }

  // Decides on one chunk, in reading order: seen in this image, stored by an earlier one, or new; then
  // `bytes` are what is stored.
  Status Place(size_t file, const os::Digest& digest, uint32_t size, const std::vector<uint8_t>& bytes) {
    stats_.plain_bytes += size;
    ++stats_.chunks;
    progress_.bytes_done += size;
    Report(false);
    const auto [found, is_new] = indices_.try_emplace(digest, static_cast<uint32_t>(input_.chunks.size()));
    input_.files[file].chunks.push_back(found->second);
    if (!is_new) return Ok();

    ++stats_.unique_chunks;
    stats_.unique_bytes += size;
    catalog::ChunkNode chunk{digest, size, 0, 0, 0};
    PackNumber pack;
    if (const StoredChunk* stored = known_.Find(digest)) {
      ++stats_.reused_chunks;
      stats_.reused_bytes += size;
      chunk.stored = stored->stored;
      chunk.offset = stored->offset;
      pack = {true, stored->pack};
    } else {
      ASSIGN(const PackWriter::Place place, packs_.Add(bytes));
      stats_.stored_bytes += bytes.size();
      chunk.stored = static_cast<uint32_t>(bytes.size());
      chunk.offset = place.offset;
      pack = {false, place.pack};
    }
    const auto [number, first_use] =
        pack_numbers_.try_emplace(pack, static_cast<uint32_t>(pack_order_.size()));
    if (first_use) pack_order_.push_back(pack);
    chunk.pack = number->second;
    input_.chunks.push_back(chunk);
    return Ok();
  }

  // What a start needs, for the clients; packs alone cannot tell, since chunks of earlier images stay where
  // they are.
  Status FillStartUp(const std::vector<uint8_t>& catalog, Config* config) const {
    config->startup.clear();
    if (options_.first.empty()) return Ok();
    catalog::Reader reader;
    if (!reader.Attach(catalog.data(), catalog.size()))
      return Failed(content_.config, "its catalog is not readable");
    StartRun files;
    for (const auto& [root, path] : options_.first)
      files.push_back(ProfileFile{root + "\\" + ToUtf8(path), {}, {}});
    config->startup = EntriesOf(files, reader);
    return Ok();
  }

  Result<BuiltImage> Publish(const std::vector<Descriptor>& new_packs) {
    BuiltImage out;
    Layout& layout = store_.layout();
    for (const PackNumber& number : pack_order_) {
      const Descriptor& pack = number.reused ? known_.packs()[number.index] : new_packs[number.index];
      out.manifest.packs.push_back(pack);
      input_.packs.push_back({*os::ParseDigest(pack.digest), pack.size});
    }
    ASSIGN(const std::vector<uint8_t> catalog, catalog::Write(input_));
    ASSIGN(const std::vector<uint8_t> layer, PackCatalog(catalog));
    ASSIGN(out.manifest.catalog, layout.PutBlob(layer, kCatalogMediaType));

    Config config = content_.config;
    config.file_count = progress_.files_total;
    config.byte_count = stats_.plain_bytes;
    config.key_count = content_.keys.size();
    TRY(FillStartUp(catalog, &config));
    ASSIGN(out.manifest.config, layout.PutBlob(AsBytes(ToJson(config)), kConfigMediaType));
    out.manifest.name = config.name;
    out.manifest.version = config.version;
    const std::string manifest = ToJson(out.manifest);
    if (manifest.size() > kMaxManifestBytes) return Failed(config, "it has too many packs for one manifest");
    ASSIGN(const Descriptor blob, layout.PutBlob(AsBytes(manifest), kManifestMediaType));
    ASSIGN(out.ref, store_.Tag(blob.digest));
    stats_.new_packs = new_packs.size();
    out.stats = stats_;
    return out;
  }

  void Report(bool always) {
    if (!options_.progress) return;
    const int64_t now = os::SystemClock().MonotonicMicros();
    if (!always && now - reported_ < kProgressMicros) return;
    reported_ = now;
    options_.progress(progress_);
  }

  static os::ByteView AsBytes(const std::string& text) {
    return os::ByteView(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  }

  // Packs are numbered in the image by first use, so the result does not tell whether they are new or reused.
  struct PackNumber {
    bool reused = false;
    uint32_t index = 0;  // of KnownChunks::packs() or of the new packs
    auto operator<=>(const PackNumber&) const = default;
  };

  const Content& content_;
  Store& store_;
  const BuildOptions& options_;
  KnownChunks known_;
  PackWriter packs_;
  catalog::Input input_;                                          // files[i] belongs to content_.files[i]
  std::vector<size_t> reading_order_;                             // indices of files
  std::vector<bool> hashed_whole_;                                // per file
  std::unordered_map<os::Digest, uint32_t, DigestHash> indices_;  // into input_.chunks
  std::map<PackNumber, uint32_t> pack_numbers_;
  std::vector<PackNumber> pack_order_;
  BuildStats stats_;
  BuildProgress progress_;
  int64_t reported_ = 0;
};

}  // namespace

Result<BuiltImage> Build(const Content& content, Store& store, const BuildOptions& options) {
  return Builder(content, store, options).Run();
}

}  // namespace plume::image
