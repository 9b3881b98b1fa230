#include "cache/hydrator.h"

#include <algorithm>
#include <unordered_map>

#include "image/codec.h"
#include "os/random.h"
#include "os/sha256.h"

namespace plume::cache {
namespace {

os::Digest DigestOf(const catalog::Chunk& chunk) {
  os::Digest digest;
  std::copy_n(chunk.digest().bytes()->data(), digest.size(), digest.begin());
  return digest;
}

// A name for people: with the colon that the folder's name cannot have.
std::string Shown(const ImageData& image, uint32_t entry) {
  std::string name = image.NameOf(entry);
  if (name.starts_with("C\\")) name.insert(1, ":");
  return name;
}

}  // namespace

// The temporary file of one hydration; removed unless it was committed.
struct Hydrator::Output {
  Output(os::FileSystem& fs, os::Path p) : files(fs), path(std::move(p)) {}
  ~Output() {
    file.reset();
    if (!committed) (void)files.Remove(path);
  }
  Status Write(const Need& need, os::ByteView plain) {
    std::lock_guard hold(mutex);
    for (const uint64_t offset : need.destinations) TRY(file->WriteAt(offset, plain));
    return Ok();
  }

  os::FileSystem& files;
  const os::Path path;
  std::unique_ptr<os::File> file;
  std::mutex mutex;  // File allows one writer at a time
  bool committed = false;
  std::atomic<bool> fetched{false};  // something came from the repository just now
};

bool Hydrator::Present(const ImageData& image, uint32_t e) {
  auto info = files_.Stat(image.PathOf(e));
  if (!info.ok()) return false;
  return info->directory == image.IsDirectory(e) &&
         (info->directory || info->size == image.catalog().entry(e).size());
}

Status Hydrator::MakeDirectory(const ImageData& image, uint32_t e) {
  const os::Path path = image.PathOf(e);
  TRY(files_.MakeDirectories(path));
  const catalog::Entry& entry = image.catalog().entry(e);
  // What is seen through a handle of the directory itself; listings come from the catalog, so this is best
  // effort.
  if (entry.modified() != 0) (void)files_.SetTimes(path, os::FileTimes{entry.created(), entry.modified(), 0});
  return Ok();
}

Status Hydrator::Hydrate(const ImageData& image, uint32_t e, uint64_t patience) {
  if (image.removed) return Error{Errc::kInvalid, "image " + image.image().digest + " was removed"};
  Status done = image.IsDirectory(e) ? MakeDirectory(image, e) : MakeFile(image, e, patience);
  if (done.ok()) return done;
  if (done.error().code == Errc::kCorrupt) ++counters_.refused;
  return done.error().In("fetching " + Shown(image, e) + " failed");
}

Status Hydrator::MakeFile(const ImageData& image, uint32_t e, uint64_t patience) {
  const catalog::Entry& entry = image.catalog().entry(e);
  const os::Path path = image.PathOf(e);
  TRY(files_.MakeDirectories(path.parent_path()));
  const Settler::Marker marker{image.image().digest, e};
  TRY(settler_.Mark(marker));
  if (reuse_.Link(image, e, path)) {
    settler_.Settle(marker, path);  // the file it is a link to may not be settled either
    ++counters_.files_reused;
    counters_.bytes_reused += entry.size();
    return Ok();
  }

  Output output(files_, places_.Temporary() / (os::RandomHex(12) + ".tmp"));
  ASSIGN(output.file, files_.Open(output.path, os::OpenMode::kCreateNew));
  TRY(Fill(image, e, patience, &output));
  ASSIGN(const uint64_t size, output.file->Size());
  if (size != entry.size()) return Error{Errc::kInternal, "its chunks do not add up to its size"};
  TRY(output.file->SetTimes(os::FileTimes{entry.created(), entry.modified(), 0}));
  TRY(output.file->Close());
  output.file.reset();
  TRY(files_.SetAttributes(output.path, entry.attributes()));
  if (image.removed) return Error{Errc::kInvalid, "the image was removed meanwhile"};
  // Replacing: what is there under this name is not the file (Present), for instance cut off by somebody.
  TRY(files_.Rename(output.path, path, true));
  output.committed = true;
  settler_.Settle(marker, path);
  ++(output.fetched ? counters_.files_fetched : counters_.files_reused);
  return Ok();
}

Status Hydrator::Fill(const ImageData& image, uint32_t e, uint64_t patience, Output* output) {
  const catalog::Entry& entry = image.catalog().entry(e);
  std::vector<Need> needs;
  std::unordered_map<uint32_t, size_t> known;  // a chunk that occurs twice is fetched once
  uint64_t offset = 0;
  for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
    const uint32_t index = image.ChunkOf(entry, i);
    const catalog::Chunk& chunk = image.chunk(index);
    const auto [it, fresh] = known.emplace(index, needs.size());
    if (fresh) needs.push_back(Need{index, chunk.pack(), chunk.offset(), chunk.stored(), {}});
    needs[it->second].destinations.push_back(offset);
    offset += chunk.size();
  }
  Status local = Ok();
  std::erase_if(needs, [&](const Need& need) {
    if (!local.ok()) return false;
    const auto bytes = reuse_.ReadChunk(image.chunk(need.chunk), image);
    if (!bytes) return false;
    local = output->Write(need, *bytes);
    counters_.bytes_reused += bytes->size() * need.destinations.size();
    return true;
  });
  TRY(std::move(local));
  if (needs.empty()) return Ok();

