#include "capture/pe.h"

#include <cstring>

namespace plume::capture {
namespace {

template <typename T>
std::optional<T> Get(std::span<const uint8_t> b, uint64_t at) {
  if (at > b.size() || b.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, b.data() + at, sizeof(T));
  return value;
}

}  // namespace

std::optional<PeInfo> ReadPe(std::span<const uint8_t> head) {
  if (Get<uint16_t>(head, 0) != 0x5A4D) return std::nullopt;  // "MZ"
  const auto nt = Get<uint32_t>(head, 0x3C);
  if (!nt || Get<uint32_t>(head, *nt) != 0x4550u) return std::nullopt;  // "PE\0\0"
  const uint64_t file_header = uint64_t{*nt} + 4, optional_header = file_header + 20;
  const auto machine = Get<uint16_t>(head, file_header);
  const auto characteristics = Get<uint16_t>(head, file_header + 18);
  const auto subsystem = Get<uint16_t>(head, optional_header + 68);  // at the same place in PE32 and PE32+
  if (!machine || !characteristics || !subsystem) return std::nullopt;
  return PeInfo{(*characteristics & 0x2000) != 0, *subsystem == 3, *machine};
}

}  // namespace plume::capture
