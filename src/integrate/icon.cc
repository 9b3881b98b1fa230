#include "integrate/icon.h"

#include <cstring>

namespace plume::integrate {
namespace {

constexpr size_t kHeader = 6, kGroupRow = 14, kFileRow = 16;

void Put(std::vector<uint8_t>* out, size_t at, uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) (*out)[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

std::vector<uint8_t> MakeIconFile(std::span<const uint8_t> group,
                                  const std::function<std::span<const uint8_t>(uint16_t id)>& image) {
  if (group.size() < kHeader || group[0] != 0 || group[1] != 0 || group[2] != 1 || group[3] != 0) return {};
  const size_t count = group[4] + 256u * group[5];
  if (group.size() < kHeader + count * kGroupRow) return {};
  struct Row {
    std::span<const uint8_t> head, bytes;
  };
  std::vector<Row> rows;
  for (size_t i = 0; i < count; ++i) {
    const auto row = group.subspan(kHeader + i * kGroupRow, kGroupRow);
    const auto bytes = image(static_cast<uint16_t>(row[12] + 256u * row[13]));
    if (!bytes.empty() && bytes.size() < (16u << 20)) rows.push_back({row, bytes});
  }
  if (rows.empty()) return {};
  std::vector<uint8_t> out(kHeader + rows.size() * kFileRow);
  Put(&out, 2, 1, 2);
  Put(&out, 4, static_cast<uint32_t>(rows.size()), 2);
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t at = kHeader + i * kFileRow;
    memcpy(&out[at], rows[i].head.data(), 8);  // width, height, colours, planes, bits
    Put(&out, at + 8, static_cast<uint32_t>(rows[i].bytes.size()), 4);
    Put(&out, at + 12, static_cast<uint32_t>(out.size()), 4);
    out.insert(out.end(), rows[i].bytes.begin(), rows[i].bytes.end());
  }
  return out;
}

}  // namespace plume::integrate
