#include "vl/inject/image.h"

#include <cstring>

namespace plume::vl {
namespace {

template <typename T>
bool Read(std::span<const uint8_t> bytes, uint64_t at, T* out) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return false;
  std::memcpy(out, bytes.data() + at, sizeof(T));
  return true;
}
template <typename T>
bool Write(std::span<uint8_t> bytes, uint64_t at, T value) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return false;
  std::memcpy(bytes.data() + at, &value, sizeof(T));
  return true;
}

struct Directory {
  uint32_t rva = 0, size = 0;
};
Directory GetDirectory(const ImageInfo& info, std::span<const uint8_t> image, uint32_t which) {
  Directory d;
  if (which >= info.directory_count || !Read(image, info.directories + which * 8ull, &d)) return Directory();
  return d;
}

// A zero-terminated string inside the image, or null.
const char* TextAt(std::span<const uint8_t> image, uint64_t at) {
  for (uint64_t i = at; i < image.size(); ++i) {
    if (image[i] == 0) return reinterpret_cast<const char*>(image.data() + at);
  }
  return nullptr;
}

int CompareNames(const char* a, const char* b) {
  for (;; ++a, ++b) {
    const auto x = static_cast<uint8_t>(*a), y = static_cast<uint8_t>(*b);
    if (x != y) return x < y ? -1 : 1;
    if (x == 0) return 0;
  }
}

bool EqualNoCase(const char* a, const char* lower) {
  for (;; ++a, ++lower) {
    const char c = *a >= 'A' && *a <= 'Z' ? static_cast<char>(*a + 32) : *a;
    if (c != *lower) return false;
    if (c == 0) return true;
  }
}

struct Section {
  char name[8];
  uint32_t virtual_size, rva, raw_size, raw_at, unused[3], flags;
};
static_assert(sizeof(Section) == 40);
constexpr uint32_t kFlagExecute = 0x20000000, kFlagWrite = 0x80000000;

bool Relocate(const ImageInfo& info, std::span<uint8_t> image, uint64_t base) {
  const uint64_t delta = base - info.preferred_base;
  if (delta == 0) return true;
  const Directory d = GetDirectory(info, image, kDirectoryRelocation);
  for (uint64_t at = d.rva, end = uint64_t{d.rva} + d.size; at + 8 <= end;) {
    uint32_t page, size;
    if (!Read(image, at, &page) || !Read(image, at + 4, &size)) return false;
    if (size < 8) break;
    for (uint64_t e = at + 8; e + 2 <= at + size; e += 2) {
      uint16_t entry;
      if (!Read(image, e, &entry)) return false;
      const uint64_t target = uint64_t{page} + (entry & 0xfff);
      switch (entry >> 12) {
        case 0:
          break;   // padding
        case 3: {  // 32-bit
          uint32_t value;
          if (!Read(image, target, &value)) return false;
          Write(image, target, value + static_cast<uint32_t>(delta));
          break;
        }
        case 10: {  // 64-bit
          uint64_t value;
          if (!Read(image, target, &value)) return false;
          Write(image, target, value + delta);
          break;
        }
        default:
          return false;
      }
    }
    at += size;
  }
  return true;
}

}  // namespace

bool ReadImageInfo(std::span<const uint8_t> h, ImageInfo* out) {
  uint16_t mz, magic, optional_size, sections;
  uint32_t pe, signature;
  if (!Read(h, 0, &mz) || mz != 0x5a4d || !Read(h, 0x3c, &pe) || !Read(h, pe, &signature) ||
      signature != 0x4550)
    return false;
  const uint64_t optional = uint64_t{pe} + 24;
  if (!Read(h, pe + 4ull, &out->machine) || !Read(h, pe + 6ull, &sections) ||
      !Read(h, pe + 20ull, &optional_size) || !Read(h, optional, &magic)) {
    return false;
  }
  out->wide = magic == 0x20b;
  if (!out->wide && magic != 0x10b) return false;
  uint32_t base32 = 0;
  if (out->wide ? !Read(h, optional + 24, &out->preferred_base) : !Read(h, optional + 28, &base32))
    return false;
  if (!out->wide) out->preferred_base = base32;
  const uint64_t count_at = optional + (out->wide ? 108 : 92);
  if (!Read(h, optional + 56, &out->image_size) || !Read(h, optional + 60, &out->headers_size) ||
      !Read(h, count_at, &out->directory_count)) {
    return false;
  }
  out->directories = static_cast<uint32_t>(count_at + 4);
  if (out->directory_count > 16) out->directory_count = 16;
  out->sections = static_cast<uint32_t>(optional + optional_size);
  out->section_count = sections;
  return out->sections + sections * sizeof(Section) <= h.size() && out->image_size != 0 &&
         out->image_size < (1u << 30) && out->headers_size != 0;
}