  const auto source = image.source();
  if (source == nullptr) return Error{Errc::kUnreachable, "no repository is known for this image"};
  ASSIGN(const bool patched, Patch(image, e, *source, needs, output));
  if (patched) return Ok();
  const std::vector<Range> ranges = PlanRanges(&needs, options_.max_range, options_.max_gap);
  return workers_.ForEach(ranges.size(), [&](size_t i) -> Status {
    ASSIGN(const bool taken, TakeFromStream(image, *source, ranges[i], patience, needs, output));
    return taken ? Ok() : FetchRange(image, *source, ranges[i], needs, output);
  });
}

bool Hydrator::HasPatch(const ImageData& image, uint32_t e) {
  const std::shared_ptr<ImageDelta> delta = image.delta();
  if (delta == nullptr || DeltaSource::IsGivenUp(*delta)) return false;
  const auto found = delta->rows.find(e);
  if (found == delta->rows.end()) return false;
  if (found->second.base.empty()) return true;
  const auto info = files_.Stat(found->second.base);
  return info.ok() && info->size == found->second.base_size;
}

Result<bool> Hydrator::Patch(const ImageData& image, uint32_t e, Source& source,
                             const std::vector<Need>& needs, Output* output) {
  const std::shared_ptr<ImageDelta> delta = image.delta();
  if (delta == nullptr || DeltaSource::IsGivenUp(*delta)) return false;
  const auto found = delta->rows.find(e);
  if (found == delta->rows.end()) return false;
  const PatchRow& row = found->second;
  uint64_t missing = 0;
  for (const Need& need : needs) missing += need.stored;
  if (row.length >= missing) return false;  // most of it was here
  // Nothing is fetched for a file that was never needed of the older version.
  if (const auto info = files_.Stat(row.base);
      !row.base.empty() && (!info.ok() || info->size != row.base_size))
    return false;

  const auto patch = FetchPatch(source, *delta, row, output);
  if (!patch.ok()) {
    if (patch.error().code == Errc::kUnreachable) return patch.error();  // so are the chunks
    return false;
  }
  const std::string what = "making " + Shown(image, e) + " from its older version gave wrong bytes, refused";
  const uint64_t size = image.catalog().entry(e).size();
  auto made = deltas_.Apply(row, *patch, size);
  if (!made.ok() && made.error().code != Errc::kCorrupt) return made.error();
  if (made.ok() && !made->has_value()) return false;
  const auto right = [&](const Need& need) {
    const catalog::Chunk& chunk = image.chunk(need.chunk);
    const os::ByteView all(**made);
    return need.destinations[0] + chunk.size() <= all.size() &&
           os::Sha256::Of(all.subspan(static_cast<size_t>(need.destinations[0]), chunk.size())) ==
               DigestOf(chunk);
  };
  if (!made.ok() || !std::all_of(needs.begin(), needs.end(), right)) {
    ++counters_.refused;
    deltas_.Refuse(*delta, what);
    return false;
  }
  for (const Need& need : needs) {
    TRY(output->Write(need, os::ByteView(**made).subspan(static_cast<size_t>(need.destinations[0]),
                                                         image.chunk(need.chunk).size())));
  }
  output->fetched = true;
  ++counters_.files_patched;
  return true;
}

Result<os::Bytes> Hydrator::FetchPatch(Source& source, const ImageDelta& delta, const PatchRow& row,
                                       Output* output) {
  const auto part = [](os::ByteView bytes, uint64_t at, uint64_t length) {
    const os::ByteView some = bytes.subspan(static_cast<size_t>(at), static_cast<size_t>(length));
    return os::Bytes(some.begin(), some.end());
  };
  const uint64_t end = row.offset + row.length;
  if (end <= delta.start.size()) return part(delta.start, row.offset, row.length);
  // Patches lie in the order of the packs, so what follows is likely to be the next file's.
  const ReadAhead::Answer answer = read_ahead_.Ask(delta.blob, row.offset, end, delta.size);
  if (answer.ready != nullptr) {
    const os::ByteView bytes = answer.ready->Part(row.offset, end);
    return os::Bytes(bytes.begin(), bytes.end());
  }
  ++counters_.requests;
  const auto window = std::make_shared<ReadWindow>(ReadWindow{delta.blob, row.offset, answer.fetch_end, {}});
  const uint64_t wanted = answer.fetch_end - row.offset;
  Status read = source.ReadBlob(delta.blob, row.offset, wanted, [&](os::ByteView piece) -> Status {
    counters_.bytes += piece.size();
    if (piece.size() > wanted - window->bytes.size()) return Error{Errc::kCorrupt, "too many bytes"};
    window->bytes.insert(window->bytes.end(), piece.begin(), piece.end());
    return Ok();
  });
  if (read.ok() && window->bytes.size() != wanted) read = Error{Errc::kCorrupt, "too few bytes"};
  os::Bytes patch;
  if (read.ok()) patch = part(window->bytes, 0, row.length);
  if (!read.ok()) window->bytes.clear();
  if (answer.fetch_end > end) read_ahead_.Finish(window);
  TRY(std::move(read));
  return patch;
}

