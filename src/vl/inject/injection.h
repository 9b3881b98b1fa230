// One injection (inject.h), from the look at the process to the names it will read. Its parts: the child's
// process and memory (inject.cc), the layer as the child gets it (inject_layer.cc), the stubs
// (inject_stubs.cc).
#pragma once
#include "vl/inject/image.h"
#include "vl/inject/inject.h"
#include "vl/low/patch_plan.h"
#include "vl/low/stub_shapes.h"

namespace plume::vl {

#ifdef __x86_64__
inline constexpr Arch kArch = Arch::kX64;
inline constexpr uint16_t kMachine = nt::kMachineAmd64;
#else
inline constexpr Arch kArch = Arch::kX86;
inline constexpr uint16_t kMachine = nt::kMachineI386;
#endif
inline constexpr uint32_t kMaxHooks = 240;
inline constexpr uint32_t kMaxSpans = 8;
inline constexpr uint32_t kTrampoline = 32;
inline constexpr uintptr_t kBelow2G = 0x7fffffff;  // "zero bits" as a mask: where 32-bit pointers reach

// What does not fit into a small frame, and the local copies; one allocation, freed at the end.
struct Work {
  PatchPoint points[kMaxHooks];
  PatchSpan spans[kMaxSpans];
  uint8_t span_bytes[kMaxSpan];
};

class Injection {
 public:
  Injection(const nt::Functions& sys, nt::Handle process, const InjectRequest& request)
      : sys_(sys), process_(process), request_(request) {}
  ~Injection();
  InjectResult Run();

 private:
  bool Bad(InjectError error, nt::NtStatus status = nt::kUnsuccessful, const char* function = "") {
    result_ = InjectResult{error, status, function};
    return false;
  }
  bool InspectProcess();
  bool FindChildNtdll();
  bool Runs32Bit();
  bool IsOurMachine(const uint8_t* image);
  bool AllocateLocal();
  bool MapRemote();
  bool AllocateRemote();
  bool CopyFilledPages();
  bool BuildLayer();
  bool BindFunctions();
  bool PlanPatches();
  bool ReadStubs();
  void FillParams();
  uint64_t PutText(view::WView text, ParamText* out);
  bool WriteLayer();
  bool PatchStubs();
  bool PatchNames();
  bool PatchWow64Names();

  bool Read(const void* from, void* to, size_t bytes) {
    size_t done = 0;
    const nt::NtStatus s = sys_.NtReadVirtualMemory(process_, from, to, bytes, &done);
    return nt::Ok(s) && done == bytes ? true : Bad(InjectError::kState, s);
  }
  bool Write(void* to, const void* from, size_t bytes) {
    size_t done = 0;
    const nt::NtStatus s = sys_.NtWriteVirtualMemory(process_, to, from, bytes, &done);
    return nt::Ok(s) && done == bytes ? true : Bad(InjectError::kState, s);
  }
  bool Protect(uint64_t at, size_t bytes, nt::Ulong protect, nt::Ulong* old) {
    auto* base = reinterpret_cast<void*>(static_cast<uintptr_t>(at));
    const nt::NtStatus s = sys_.NtProtectVirtualMemory(process_, &base, &bytes, protect, old);
    return nt::Ok(s) ? true : Bad(InjectError::kState, s);
  }
  // A pointer into the layer, as the child will see it, turned into one into the local copy. Of a mapped
  // layer the copy has only the pages that are filled in.
  template <typename T>
  T* Local(T* remote, size_t bytes = sizeof(T)) const {
    return reinterpret_cast<T*>(Inside(remote, bytes) ? local_ + Offset(remote) : nullptr);
  }
  // The same for what is only read.
  template <typename T>
  const T* Constant(const T* remote, size_t bytes = sizeof(T)) const {
    return reinterpret_cast<const T*>(Inside(remote, bytes) ? constants_ + Offset(remote) : nullptr);
  }
  uint64_t Offset(const void* remote) const { return reinterpret_cast<uintptr_t>(remote) - remote_; }
  bool Inside(const void* remote, size_t bytes) const {
    const uint64_t at = Offset(remote);
    return at <= info_.image_size && bytes <= info_.image_size - at;
  }
  uint64_t OwnNtdll() const { return reinterpret_cast<uintptr_t>(request_.ntdll); }
  static uint64_t ResolveImport(void* self, const char* name);

  const nt::Functions& sys_;
  nt::Handle process_;
  const InjectRequest& request_;
  InjectResult result_;

  nt::Peb* peb_ = nullptr;                   // in the child
  nt::ProcessParameters* params_ = nullptr;  // in the child
  uintptr_t wow64_peb_ = 0;                  // in the child: the block of its 32-bit half; 0: it has none
  ImageInfo info_{};                         // of the layer
  ImageInfo ntdll_info_{};
  std::span<const uint8_t> ntdll_;  // our own
  uint64_t child_ntdll_ = 0;
  Work* work_ = nullptr;
  uint8_t* local_ = nullptr;            // image and texts as the child gets them
  uint64_t remote_ = 0;                 // where
  bool mapped_ = false;                 // the child has a view of the layer's file, at its preferred base
  const uint8_t* constants_ = nullptr;  // the whole image as the child gets it, but for what is filled in
  size_t text_bytes_ = 0, text_at_ = 0, total_ = 0;
  const LayerHeader* header_ = nullptr;  // in the local copy
  struct PageRun {
    uint64_t begin, end;  // whole pages of the image
  };
  static constexpr uint64_t kRunGap = 4 * 4096;
  PageRun runs_[4];
  uint32_t run_count_ = 0;
  uint32_t points_ = 0, spans_ = 0;
  uint64_t remote_exe_ = 0, remote_cwd_ = 0;
};

}  // namespace plume::vl
