// A shortcut without what is the machine's that wrote it. Source: [MS-SHLLINK] 5.0.
#include <algorithm>
#include <cstring>

#include "capture/lnk.h"
#include "capture/text.h"

namespace plume::capture {
namespace {

constexpr size_t kHeaderSize = 0x4C;
constexpr uint32_t kHasIdList = 1, kHasLinkInfo = 2, kHasName = 4, kHasRelativePath = 8,
                   kHasWorkingDir = 0x10, kHasArguments = 0x20, kHasIconLocation = 0x40, kIsUnicode = 0x80,
                   kHasExpString = 0x200;
constexpr uint32_t kEnvironmentBlock = 0xA0000001, kTrackerBlock = 0xA0000003, kPropertyBlock = 0xA0000009;
constexpr uint32_t kFileEntryExtension = 0xBEEF0004;
constexpr size_t kEnvironmentSize = 0x314, kAnsiUnits = 260;

template <typename T>
T Get(const std::vector<uint8_t>& b, size_t at) {
  T value{};
  if (at <= b.size() && b.size() - at >= sizeof(T)) std::memcpy(&value, b.data() + at, sizeof(T));
  return value;
}

template <typename T>
void Append(std::vector<uint8_t>* out, T value) {
  uint8_t bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->insert(out->end(), bytes, bytes + sizeof(T));
}

// Zeros inside [begin, end) only, however an offset was forged.
void Zero(std::vector<uint8_t>* b, size_t at, size_t n, size_t end) {
  for (size_t i = at; i < std::min(end, b->size()) && i - at < n; ++i) (*b)[i] = 0;
}

// Dates, sizes on disk and file numbers of the item list at [at, end).
void CleanIdList(std::vector<uint8_t>* b, size_t at, size_t end) {
  while (at + 2 <= end) {
    const size_t size = Get<uint16_t>(*b, at);
    if (size < 3 || size > end - at) return;
    const size_t item_end = at + size;
    if (((*b)[at + 2] & 0x70) == 0x30) {
      Zero(b, at + 8, 4, item_end);
      const size_t extension = at + (size >= 4 ? Get<uint16_t>(*b, item_end - 2) : 0u);
      // Wine's has the layout, but neither signature nor version; it fills the rest of the item.
      const uint32_t signature = Get<uint32_t>(*b, extension + 4);
      const bool wine = signature == 0 && extension + Get<uint16_t>(*b, extension) == item_end;
      if (extension > at && extension + 18 <= item_end && (signature == kFileEntryExtension || wine)) {
        Zero(b, extension + 8, 8, item_end - 2);
        if (Get<uint16_t>(*b, extension + 2) >= 7) Zero(b, extension + 20, 8, item_end - 2);
      }
    }
    at = item_end;
  }
}

// Serial number and label of the volume.
void CleanLinkInfo(std::vector<uint8_t>* b, size_t at, size_t end) {
  if ((Get<uint32_t>(*b, at + 8) & 1) == 0) return;
  const size_t volume = at + Get<uint32_t>(*b, at + 12);
  if (volume + 16 > end) return;
  const size_t volume_end = std::min<size_t>(volume + Get<uint32_t>(*b, volume), end);
  Zero(b, volume + 8, 4, end);
  const size_t label = volume + Get<uint32_t>(*b, volume + 12);
  if (label >= volume + 16 && label < volume_end) Zero(b, label, volume_end - label, end);
}

std::u16string InProfile(const std::u16string& path, std::u16string_view profile) {
  if (profile.empty() || !IsWithin(path, profile)) return path;
  return u"%USERPROFILE%" + path.substr(profile.size());
}

void AppendString(std::vector<uint8_t>* out, std::u16string_view text) {
  Append(out, static_cast<uint16_t>(text.size()));
  for (const char16_t unit : text) Append(out, unit);
}

// Made anew: the target by its environment block alone, which works whoever the user is.
std::vector<uint8_t> ByVariable(const std::vector<uint8_t>& header, const Lnk& link,
                                std::u16string_view profile) {
  std::vector<uint8_t> out = header;
  uint32_t flags = kIsUnicode | kHasExpString;
  const std::pair<uint32_t, std::u16string> strings[] = {
      {kHasName, link.name},
      {kHasRelativePath, link.relative_target},
      {kHasWorkingDir, InProfile(link.working_directory, profile)},
      {kHasArguments, link.arguments},
      {kHasIconLocation, InProfile(link.icon, profile)}};
  for (const auto& [flag, text] : strings) flags |= text.empty() ? 0 : flag;
  std::memcpy(out.data() + 20, &flags, 4);
  for (const auto& [flag, text] : strings) {
    if (!text.empty()) AppendString(&out, text);
  }
  const std::u16string target = InProfile(link.target, profile).substr(0, kAnsiUnits - 1);
  std::vector<uint8_t> block;
  Append(&block, static_cast<uint32_t>(kEnvironmentSize));
  Append(&block, kEnvironmentBlock);
  for (size_t i = 0; i < kAnsiUnits; ++i)
    block.push_back(i < target.size() ? (target[i] < 0x80 ? static_cast<uint8_t>(target[i]) : '?') : 0);
  for (size_t i = 0; i < kAnsiUnits; ++i) Append(&block, i < target.size() ? target[i] : char16_t{0});
  out.insert(out.end(), block.begin(), block.end());
  Append(&out, uint32_t{0});
  return out;
}

Result<std::vector<uint8_t>> Cleaned(std::span<const uint8_t> bytes, std::u16string_view profile) {
  ASSIGN(const Lnk link, ParseLnk(bytes));  // so every size below is inside the bytes
  std::vector<uint8_t> in(bytes.begin(), bytes.end());
  Zero(&in, 28, 24, kHeaderSize);  // created, accessed, written
  const uint32_t flags = Get<uint32_t>(in, 20);
  for (const std::u16string* path : {&link.target, &link.working_directory, &link.icon}) {
    if (!link.advertised && !profile.empty() && IsWithin(*path, profile))
      return ByVariable(std::vector<uint8_t>(in.begin(), in.begin() + kHeaderSize), link, profile);
  }
  size_t at = kHeaderSize;
  if (flags & kHasIdList) {
    const size_t end = at + 2 + Get<uint16_t>(in, at);
    CleanIdList(&in, at + 2, end);
    at = end;
  }
  if (flags & kHasLinkInfo) {
    const size_t end = at + Get<uint32_t>(in, at);
    CleanLinkInfo(&in, at, end);
    at = end;
  }
  for (const uint32_t flag : {kHasName, kHasRelativePath, kHasWorkingDir, kHasArguments, kHasIconLocation}) {
    if (flags & flag) at += 2 + Get<uint16_t>(in, at) * ((flags & kIsUnicode) ? 2u : 1u);
  }
  std::vector<uint8_t> out(in.begin(), in.begin() + static_cast<ptrdiff_t>(at));
  while (true) {
    const size_t size = Get<uint32_t>(in, at);
    if (size < 8) break;
    const uint32_t signature = Get<uint32_t>(in, at + 4);
    if (signature != kTrackerBlock && signature != kPropertyBlock)
      out.insert(out.end(), in.begin() + static_cast<ptrdiff_t>(at),
                 in.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
  }
  Append(&out, uint32_t{0});
  return out;
}

}  // namespace

Result<std::vector<uint8_t>> PortableLnk(std::span<const uint8_t> bytes, std::u16string_view profile) {
  // Parts of a forged link may lie over each other, so that cleaning one changes what another is. Then the
  // link stays as it is: what is written must be read again, and mean the same.
  constexpr int kTries = 4;
  ASSIGN(std::vector<uint8_t> out, Cleaned(bytes, profile));
  for (int i = 0; i < kTries; ++i) {
    auto again = Cleaned(out, profile);
    if (!again.ok()) break;
    if (*again == out) return out;
    out = std::move(*again);
  }
  return std::vector<uint8_t>(bytes.begin(), bytes.end());
}

}  // namespace plume::capture
