#include "vl/low/map_file.h"

#include "vl/low/hooks.h"
#include "vl/low/memory.h"

namespace plume::vl {
namespace {

nt::NtStatus Open(view::WView name, nt::AccessMask access, nt::Handle* file) {
  nt::UnicodeString text{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                         const_cast<char16_t*>(name.data())};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  return orig.NtOpenFile(file, access | nt::kSynchronize, &attributes, &io, nt::kShareAll,
                         nt::kSynchronousNonAlert | nt::kNonDirectoryFile);
}

}  // namespace

nt::NtStatus MapFile(view::WView name, bool writable, void** base, size_t* size, nt::Handle* keep) {
  nt::IoStatusBlock io;
  nt::Handle file, section;
  const nt::AccessMask access =
      nt::kGenericRead | (writable ? nt::kGenericWrite : 0) | (keep ? nt::kGenericExecute : 0);
  nt::NtStatus s = Open(name, access, &file);
  if (!nt::Ok(s)) return s;
  nt::FileStandardInformation standard{};
  // Files that are shared to be written are whole pages long, so that the view says it: a system call less.
  if (!writable)
    s = orig.NtQueryInformationFile(file, &io, &standard, sizeof(standard), nt::kFileStandardInformation);
  if (nt::Ok(s)) {
    const nt::Ulong protect = writable ? nt::kPageReadWrite : nt::kPageReadOnly;
    s = orig.NtCreateSection(
        &section,
        nt::kSectionMapRead | (writable ? nt::kSectionMapWrite : 0) | (keep ? nt::kSectionMapExecute : 0),
        nullptr, nullptr, keep ? nt::kPageExecuteRead : protect, nt::kSecCommit, file);
    if (nt::Ok(s)) {
      *base = nullptr;
      size_t view_size = 0;
      s = orig.NtMapViewOfSection(section, nt::CurrentProcess(), base, 0, 0, nullptr, &view_size,
                                  nt::kViewUnmap, 0, protect);
      // The view is rounded up to pages; the formats want the file's own length.
      *size = writable ? view_size : static_cast<size_t>(standard.end_of_file);
      if (keep && nt::Ok(s)) {
        *keep = section;
      } else {
        orig.NtClose(section);
      }
    }
  }
  orig.NtClose(file);
  return s;
}

nt::NtStatus ReadOrMapFile(view::WView name, void** base, size_t* size) {
  nt::IoStatusBlock io;
  nt::Handle file;
  nt::NtStatus s = Open(name, nt::kGenericRead, &file);
  if (!nt::Ok(s)) return s;
  // One byte more than may be there: a file that fills it is a larger one.
  constexpr nt::Ulong kMost = 8 << 10;
  void* bytes = HeapAlloc(kMost + 1);
  nt::LargeInteger start = 0;
  s = bytes ? orig.NtReadFile(file, nullptr, nullptr, nullptr, &io, bytes, kMost + 1, &start, nullptr)
            : nt::kNoMemory;
  orig.NtClose(file);
  if (nt::Ok(s) && io.information <= kMost) {
    *base = bytes;
    *size = io.information;
    return s;
  }
  HeapFree(bytes);
  return nt::Ok(s) ? MapFile(name, false, base, size) : s;
}

}  // namespace plume::vl
