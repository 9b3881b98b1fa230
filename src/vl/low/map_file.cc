#include "vl/low/map_file.h"

#include "vl/low/hooks.h"

namespace plume::vl {

nt::NtStatus MapFile(view::WView name, bool writable, void** base, size_t* size) {
  nt::UnicodeString text{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                         const_cast<char16_t*>(name.data())};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  nt::Handle file, section;
  const nt::AccessMask access = writable ? nt::kGenericRead | nt::kGenericWrite : nt::kGenericRead;
  nt::NtStatus s = orig.NtOpenFile(&file, access | nt::kSynchronize, &attributes, &io, nt::kShareAll,
                                   nt::kSynchronousNonAlert | nt::kNonDirectoryFile);
  if (!nt::Ok(s)) return s;
  nt::FileStandardInformation standard{};
  s = orig.NtQueryInformationFile(file, &io, &standard, sizeof(standard), nt::kFileStandardInformation);
  if (nt::Ok(s)) {
    const nt::Ulong protect = writable ? nt::kPageReadWrite : nt::kPageReadOnly;
    s = orig.NtCreateSection(&section, nt::kSectionMapRead | (writable ? nt::kSectionMapWrite : 0), nullptr,
                             nullptr, protect, nt::kSecCommit, file);
    if (nt::Ok(s)) {
      *base = nullptr;
      size_t view_size = 0;
      s = orig.NtMapViewOfSection(section, nt::CurrentProcess(), base, 0, 0, nullptr, &view_size,
                                  nt::kViewUnmap, 0, protect);
      // The view is rounded up to pages; the formats want the file's own length.
      *size = static_cast<size_t>(standard.end_of_file);
      orig.NtClose(section);
    }
  }
  orig.NtClose(file);
  return s;
}

}  // namespace plume::vl
