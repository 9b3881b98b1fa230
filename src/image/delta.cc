#include "image/delta.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <string>

#include "image/codec.h"

namespace plume::image {
namespace {

constexpr char kDeltaMagic[] = "PLDELTA";  // and the version, one byte
constexpr uint8_t kDeltaVersion = 1;
constexpr int kHeadLevel = 12;
// Above this size the best level takes minutes for one file; the lower one costs some 25 % more bytes.
constexpr uint64_t kBestLevelBytes = 64u << 20;
constexpr int kBestPatchLevel = 19, kLargeLevel = 12;
constexpr uint64_t kMaxHeadBytes = 64u << 20, kMaxPatches = 4u << 20;
constexpr uint64_t kMaxLength = 1ull << 40;  // keeps sums far from overflow
constexpr size_t kFixedBytes = 32 + 32 + 8 + 4 + 4;
constexpr size_t kRowBytes = 4 + 4 + 8;

Error BadDelta(const std::string& why) { return Error{Errc::kCorrupt, "reading a delta: " + why}; }

template <typename T>
void PutNumber(std::vector<uint8_t>* out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

template <typename T>
T GetNumber(std::span<const uint8_t> bytes, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<T>(bytes[at + i]) << (8 * i));
  return value;
}

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

uint32_t ZstdVersion() { return ZSTD_versionNumber(); }

Result<std::vector<uint8_t>> EncodeDeltaHead(Delta* delta) {
  if (delta->patches.size() > kMaxPatches)
    return Error{Errc::kInvalid,
                 "making a delta: it would have more than " + std::to_string(kMaxPatches) + " patches"};
  std::vector<uint8_t> plain;
  plain.insert(plain.end(), delta->base.begin(), delta->base.end());
  plain.insert(plain.end(), delta->target.begin(), delta->target.end());
  PutNumber(&plain, delta->catalog_length);
  PutNumber(&plain, delta->zstd_version);
  PutNumber(&plain, static_cast<uint32_t>(delta->patches.size()));
  // By columns: equal ones are neighbours, which compresses better.
  for (const DeltaPatch& patch : delta->patches) PutNumber(&plain, patch.target);
  for (const DeltaPatch& patch : delta->patches) PutNumber(&plain, patch.base);
  for (const DeltaPatch& patch : delta->patches) PutNumber(&plain, patch.length);
  ASSIGN(const std::vector<uint8_t> frame, Compress(plain, kHeadLevel));
  std::vector<uint8_t> head(kDeltaMagic, kDeltaMagic + 7);
  head.push_back(kDeltaVersion);
  PutNumber(&head, static_cast<uint32_t>(frame.size()));
  PutNumber(&head, static_cast<uint32_t>(plain.size()));
  head.insert(head.end(), frame.begin(), frame.end());
  delta->catalog_offset = head.size();
  uint64_t offset = head.size() + delta->catalog_length;
  for (DeltaPatch& patch : delta->patches) {
    patch.offset = offset;
    offset += patch.length;
  }
  return head;
}

Result<uint64_t> DeltaHeadBytes(std::span<const uint8_t> start, uint64_t blob_size) {
  if (start.size() < kDeltaHeadStart || std::memcmp(start.data(), kDeltaMagic, 7) != 0)
    return BadDelta("it does not begin like one");
  if (start[7] != kDeltaVersion) {
    return Error{Errc::kUnsupported,
                 "reading a delta: it has version " + std::to_string(start[7]) + ", this Plume reads 1"};
  }
  const uint64_t bytes = kDeltaHeadStart + uint64_t{GetNumber<uint32_t>(start, 8)};
  if (bytes > blob_size || bytes > kMaxHeadBytes) return BadDelta("its head is longer than it is");
  return bytes;
}

Result<Delta> ParseDeltaHead(std::span<const uint8_t> head, uint64_t blob_size) {
  ASSIGN(const uint64_t bytes, DeltaHeadBytes(head, blob_size));
  if (bytes != head.size()) return BadDelta("its head is cut off");
  const uint32_t plain_size = GetNumber<uint32_t>(head, 12);
  if (plain_size > kFixedBytes + kMaxPatches * kRowBytes) return BadDelta("its head is too large");
  ASSIGN(const std::vector<uint8_t> plain, Decompress(head.subspan(kDeltaHeadStart), plain_size));
  if (plain.size() != plain_size || plain.size() < kFixedBytes) return BadDelta("its head is too short");
  Delta delta;
  std::copy_n(plain.begin(), 32, delta.base.begin());
  std::copy_n(plain.begin() + 32, 32, delta.target.begin());
  delta.catalog_length = GetNumber<uint64_t>(plain, 64);
  delta.zstd_version = GetNumber<uint32_t>(plain, 72);
  const size_t count = GetNumber<uint32_t>(plain, 76);
  if (count > kMaxPatches || plain.size() != kFixedBytes + count * kRowBytes)
    return BadDelta("its rows are not all there");
  if (delta.catalog_length > blob_size) return BadDelta("a patch does not lie in it");
  delta.catalog_offset = head.size();
  uint64_t offset = head.size() + delta.catalog_length;
  std::vector<uint32_t> targets;
  for (size_t i = 0; i < count; ++i) {
    DeltaPatch patch{GetNumber<uint32_t>(plain, kFixedBytes + 4 * i),
                     GetNumber<uint32_t>(plain, kFixedBytes + 4 * (count + i)), offset,
                     GetNumber<uint64_t>(plain, kFixedBytes + 8 * count + 8 * i)};
    if (patch.length == 0 || patch.length > kMaxLength) return BadDelta("a patch has an impossible size");
    offset += patch.length;
    if (offset > blob_size) return BadDelta("a patch does not lie in it");
    targets.push_back(patch.target);
    delta.patches.push_back(patch);
  }
  if (offset != blob_size) return BadDelta("it is longer than its patches");
  std::sort(targets.begin(), targets.end());
  if (std::adjacent_find(targets.begin(), targets.end()) != targets.end())
    return BadDelta("it has two patches for one file");
  return delta;
}

Result<std::vector<uint8_t>> MakePatch(std::span<const uint8_t> base, std::span<const uint8_t> target) {
  const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  if (!context) return Error{Errc::kNoSpace, "making a patch: there is not enough memory"};
  const uint64_t both = base.size() + target.size();
  // The window reaches from the end of the new file to the beginning of the old one.
  const int window = std::clamp(static_cast<int>(std::bit_width(both)), 17, 28);
  ZSTD_CCtx* const c = context.get();
  ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, both > kBestLevelBytes ? kLargeLevel : kBestPatchLevel);
  ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window);
  ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1);
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0);
  if (!base.empty()) ZSTD_CCtx_refPrefix(c, base.data(), base.size());
  std::vector<uint8_t> patch(ZSTD_compressBound(target.size()));
  const size_t n = ZSTD_compress2(c, patch.data(), patch.size(), target.data(), target.size());
  if (ZSTD_isError(n)) return Error{Errc::kInternal, std::string("making a patch: ") + ZSTD_getErrorName(n)};
  patch.resize(n);
  return patch;
}

