// The bytes on the VM's clipboard: one file per format that was set.
#include <cstring>

#include "vl/calls/clipboard.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"

namespace plume::vl {
namespace {

// "<scratch>\clip-0123456789abcdef"
struct ClipName {
  char16_t text[1024];
  nt::UnicodeString string{};
  nt::ObjectAttributes attributes{};

  bool Set(view::WView folder, uint64_t number) {
    constexpr view::WView kStem = u"\\clip-";
    if (folder.size() > 980) return false;
    size_t n = folder.size();
    std::memcpy(text, folder.data(), n * 2);
    for (const char16_t c : kStem) text[n++] = c;
    for (int shift = 60; shift >= 0; shift -= 4) text[n++] = u"0123456789abcdef"[(number >> shift) & 15];
    string = nt::UnicodeString{static_cast<uint16_t>(n * 2), static_cast<uint16_t>(n * 2), text};
    attributes = nt::ObjectAttributes{sizeof(nt::ObjectAttributes), nullptr, &string,
                                      nt::kObjCaseInsensitive,      nullptr, nullptr};
    return true;
  }
};
constexpr nt::Ulong kOptions = nt::kSynchronousNonAlert | nt::kNonDirectoryFile;
constexpr uint64_t kPiece = 64 << 20;  // lengths of one call are 32 bits

nt::Handle OpenClip(const VlState& vl, uint64_t number, nt::AccessMask access, nt::Ulong disposition,
                    nt::Ulong options, nt::NtStatus* status) {
  ClipName name;
  nt::IoStatusBlock io;
  nt::Handle file = nullptr;
  *status =
      name.Set(vl.scratch, number)
          ? orig.NtCreateFile(&file, access | nt::kSynchronize, &name.attributes, &io, nullptr,
                              nt::kAttrTemporary, nt::kShareAll, disposition, kOptions | options, nullptr, 0)
          : nt::kNameTooLong;
  return nt::Ok(*status) ? file : nullptr;
}

}  // namespace

nt::NtStatus WriteClipFile(const VlState& vl, uint64_t number, const void* user_bytes, uint64_t size) {
  nt::NtStatus s;
  nt::Handle file = OpenClip(vl, number, nt::kGenericWrite, nt::kOverwriteIf, 0, &s);
  for (uint64_t done = 0; nt::Ok(s) && done < size;) {
    nt::IoStatusBlock io{};
    const auto piece = static_cast<nt::Ulong>(size - done < kPiece ? size - done : kPiece);
    nt::LargeInteger at = static_cast<nt::LargeInteger>(done);
    s = orig.NtWriteFile(file, nullptr, nullptr, nullptr, &io, static_cast<const uint8_t*>(user_bytes) + done,
                         piece, &at, nullptr);
    if (nt::Ok(s) && io.information == 0) s = nt::kDiskFull;
    done += io.information;
  }
  if (file) orig.NtClose(file);
  if (!nt::Ok(s)) RemoveClipFile(vl, number);
  return s;
}

nt::NtStatus ReadClipFile(const VlState& vl, uint64_t number, void* user_bytes, uint64_t size) {
  nt::NtStatus s;
  nt::Handle file = OpenClip(vl, number, nt::kGenericRead, nt::kOpen, 0, &s);
  for (uint64_t done = 0; nt::Ok(s) && done < size;) {
    nt::IoStatusBlock io{};
    const auto piece = static_cast<nt::Ulong>(size - done < kPiece ? size - done : kPiece);
    nt::LargeInteger at = static_cast<nt::LargeInteger>(done);
    s = orig.NtReadFile(file, nullptr, nullptr, nullptr, &io, static_cast<uint8_t*>(user_bytes) + done, piece,
                        &at, nullptr);
    if (nt::Ok(s) && io.information == 0) s = nt::kEndOfFile;
    done += io.information;
  }
  if (file) orig.NtClose(file);
  return s;
}

nt::NtStatus ReadClip(const VlState& vl, const view::ClipFormat& f, void* user_bytes) {
  if (!(f.flags & view::kClipInline)) return ReadClipFile(vl, f.file, user_bytes, f.size);
  return CopyOut(user_bytes, &f.file, static_cast<size_t>(f.size) & 7) ? nt::kSuccess : nt::kAccessViolation;
}

void RemoveClipFile(const VlState& vl, uint64_t number) {
  nt::NtStatus s;
  if (nt::Handle file = OpenClip(vl, number, nt::kDelete, nt::kOpen, nt::kDeleteOnClose, &s))
    orig.NtClose(file);
}

}  // namespace plume::vl
