#include "cache/hydrator.h"

#include <unordered_map>

#include "image/codec.h"
#include "os/random.h"

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
  bool fetched = false;
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

Status Hydrator::Hydrate(const ImageData& image, uint32_t e) {
  if (image.removed) return Error{Errc::kInvalid, "image " + image.image().digest + " was removed"};
  if (image.IsDirectory(e)) return MakeDirectory(image, e);
  const catalog::Entry& entry = image.catalog().entry(e);
  const os::Path path = image.PathOf(e);
  TRY(files_.MakeDirectories(path.parent_path()));
  if (reuse_.Link(image, e, path)) {
    ++counters_.files_reused;
    counters_.bytes_reused += entry.size();
    return files_.SyncDirectory(path.parent_path());
  }

  auto run = [&]() -> Status {
    Output output(files_, places_.Temporary() / (os::RandomHex(12) + ".tmp"));
    ASSIGN(output.file, files_.Open(output.path, os::OpenMode::kCreateNew));
    TRY(Fill(image, e, &output));
    ASSIGN(const uint64_t size, output.file->Size());
    if (size != entry.size()) return Error{Errc::kInternal, "its chunks do not add up to its size"};
    TRY(output.file->SetTimes(os::FileTimes{entry.created(), entry.modified(), 0}));
    TRY(output.file->Flush());
    TRY(output.file->Close());
    output.file.reset();
    TRY(files_.SetAttributes(output.path, entry.attributes()));
    if (image.removed) return Error{Errc::kInvalid, "the image was removed meanwhile"};
    // Replacing: what is there under this name is not the file (Present), for instance cut off by somebody.
    TRY(files_.Rename(output.path, path, true));
    output.committed = true;
    TRY(files_.SyncDirectory(path.parent_path()));
    ++(output.fetched ? counters_.files_fetched : counters_.files_reused);
    return Ok();
  };
  Status done = run();
  if (done.ok()) return done;
  if (done.error().code == Errc::kCorrupt) ++counters_.refused;
  return done.error().In("fetching " + Shown(image, e) + " failed");
}

Status Hydrator::Fill(const ImageData& image, uint32_t e, Output* output) {
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
  output->fetched = true;
  const std::vector<Range> ranges = PlanRanges(&needs, options_.max_range, options_.max_gap);
  return workers_.ForEach(ranges.size(),
                          [&](size_t i) { return FetchRange(image, *source, ranges[i], needs, output); });
}

Status Hydrator::FetchRange(const ImageData& image, Source& source, const Range& range,
                            const std::vector<Need>& needs, Output* output) {
  ++counters_.requests;
  const Error wrong{Errc::kCorrupt,
                    "the repository " + source.Name() + " sent wrong bytes (refused; nothing was stored)"};
  uint64_t position = range.begin;  // in the pack: where the next byte belongs
  size_t next = range.first;        // the need that is being collected
  const size_t last = range.first + range.count;
  os::Bytes stored;
  Status read = source.ReadBlob(
      image.PackDigest(range.pack), range.begin, range.end - range.begin, [&](os::ByteView piece) -> Status {
        counters_.bytes += piece.size();
        while (!piece.empty() && next < last) {
          const Need& need = needs[next];
          if (position < need.offset) {  // a gap
            const uint64_t skip = std::min<uint64_t>(piece.size(), need.offset - position);
            piece = piece.subspan(static_cast<size_t>(skip));
            position += skip;
            continue;
          }
          const size_t take = std::min<size_t>(piece.size(), need.stored - stored.size());
          stored.insert(stored.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(take));
          piece = piece.subspan(take);
          position += take;
          if (stored.size() < need.stored) continue;
          const catalog::Chunk& chunk = image.chunk(need.chunk);
          auto plain = image::DecodeChunk(stored, chunk.size(), DigestOf(chunk));
          if (!plain.ok()) return plain.error().code == Errc::kCorrupt ? wrong : plain.error();
          TRY(output->Write(need, *plain));
          stored.clear();
          ++next;
        }
        position += piece.size();
        return position > range.end ? Status(wrong) : Ok();
      });
  TRY(std::move(read));
  return next == last ? Ok() : Status(wrong);
}

}  // namespace plume::cache