// Takes the bytes of a range as they come and writes each chunk that is complete and right.
class Hydrator::Assembler {
 public:
  Assembler(const ImageData& image, const Range& range, const std::vector<Need>& needs, Output* output)
      : image_(image),
        needs_(needs),
        output_(output),
        position_(range.begin),
        next_(range.first),
        last_(range.first + range.count) {}

  bool complete() const { return next_ == last_; }
  // kCorrupt: a chunk is not what the catalog says. Bytes after the last chunk are ignored.
  Status Feed(os::ByteView piece) {
    while (!piece.empty() && !complete()) {
      const Need& need = needs_[next_];
      if (position_ < need.offset) {  // a gap
        const uint64_t skip = std::min<uint64_t>(piece.size(), need.offset - position_);
        piece = piece.subspan(static_cast<size_t>(skip));
        position_ += skip;
        continue;
      }
      const size_t take = std::min<size_t>(piece.size(), need.stored - stored_.size());
      stored_.insert(stored_.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(take));
      piece = piece.subspan(take);
      position_ += take;
      if (stored_.size() < need.stored) continue;
      const catalog::Chunk& chunk = image_.chunk(need.chunk);
      ASSIGN(const os::Bytes plain, image::DecodeChunk(stored_, chunk.size(), DigestOf(chunk)));
      TRY(output_->Write(need, plain));
      stored_.clear();
      ++next_;
    }
    return Ok();
  }

 private:
  const ImageData& image_;
  const std::vector<Need>& needs_;
  Output* const output_;
  uint64_t position_;  // in the pack: where the next byte belongs
  size_t next_;        // the need that is being collected
  const size_t last_;
  os::Bytes stored_;
};

namespace {

Error WrongBytes(const Source& source) {
  return Error{Errc::kCorrupt,
               "the repository " + source.Name() + " sent wrong bytes (refused; nothing was stored)"};
}

}  // namespace

Result<bool> Hydrator::TakeFromStream(const ImageData& image, Source& source, const Range& range,
                                      uint64_t patience, const std::vector<Need>& needs, Output* output) {
  const auto stream = streams_.Find(image.PackDigest(range.pack), range.begin, range.end, patience);
  if (stream == nullptr) return false;
  Assembler assembler(image, range, needs, output);
  for (uint64_t at = range.begin; at < range.end;) {
    const os::ByteView piece = stream->Wait(at, range.end);
    if (piece.empty()) return false;
    if (Status fed = assembler.Feed(piece); !fed.ok()) {
      if (fed.error().code != Errc::kCorrupt) return fed.error();
      // The next one who needs them asks the server.
      stream->Drop();
      return WrongBytes(source);
    }
    at += piece.size();
  }
  output->fetched = true;
  return assembler.complete();
}

Status Hydrator::FetchRange(const ImageData& image, Source& source, const Range& range,
                            const std::vector<Need>& needs, Output* output) {
  const std::string pack = image.PackDigest(range.pack);
  const ReadAhead::Answer answer =
      read_ahead_.Ask(pack, range.begin, range.end, image.manifest().packs[range.pack].size);
  Assembler assembler(image, range, needs, output);
  const auto judge = [&](const Status& fed) -> Status {
    if (fed.ok() && assembler.complete()) return Ok();
    if (!fed.ok() && fed.error().code != Errc::kCorrupt) return fed;
    return WrongBytes(source);
  };
  if (answer.ready != nullptr) {
    Status used = judge(assembler.Feed(answer.ready->Part(range.begin, range.end)));
    // They came with an earlier request; the next one for them goes to the server.
    if (!used.ok()) read_ahead_.Drop(answer.ready);
    return used;
  }

  ++counters_.requests;
  output->fetched = true;
  const auto window = std::make_shared<ReadWindow>(ReadWindow{pack, range.begin, answer.fetch_end, {}});
  const bool ahead = answer.fetch_end > range.end;
  const uint64_t wanted = answer.fetch_end - range.begin;
  uint64_t received = 0;
  Status fed = Ok();
  Status read = source.ReadBlob(pack, range.begin, wanted, [&](os::ByteView piece) -> Status {
    counters_.bytes += piece.size();
    received += piece.size();
    if (received > wanted) return fed = Error{Errc::kCorrupt, "too many bytes"};
    if (ahead) window->bytes.insert(window->bytes.end(), piece.begin(), piece.end());
    return fed = assembler.Feed(piece);
  });
  if (!read.ok() || received != wanted) window->bytes.clear();
  if (ahead) read_ahead_.Finish(window);
  if (!fed.ok()) return judge(fed);
  // What was asked for is here and right: that the rest of the window broke off is nobody's failure.
  if (assembler.complete()) return Ok();
  TRY(std::move(read));
  return judge(Ok());
}

}  // namespace plume::cache
