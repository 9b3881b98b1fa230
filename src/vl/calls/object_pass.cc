// What the name calls answer in a layer that was built without the file or the registry space
// (PLUME_VL_LEAVE_OUT): everything is the host's, under its own name.
#include <cstring>

#include "vl/calls/file_resolve.h"
#include "vl/calls/key_resolve.h"

namespace plume::vl {

#ifdef PLUME_WITHOUT_FILE_CALLS
nt::NtStatus ResolveForExecution(const VlState&, CallScratch& scratch, const view::VPath& path,
                                 RealName* out) {
  char16_t* text = scratch.Units(path.text.size() + 5);
  if (!text) return nt::kNoMemory;
  std::memcpy(text, u"\\??\\", 8);
  std::memcpy(text + 4, path.text.data(), path.text.size() * 2);
  text[path.text.size() + 4] = 0;
  out->nt_path = view::WView(text, path.text.size() + 4);
  out->host = true;
  return nt::kSuccess;
}
view::NameKind ParseAbsoluteName(const VlState& vl, CallScratch&, view::WView name,
                                 std::span<char16_t> storage, view::VPath* out) {
  return view::ParseFileName(name, vl.names, storage, out);
}
nt::NtStatus Refusal(const VlState&, view::NameKind) { return nt::kSuccess; }
nt::NtStatus CheckFileControl(const VlState&, nt::Handle, nt::Ulong*, const void*, nt::Ulong) {
  return nt::kSuccess;
}
bool FileNameToVirtual(const VlState&, CallScratch&, view::WView, view::WView*) { return false; }
bool FileHandleToVirtual(const VlState&, CallScratch&, nt::Handle, view::WView*) { return false; }
#endif

#ifdef PLUME_WITHOUT_KEY_CALLS
bool KeyHandleToVirtual(const VlState&, CallScratch&, nt::Handle, view::WView*) { return false; }
#endif

}  // namespace plume::vl
