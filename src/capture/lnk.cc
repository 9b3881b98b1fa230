#include "capture/lnk.h"

#include <cstring>
#include <optional>
#include <vector>

namespace plume::capture {
namespace {

constexpr uint32_t kHasIdList = 1, kHasLinkInfo = 2, kHasName = 4, kHasRelativePath = 8,
                   kHasWorkingDir = 0x10, kHasArguments = 0x20, kHasIconLocation = 0x40, kIsUnicode = 0x80,
                   kHasExpString = 0x200;
constexpr uint32_t kEnvironmentBlock = 0xA0000001, kDarwinBlock = 0xA0000006;
constexpr uint32_t kFileEntryExtension = 0xBEEF0004;
constexpr uint8_t kClassId[16] = {0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};

using Bytes = std::span<const uint8_t>;

// Reads little-endian numbers; nullopt outside the bytes.
template <typename T>
std::optional<T> Get(Bytes b, size_t at) {
  if (at > b.size() || b.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, b.data() + at, sizeof(T));
  return value;
}

std::optional<Bytes> Slice(Bytes b, size_t at, size_t n) {
  if (at > b.size() || b.size() - at < n) return std::nullopt;
  return b.subspan(at, n);
}

// Zero-terminated text inside `b`; unterminated text is malformed. ANSI text is read as Latin-1: the code
// page of the machine that wrote it is not in the file, and writers of other text add the Unicode form.
std::optional<std::u16string> AnsiAt(Bytes b, size_t at) {
  std::u16string out;
  for (; at < b.size(); ++at) {
    if (b[at] == 0) return out;
    out.push_back(b[at]);
  }
  return std::nullopt;
}

std::optional<std::u16string> WideAt(Bytes b, size_t at) {
  std::u16string out;
  for (;; at += 2) {
    const auto unit = Get<uint16_t>(b, at);
    if (!unit) return std::nullopt;
    if (*unit == 0) return out;
    out.push_back(static_cast<char16_t>(*unit));
  }
}

// The long name in a file entry's extension block, whose offset is the last number of the item. Where it
// stands depends on the block's version.
std::optional<std::u16string> LongName(Bytes item) {
  if (item.size() < 4) return std::nullopt;
  const auto at = Get<uint16_t>(item, item.size() - 2);
  if (!at || *at < 14) return std::nullopt;
  const auto version = Get<uint16_t>(item, *at + 2u);
  const auto signature = Get<uint32_t>(item, *at + 4u);
  if (!version || !signature || *signature != kFileEntryExtension || *version < 3) return std::nullopt;
  const size_t name = *version >= 9 ? 46 : *version == 8 ? 42 : *version >= 7 ? 38 : 20;
  return WideAt(item, *at + name);
}

// The path that an item list spells: drive, then files. Empty if it is about anything else.
std::u16string PathOfIdList(Bytes list) {
  std::u16string path;
  size_t at = 0;
  while (const auto size = Get<uint16_t>(list, at)) {
    if (*size < 3) break;
    const auto item = Slice(list, at, *size);
    if (!item) return {};
    at += *size;
    const uint8_t type = (*item)[2];
    if (type == 0x1F) continue;  // a root: This PC
    if ((type & 0x70) == 0x20) {
      const auto drive = AnsiAt(*item, 3);
      if (!drive || drive->size() < 2 || (*drive)[1] != u':') return {};
      path = drive->substr(0, 2);
    } else if ((type & 0x70) == 0x30) {
      if (path.empty()) return {};
      auto name = LongName(*item);
      if (!name) name = (type & 4) ? WideAt(*item, 14) : AnsiAt(*item, 14);
      if (!name || name->empty()) return {};
      path += u'\\';
      path += *name;
    } else {
      return {};
    }
  }
  return path;
}

Result<std::u16string> PathOfLinkInfo(Bytes info) {
  const Error bad{Errc::kCorrupt, "reading a shortcut failed: its link information is malformed"};
  const auto header = Get<uint32_t>(info, 4);
  const auto flags = Get<uint32_t>(info, 8);
  const auto base = Get<uint32_t>(info, 16);
  const auto suffix = Get<uint32_t>(info, 24);
  if (!header || !flags || !base || !suffix || *header < 0x1C) return bad;
  if (!(*flags & 1)) return std::u16string();  // on a network share
  std::optional<std::u16string> path, rest;
  if (*header >= 0x24) {
    const auto wide_base = Get<uint32_t>(info, 28);
    const auto wide_suffix = Get<uint32_t>(info, 32);
    if (!wide_base || !wide_suffix) return bad;
    if (*wide_base != 0) {
      path = WideAt(info, *wide_base);
      rest = *wide_suffix == 0 ? std::u16string() : WideAt(info, *wide_suffix);
      if (!path || !rest) return bad;
    }
  }
  if (!path) {
    path = AnsiAt(info, *base);
    rest = *suffix == 0 ? std::u16string() : AnsiAt(info, *suffix);
    if (!path || !rest) return bad;
  }
  if (rest->empty()) return *path;
  if (!path->empty() && path->back() != u'\\') *path += u'\\';
  return *path + *rest;
}

// One string of StringData: a count of characters, then that many.
std::optional<std::u16string> CountedString(Bytes b, size_t* at, bool wide) {
  const auto count = Get<uint16_t>(b, *at);
  if (!count) return std::nullopt;
  const auto text = Slice(b, *at + 2, *count * (wide ? 2u : 1u));
  if (!text) return std::nullopt;
  *at += 2 + text->size();
  std::u16string out;
  for (size_t i = 0; i < *count; ++i) {
    out.push_back(wide ? static_cast<char16_t>(*Get<uint16_t>(*text, i * 2)) : (*text)[i]);
  }
  // Some writers count the terminator.
  while (!out.empty() && out.back() == 0) out.pop_back();
  return out;
}

}  // namespace

Result<Lnk> ParseLnk(std::span<const uint8_t> bytes) {
  auto bad = [](const char* what) {
    return Error{Errc::kCorrupt, std::string("reading a shortcut failed: ") + what + " is malformed"};
  };
  const auto header = Slice(bytes, 0, 0x4C);
  if (!header || *Get<uint32_t>(*header, 0) != 0x4C || std::memcmp(header->data() + 4, kClassId, 16) != 0) {
    return bad("its header");
  }
  const uint32_t flags = *Get<uint32_t>(*header, 20);
  Lnk out;
  out.icon_index = *Get<int32_t>(*header, 56);
  size_t at = 0x4C;
  std::u16string listed;
  if (flags & kHasIdList) {
    const auto size = Get<uint16_t>(bytes, at);
    const auto list = size ? Slice(bytes, at + 2, *size) : std::nullopt;
    if (!list) return bad("its item list");
    listed = PathOfIdList(*list);
    at += 2 + list->size();
  }
  if (flags & kHasLinkInfo) {
    const auto size = Get<uint32_t>(bytes, at);
    const auto info = size && *size >= 0x1C ? Slice(bytes, at, *size) : std::nullopt;
    if (!info) return bad("its link information");
    ASSIGN(out.target, PathOfLinkInfo(*info));
    at += info->size();
  }
  struct {
    uint32_t flag;
    std::u16string* to;
  } const strings[] = {
      {kHasName, &out.name},
      {kHasRelativePath, &out.relative_target},
      {kHasWorkingDir, &out.working_directory},
      {kHasArguments, &out.arguments},
      {kHasIconLocation, &out.icon},
  };
  for (const auto& string : strings) {
    if (!(flags & string.flag)) continue;
    auto text = CountedString(bytes, &at, (flags & kIsUnicode) != 0);
    if (!text) return bad("its text");
    *string.to = std::move(*text);
  }
  // Extra data ends with a size below 4, or with the file.
  while (const auto size = Get<uint32_t>(bytes, at)) {
    if (*size < 4) break;
    const auto block = Slice(bytes, at, *size);
    const auto signature = block ? Get<uint32_t>(*block, 4) : std::nullopt;
    if (!signature) return bad("its extra data");
    if (*signature == kEnvironmentBlock && (flags & kHasExpString)) {
      auto wide = WideAt(*block, 8 + 260);
      if (!wide) return bad("its environment block");
      if (wide->empty()) wide = AnsiAt(*block, 8);
      if (wide && !wide->empty()) out.target = std::move(*wide);
    } else if (*signature == kDarwinBlock) {
      out.advertised = true;
    }
    at += block->size();
  }
  if (out.target.empty()) out.target = std::move(listed);
  return out;
}

}  // namespace plume::capture
