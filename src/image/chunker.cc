#include "image/chunker.h"

#include <cstring>
#include <vector>

namespace plume::image {
namespace {

// Normalisation level 2: below the average a boundary needs 2 bits more than log2(average), above it 2 bits
// less. The masks take the top bits of the hash, which depend on the last 64 bytes.
constexpr int kAverageBits = 16, kNormalisation = 2;
static_assert(kAverageChunk == size_t{1} << kAverageBits);
constexpr uint64_t TopBits(int n) { return ~uint64_t{0} << (64 - n); }
constexpr uint64_t kStrictMask = TopBits(kAverageBits + kNormalisation);
constexpr uint64_t kLaxMask = TopBits(kAverageBits - kNormalisation);

constexpr size_t kBuffer = 4 * kMaxChunk;

// splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
constexpr std::array<uint64_t, 256> MakeGearTable() {
  std::array<uint64_t, 256> table{};
  uint64_t state = kGearSeed;
  for (uint64_t& word : table) {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
  return table;
}

constexpr std::array<uint64_t, 256> kGear = MakeGearTable();

}  // namespace

const std::array<uint64_t, 256>& GearTable() { return kGear; }

size_t NextChunk(std::span<const uint8_t> data) {
  if (data.size() <= kMinChunk) return data.size();
  const size_t end = data.size() < kMaxChunk ? data.size() : kMaxChunk;
  const size_t normal = end < kAverageChunk ? end : kAverageChunk;
  const uint8_t* bytes = data.data();
  uint64_t hash = 0;
  size_t i = kMinChunk;  // no boundary is wanted before it, so nothing before it is hashed
  for (; i < normal; ++i) {
    hash = (hash << 1) + kGear[bytes[i]];
    if ((hash & kStrictMask) == 0) return i + 1;
  }
  for (; i < end; ++i) {
    hash = (hash << 1) + kGear[bytes[i]];
    if ((hash & kLaxMask) == 0) return i + 1;
  }
  return end;
}

Status ForEachChunk(const ChunkSource& read, const std::function<Status(std::span<const uint8_t>)>& emit) {
  std::vector<uint8_t> buffer(kBuffer);
  size_t begin = 0, end = 0;
  bool at_end = false;
  for (;;) {
    if (!at_end && end - begin < kMaxChunk) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
      while (!at_end && end < buffer.size()) {
        ASSIGN(const size_t n, read(std::span(buffer).subspan(end)));
        at_end = n == 0;
        end += n;
      }
    }
    if (begin == end) return Ok();
    const size_t size = NextChunk(std::span<const uint8_t>(buffer).subspan(begin, end - begin));
    TRY(emit(std::span<const uint8_t>(buffer).subspan(begin, size)));
    begin += size;
  }
}

}  // namespace plume::image