bool MapImage(std::span<const uint8_t> file, const ImageInfo& info, uint64_t base, std::span<uint8_t> image) {
  if (image.size() < info.image_size || info.headers_size > file.size() || info.headers_size > image.size())
    return false;
  std::memcpy(image.data(), file.data(), info.headers_size);
  for (uint32_t i = 0; i < info.section_count; ++i) {
    Section s;
    if (!Read(file, info.sections + i * sizeof(Section), &s)) return false;
    const uint32_t bytes = s.raw_size < s.virtual_size ? s.raw_size : s.virtual_size;
    if (bytes == 0) continue;
    if (uint64_t{s.raw_at} + bytes > file.size() || uint64_t{s.rva} + bytes > image.size()) return false;
    std::memcpy(image.data() + s.rva, file.data() + s.raw_at, bytes);
  }
  return Relocate(info, image, base);
}

namespace {

bool ImportsNothing(std::span<const uint8_t> image, const ImageInfo& info) {
  const Directory d = GetDirectory(info, image, kDirectoryImport);
  uint32_t name_at;  // of the first module
  return d.rva == 0 || (Read(image, d.rva + 12ull, &name_at) && name_at == 0);
}

}  // namespace

bool IsLaidOut(std::span<const uint8_t> file, const ImageInfo& info) {
  constexpr uint32_t kPage = 4096;
  uint64_t end = info.headers_size;
  if (info.image_size % kPage || file.size() < info.image_size || info.headers_size > kPage) return false;
  for (uint32_t i = 0; i < info.section_count; ++i) {
    Section s;
    if (!Read(file, info.sections + i * sizeof(Section), &s)) return false;
    // Of what lies behind the section's own bytes, up to the end of the page, the linker makes zeros.
    const uint64_t pages = (uint64_t{s.virtual_size} + kPage - 1) / kPage * kPage;
    if (s.raw_at != s.rva || s.rva % kPage || s.rva < end || s.raw_size < pages) return false;
    end = s.rva + pages;
  }
  return end <= info.image_size && ImportsNothing(file, info);
}

bool BindImports(const ImageInfo& info, std::span<uint8_t> image, uint64_t (*resolve)(void*, const char*),
                 void* context, const char** missing) {
  *missing = "";
  const Directory d = GetDirectory(info, image, kDirectoryImport);
  if (d.rva == 0) return true;
  const uint32_t width = info.wide ? 8 : 4;
  for (uint64_t at = d.rva;; at += 20) {
    uint32_t lookup, name_at, table;
    if (!Read(image, at, &lookup) || !Read(image, at + 12, &name_at) || !Read(image, at + 16, &table))
      return false;
    if (name_at == 0) return true;
    const char* module = TextAt(image, name_at);
    if (!module || !EqualNoCase(module, "ntdll.dll")) {
      *missing = module ? module : "";
      return false;
    }
    for (uint64_t from = lookup ? lookup : table, to = table;; from += width, to += width) {
      uint64_t entry = 0;
      uint32_t entry32 = 0;
      if (info.wide ? !Read(image, from, &entry) : !Read(image, from, &entry32)) return false;
      if (!info.wide) entry = entry32;
      if (entry == 0) break;
      if (entry >> (width * 8 - 1)) return false;  // by number
      const char* name = TextAt(image, entry + 2);
      const uint64_t address = name ? resolve(context, name) : 0;
      if (address == 0) {
        *missing = name ? name : "";
        return false;
      }
      if (info.wide ? !Write(image, to, address) : !Write(image, to, static_cast<uint32_t>(address)))
        return false;
    }
  }
}

uint32_t FindExport(const ImageInfo& info, std::span<const uint8_t> image, const char* name) {
  const Directory d = GetDirectory(info, image, kDirectoryExport);
  uint32_t names, functions, names_at, ordinals_at, functions_at;
  if (d.rva == 0 || !Read(image, d.rva + 20ull, &functions) || !Read(image, d.rva + 24ull, &names) ||
      !Read(image, d.rva + 28ull, &functions_at) || !Read(image, d.rva + 32ull, &names_at) ||
      !Read(image, d.rva + 36ull, &ordinals_at)) {
    return 0;
  }
  for (uint32_t low = 0, high = names; low < high;) {
    const uint32_t middle = low + (high - low) / 2;
    uint32_t text_at;
    if (!Read(image, names_at + middle * 4ull, &text_at)) return 0;
    const char* text = TextAt(image, text_at);
    if (!text) return 0;
    const int order = CompareNames(text, name);
    if (order < 0) {
      low = middle + 1;
    } else if (order > 0) {
      high = middle;
    } else {
      uint16_t ordinal;
      uint32_t rva;
      if (!Read(image, ordinals_at + middle * 2ull, &ordinal) || ordinal >= functions ||
          !Read(image, functions_at + ordinal * 4ull, &rva)) {
        return 0;
      }
      return rva >= d.rva && rva < d.rva + d.size ? 0 : rva;  // inside the directory: forwarded
    }
  }
  return 0;
}

ImageSection SectionAt(const ImageInfo& info, std::span<const uint8_t> image, uint32_t index) {
  Section s{};
  Read(image, info.sections + index * sizeof(Section), &s);
  ImageSection out;
  out.begin = s.rva & ~0xfffu;
  out.end = (s.rva + s.virtual_size + 0xfff) & ~0xfffu;
  out.executable = s.flags & kFlagExecute;
  out.writable = s.flags & kFlagWrite;
  return out;
}

}  // namespace plume::vl
