// Reading and mapping of PE images by hand. Pure; every offset is checked, a malformed image gives false or
// 0.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace plume::vl {

struct ImageInfo {
  uint16_t machine;
  bool wide;  // PE32+
  uint64_t preferred_base;
  uint32_t image_size, headers_size;
  uint32_t directories;  // offset of the data directories in the file and in the image
  uint32_t directory_count;
  uint32_t sections, section_count;
};
enum ImageDirectory : uint32_t { kDirectoryExport = 0, kDirectoryImport = 1, kDirectoryRelocation = 5 };

// Reads the headers, which are the same in a file and in a mapped image.
bool ReadImageInfo(std::span<const uint8_t> headers, ImageInfo* out);

// Lays the sections of `file` out in `image` (image_size bytes, zero-filled) and relocates them for `base`.
bool MapImage(std::span<const uint8_t> file, const ImageInfo& info, uint64_t base, std::span<uint8_t> image);

// True if `file` has every byte of the image where MapImage would lay it for the preferred base, so that it
// can be mapped as it is.
bool IsLaidOut(std::span<const uint8_t> file, const ImageInfo& info);

// Fills the import address tables of a mapped image. `resolve(context, name)` gives the address of a function
// of ntdll.dll, or 0. False if another module is imported, or by number, or something is unknown (*missing
// names it).
bool BindImports(const ImageInfo& info, std::span<uint8_t> image,
                 uint64_t (*resolve)(void* context, const char* name), void* context, const char** missing);

// The address of an export relative to the image's base; 0: none (or forwarded).
uint32_t FindExport(const ImageInfo& info, std::span<const uint8_t> image, const char* name);

struct ImageSection {
  uint32_t begin, end;  // page-aligned
  bool executable, writable;
};
ImageSection SectionAt(const ImageInfo& info, std::span<const uint8_t> image, uint32_t index);

}  // namespace plume::vl
