// The record formats of NtQueryDirectoryFile. Offsets are those of the structures in ntifs.h, the same for
// 32- and 64-bit programs.
#include "view/listing.h"
#include "view/pattern.h"

namespace plume::view {
namespace {

constexpr uint8_t kNo = 0;  // no such field

// Where the fields of a class are that not all have. Common to all but Names: NextEntryOffset 0, FileIndex 4,
// four times 8.., EndOfFile 40, AllocationSize 48, FileAttributes 56, FileNameLength 60.
struct Format {
  uint8_t info_class;
  uint8_t name;     // FileName
  uint8_t minimum;  // sizeof the structure: a shorter buffer is refused
  uint8_t name_length;
  uint8_t ea_size, reparse_tag, short_name_length, short_name, id64, id128;
};

constexpr Format kFormats[] = {
    {1, 64, 72, 60, kNo, kNo, kNo, kNo, kNo, kNo},  // FileDirectoryInformation
    {2, 68, 72, 60, 64, kNo, kNo, kNo, kNo, kNo},   // FileFullDirectoryInformation
    {3, 94, 96, 60, 64, kNo, 68, 70, kNo, kNo},     // FileBothDirectoryInformation
    {12, 12, 16, 8, kNo, kNo, kNo, kNo, kNo, kNo},  // FileNamesInformation
    {37, 104, 112, 60, 64, kNo, 68, 70, 96, kNo},   // FileIdBothDirectoryInformation
    {38, 80, 88, 60, 64, kNo, kNo, kNo, 72, kNo},   // FileIdFullDirectoryInformation
    {50, 92, 96, 60, kNo, kNo, kNo, kNo, 64, kNo},  // FileIdGlobalTxDirectoryInformation
    {60, 88, 96, 60, 64, 68, kNo, kNo, kNo, 72},    // FileIdExtdDirectoryInformation
    {63, 114, 120, 60, 64, 68, 88, 90, kNo, 72},    // FileIdExtdBothDirectoryInformation
};

constexpr uint32_t kReparsePoint = 0x400;
constexpr uint8_t kNamesClass = 12;

const Format* FindFormat(uint32_t info_class) {
  for (const Format& f : kFormats) {
    if (f.info_class == info_class) return &f;
  }
  return nullptr;
}

template <typename T>
void Put(uint8_t* record, size_t offset, T value) {
  __builtin_memcpy(record + offset, &value, sizeof(value));
}

// Writes the fixed part of `e`. REQUIRES f.name bytes of room.
void PutFixed(const Format& f, const DirEntry& e, uint8_t* r) {
  for (size_t i = 0; i < f.name; ++i) r[i] = 0;
  Put<uint32_t>(r, f.name_length, static_cast<uint32_t>(e.name.size() * 2));
  if (f.info_class == kNamesClass) return;
  Put(r, 8, e.created);
  Put(r, 16, e.accessed);
  Put(r, 24, e.written);
  Put(r, 32, e.changed);
  Put(r, 40, e.size);
  Put(r, 48, e.allocation);
  Put(r, 56, e.attributes);
  const bool tag = (e.attributes & kReparsePoint) != 0;
  if (f.reparse_tag != kNo && tag) {
    Put(r, f.reparse_tag, e.ea_size);
  } else if (f.ea_size != kNo) {
    Put(r, f.ea_size, e.ea_size);
  }
  if (f.short_name != kNo) {
    Put(r, f.short_name_length, static_cast<uint8_t>(e.short_name.size() * 2));
    for (size_t i = 0; i < e.short_name.size(); ++i) Put(r, f.short_name + 2 * i, e.short_name[i]);
  }
  if (f.id64 != kNo) Put(r, f.id64, e.id);
  if (f.id128 != kNo) Put(r, f.id128, e.id);  // the upper half stays 0, as NTFS has it
}

void PutName(WView name, size_t units, uint8_t* to) { __builtin_memcpy(to, name.data(), units * 2); }

bool Matches(WView pattern, const DirEntry& e) {
  return pattern.empty() || MatchesPattern(pattern, e.name) ||
         (!e.short_name.empty() && MatchesPattern(pattern, e.short_name));
}

}  // namespace

bool IsListingClass(uint32_t info_class) { return FindFormat(info_class) != nullptr; }

bool NamePlace(uint32_t info_class, uint32_t* length_offset, uint32_t* name_offset) {
  const Format* f = FindFormat(info_class);
  if (f == nullptr) return false;
  *length_offset = f->name_length;
  *name_offset = f->name;
  return true;
}

uint32_t QueryListing(const Listing& listing, Cursor* cursor, const ListingRequest& request, void* buffer,
                      uint32_t length, uint32_t* written) {
  *written = 0;
  const Format* f = FindFormat(request.info_class);
  if (f == nullptr) return kInvalidInfoClass;
  if (length < f->minimum) return kInfoLengthMismatch;
  const bool first_query = !cursor->started;
  if (request.restart) cursor->next = 0;
  cursor->started = true;
  auto* const bytes = static_cast<uint8_t*>(buffer);
  uint64_t end = 0;         // of what is written
  uint8_t* last = nullptr;  // the record before, whose NextEntryOffset is to be set
  for (; cursor->next < listing.size(); ++cursor->next) {
    if (!Matches(cursor->pattern, listing.at(cursor->next))) continue;
    DirEntry e = listing.at(cursor->next);
    if (request.refresh != nullptr && !request.refresh(request.context, &e)) continue;
    const uint64_t start = (end + 7) / 8 * 8;
    const uint64_t need = f->name + e.name.size() * 2;
    if (start + need > length) {
      if (last != nullptr) break;
      const size_t units = (length - f->name) / 2;
      PutFixed(*f, e, bytes);
      PutName(e.name, units, bytes + f->name);
      *written = static_cast<uint32_t>(f->name + units * 2);
      ++cursor->next;
      return kBufferOverflow;
    }
    for (uint64_t i = end; i < start; ++i) bytes[i] = 0;
    uint8_t* record = bytes + start;
    PutFixed(*f, e, record);
    PutName(e.name, e.name.size(), record + f->name);
    if (last != nullptr) Put(last, 0, static_cast<uint32_t>(record - last));
    last = record;
    end = start + need;
    if (request.single) {
      ++cursor->next;
      break;
    }
  }
  if (last == nullptr) return first_query ? kNoSuchFile : kNoMoreFiles;
  *written = static_cast<uint32_t>(end);
  return kSuccess;
}

}  // namespace plume::view
