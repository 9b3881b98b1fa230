#include "image/codec.h"

#include <zstd.h>

#include <mutex>
#include <string>

namespace plume::image {
namespace {

// Measured on real programs (docs/formats/pack.md): higher levels gain under 2 % on chunks of this size.
constexpr int kChunkLevel = 9;
constexpr int kCatalogLevel = 12;

// Contexts are large and slow to make, so they are kept. Not in thread_local objects: mingw's run-time
// library frees the memory of those before it runs their destructors.
template <typename Context, Context* (*Make)(), size_t (*Free)(Context*)>
class Pool {
 public:
  // Borrowed for the life of the object.
  class Borrowed {
   public:
    explicit Borrowed(Pool& pool) : pool_(pool) {
      const std::lock_guard lock(pool.mutex_);
      if (!pool.idle_.empty()) {
        context_ = pool.idle_.back();
        pool.idle_.pop_back();
      }
      if (!context_) context_ = Make();
    }
    ~Borrowed() {
      const std::lock_guard lock(pool_.mutex_);
      if (pool_.idle_.size() < kKept) {
        pool_.idle_.push_back(context_);
      } else {
        Free(context_);
      }
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Context* get() const { return context_; }

   private:
    Pool& pool_;
    Context* context_ = nullptr;
  };

 private:
  static constexpr size_t kKept = 8;
  std::mutex mutex_;
  std::vector<Context*> idle_;  // guarded by mutex_
};

using CompressPool = Pool<ZSTD_CCtx, ZSTD_createCCtx, ZSTD_freeCCtx>;
using DecompressPool = Pool<ZSTD_DCtx, ZSTD_createDCtx, ZSTD_freeDCtx>;

// Never destroyed: other threads may still run when the program ends.
CompressPool& Compressors() {
  static CompressPool* const pool = new CompressPool;
  return *pool;
}

DecompressPool& Decompressors() {
  static DecompressPool* const pool = new DecompressPool;
  return *pool;
}

Error Corrupt(const std::string& why) { return Error{Errc::kCorrupt, "decompressing: " + why}; }

}  // namespace

Result<std::vector<uint8_t>> Compress(std::span<const uint8_t> plain, int level) {
  std::vector<uint8_t> frame(ZSTD_compressBound(plain.size()));
  const CompressPool::Borrowed context(Compressors());
  const size_t n =
      ZSTD_compressCCtx(context.get(), frame.data(), frame.size(), plain.data(), plain.size(), level);
  if (ZSTD_isError(n)) return Error{Errc::kInternal, std::string("compressing: ") + ZSTD_getErrorName(n)};
  frame.resize(n);
  return frame;
}

Result<std::vector<uint8_t>> Decompress(std::span<const uint8_t> frame, uint64_t limit) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return Corrupt("it is not zstd data");
  if (size == ZSTD_CONTENTSIZE_UNKNOWN) return Corrupt("its header does not tell its size");
  if (size > limit) {
    return Corrupt("it would have " + std::to_string(size) + " bytes, at most " + std::to_string(limit) +
                   " are allowed");
  }
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return Corrupt("its length is wrong");
  std::vector<uint8_t> plain(static_cast<size_t>(size));
  const DecompressPool::Borrowed context(Decompressors());
  const size_t n = ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), frame.data(), frame.size());
  if (ZSTD_isError(n)) return Corrupt(ZSTD_getErrorName(n));
  if (n != plain.size()) return Corrupt("it is shorter than its header tells");
  return plain;
}

std::vector<uint8_t> EncodeChunk(std::span<const uint8_t> plain) {
  Result<std::vector<uint8_t>> frame = Compress(plain, kChunkLevel);
  if (frame.ok() && frame->size() < plain.size()) return std::move(*frame);
  return std::vector<uint8_t>(plain.begin(), plain.end());
}

Result<std::vector<uint8_t>> DecodeChunk(std::span<const uint8_t> stored, uint32_t size,
                                         const os::Digest& digest) {
  std::vector<uint8_t> plain;
  if (stored.size() == size) {
    plain.assign(stored.begin(), stored.end());
  } else {
    ASSIGN(plain, Decompress(stored, size));
    if (plain.size() != size) return Corrupt("a chunk has the wrong size");
  }
  if (os::Sha256::Of(plain) != digest) {
    return Error{Errc::kCorrupt,
                 "checking a chunk: its bytes do not have the digest " + os::DigestText(digest)};
  }
  return plain;
}

Result<std::vector<uint8_t>> PackCatalog(std::span<const uint8_t> catalog) {
  if (catalog.size() > kMaxCatalogBytes) {
    return Error{Errc::kInvalid, "writing the catalog: it has " + std::to_string(catalog.size()) +
                                     " bytes, more than any client reads (split the application)"};
  }
  return Compress(catalog, kCatalogLevel);
}

Result<std::vector<uint8_t>> UnpackCatalog(std::span<const uint8_t> layer) {
  return Decompress(layer, kMaxCatalogBytes);
}

}  // namespace plume::image