std::optional<uint64_t> PatchedSize(std::span<const uint8_t> patch) {
  const unsigned long long size = ZSTD_getFrameContentSize(patch.data(), patch.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return std::nullopt;
  return size;
}

Result<std::vector<uint8_t>> ApplyPatch(std::span<const uint8_t> base, std::span<const uint8_t> patch,
                                        uint64_t size) {
  if (size > kMaxPatchBytes || base.size() > kMaxPatchBytes - size)
    return BadDelta("a patch is for a larger file than patches are for");
  if (ZSTD_getFrameContentSize(patch.data(), patch.size()) != size ||
      ZSTD_findFrameCompressedSize(patch.data(), patch.size()) != patch.size()) {
    return BadDelta("a patch is not for a file of this size");
  }
  const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  if (!context) return Error{Errc::kNoSpace, "applying a patch: there is not enough memory"};
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 29);
  if (!base.empty()) ZSTD_DCtx_refPrefix(context.get(), base.data(), base.size());
  std::vector<uint8_t> out(static_cast<size_t>(size));
  const size_t n = ZSTD_decompressDCtx(context.get(), out.data(), out.size(), patch.data(), patch.size());
  if (ZSTD_isError(n)) return BadDelta(std::string("a patch is damaged: ") + ZSTD_getErrorName(n));
  if (n != out.size()) return BadDelta("a patch is damaged");
  return out;
}

}  // namespace plume::image
