#include "vl/inject/inject.h"

#include <cstring>

#include "vl/inject/image.h"
#include "vl/low/patch_plan.h"
#include "vl/low/stub_shapes.h"

namespace plume::vl {
namespace {

#ifdef __x86_64__
constexpr Arch kArch = Arch::kX64;
constexpr uint16_t kMachine = nt::kMachineAmd64;
#else
constexpr Arch kArch = Arch::kX86;
constexpr uint16_t kMachine = nt::kMachineI386;
#endif
constexpr uint32_t kMaxHooks = 240;
constexpr uint32_t kMaxSpans = 8;
constexpr uint32_t kTrampoline = 32;

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

Injection::~Injection() {
  if (!work_) return;
  void* base = work_;
  size_t size = 0;
  sys_.NtFreeVirtualMemory(nt::CurrentProcess(), &base, &size, nt::kMemRelease);
}

// On Wine, where reading costs as much as ten of the child's own calls, only what will be needed is asked:
// what has been created suspended has not run.
bool Injection::InspectProcess() {
#ifdef __x86_64__
  uintptr_t wow64 = 0;
  const nt::NtStatus w =
      sys_.NtQueryInformationProcess(process_, nt::kProcessWow64Information, &wow64, sizeof(wow64), nullptr);
  if (!nt::Ok(w)) return Bad(InjectError::kState, w);
  if (wow64) return Bad(InjectError::kMachine, nt::kImageMachineTypeMismatch);
#endif
  const bool renames = request_.rename || !request_.current_directory.empty();
  if ((request_.flags & kParamWine) && !renames) return true;
  nt::ProcessBasicInformation basic{};
  const nt::NtStatus s =
      sys_.NtQueryInformationProcess(process_, nt::kProcessBasicInformation, &basic, sizeof(basic), nullptr);
  if (!nt::Ok(s)) return Bad(InjectError::kState, s);
  nt::Peb peb{};
  peb_ = static_cast<nt::Peb*>(basic.peb);
  if (!peb_ || !Read(peb_, &peb, sizeof(peb))) return Bad(InjectError::kState, nt::kUnsuccessful);
  if (peb.ldr) return Bad(InjectError::kState, nt::kInvalidParameter);  // it has run already
  params_ = peb.parameters;
  return true;
}

bool Injection::AllocateLocal() {
  if (!ReadImageInfo(request_.layer, &info_) || info_.machine != kMachine) return Bad(InjectError::kLayer);
  auto* ntdll = static_cast<const uint8_t*>(request_.ntdll);
  if (!ReadImageInfo({ntdll, 4096}, &ntdll_info_)) return Bad(InjectError::kNtdll);
  ntdll_ = {ntdll, ntdll_info_.image_size};
  child_ntdll_ = OwnNtdll();  // one base for all processes, as a rule; ReadStubs verifies

  text_bytes_ = (request_.view_path.size() + request_.exe.size() + request_.current_directory.size() + 8) * 2;
  for (const ParamVolume& v : request_.volumes) text_bytes_ += (v.device.units + 4) * 2;
  total_ = info_.image_size + ((text_bytes_ + 0xfff) & ~size_t{0xfff});
  constexpr size_t kWork = (sizeof(Work) + 0xfff) & ~size_t{0xfff};
  size_t bytes = kWork + total_;
  void* base = nullptr;
  const nt::NtStatus s = sys_.NtAllocateVirtualMemory(nt::CurrentProcess(), &base, 0, &bytes,
                                                      nt::kMemCommit | nt::kMemReserve, nt::kPageReadWrite);
  if (!nt::Ok(s)) return Bad(InjectError::kMemory, s);
  work_ = static_cast<Work*>(base);
  local_ = static_cast<uint8_t*>(base) + kWork;
  return true;
}

// Wine writes into another process by a system call or two for each page, and reads what is written from a
// pipe: there the child gets a view of the layer's file, of which only the few pages that are filled in are
// written. Whatever keeps that from being possible (the place is taken, a file system without mapping, long
// names) leaves the copy.
bool Injection::MapRemote() {
  if (!(request_.flags & kParamWine) || !request_.section || !IsLaidOut(request_.layer, info_)) return false;
  const uint32_t at = FindExport(info_, request_.layer, kLayerExport);
  LayerHeader header;
  if (!at || at + sizeof(header) > info_.image_size) return false;
  std::memcpy(&header, request_.layer.data() + at, sizeof(header));
  if (header.magic != kLayerMagic || header.version != kLayerVersion || text_bytes_ > header.text_units * 2)
    return false;
  auto* base = reinterpret_cast<void*>(static_cast<uintptr_t>(info_.preferred_base));
  size_t size = 0;
  if (!nt::Ok(sys_.NtMapViewOfSection(request_.section, process_, &base, 0, 0, nullptr, &size, nt::kViewUnmap,
                                      0, nt::kPageExecuteWriteCopy))) {
    return false;
  }
  remote_ = info_.preferred_base;
  mapped_ = true;
  return true;
}

// Wine has every change of protection done by a thread of the child, which costs as much as ten of the
// child's own calls: there the layer itself protects its image, first thing (SealImage).
bool Injection::AllocateRemote() {
  void* base = nullptr;
  size_t bytes = total_;
  const nt::Ulong protect = request_.flags & kParamWine ? nt::kPageExecuteReadWrite : nt::kPageReadWrite;
  const nt::NtStatus s =
      sys_.NtAllocateVirtualMemory(process_, &base, 0, &bytes, nt::kMemCommit | nt::kMemReserve, protect);
  if (!nt::Ok(s)) return Bad(InjectError::kMemory, s);
  remote_ = reinterpret_cast<uintptr_t>(base);
  return true;
}

uint64_t Injection::ResolveImport(void* self, const char* name) {
  auto* i = static_cast<Injection*>(self);
  const uint32_t rva = FindExport(i->ntdll_info_, i->ntdll_, name);
  return rva ? i->child_ntdll_ + rva : 0;
}

bool Injection::BuildLayer() {
  const std::span<uint8_t> image(local_, info_.image_size);
  const char* missing = "";
  constants_ = mapped_ ? request_.layer.data() : local_;
  if (!mapped_ && !MapImage(request_.layer, info_, remote_, image)) return Bad(InjectError::kLayer);
  if (!mapped_ && !BindImports(info_, image, &ResolveImport, this, &missing)) {
    return Bad(InjectError::kImport, nt::kProcedureNotFound, missing);
  }
  const uint32_t at = FindExport(info_, {constants_, info_.image_size}, kLayerExport);
  if (!at || at + sizeof(LayerHeader) > info_.image_size) return Bad(InjectError::kLayer);
  header_ = reinterpret_cast<const LayerHeader*>(constants_ + at);
  if (header_->magic != kLayerMagic || header_->version != kLayerVersion ||
      header_->function_count != nt::kFunctionCount || header_->hook_count > kMaxHooks ||
      header_->hook_count * kTrampoline > header_->trampoline_bytes) {
    return Bad(InjectError::kLayer);
  }
  text_at_ = mapped_ ? Offset(header_->texts) : info_.image_size;
  return !mapped_ || CopyFilledPages();
}

// The pages of a mapped layer that get something other than what the file has, a run at a time.
bool Injection::CopyFilledPages() {
  const struct {
    const void* at;
    size_t bytes;
  } parts[] = {{header_->trampolines, header_->hook_count * kTrampoline},
               {header_->originals, sizeof(nt::Functions)},
               {header_->params, sizeof(Params)},
               {header_->texts, text_bytes_}};
  run_count_ = 0;
  for (const auto& part : parts) {
    if (!Inside(part.at, part.bytes)) return Bad(InjectError::kLayer);
    PageRun run{Offset(part.at) & ~uint64_t{0xfff},
                (Offset(part.at) + part.bytes + 0xfff) & ~uint64_t{0xfff}};
    // One write of more pages costs less than two writes.
    for (uint32_t i = 0; i < run_count_;) {
      if (run.begin <= runs_[i].end + kRunGap && runs_[i].begin <= run.end + kRunGap) {
        if (runs_[i].begin < run.begin) run.begin = runs_[i].begin;
        if (runs_[i].end > run.end) run.end = runs_[i].end;
        runs_[i] = runs_[--run_count_];
        i = 0;
      } else {
        ++i;
      }
    }
    runs_[run_count_++] = run;
  }
  for (uint32_t i = 0; i < run_count_; ++i)
    std::memcpy(local_ + runs_[i].begin, constants_ + runs_[i].begin, runs_[i].end - runs_[i].begin);
  return true;
}

// The originals: at first every function is its stub; PlanPatches turns the replaced ones into trampolines.
bool Injection::BindFunctions() {
  auto* rows = Constant(header_->functions, sizeof(FunctionRow) * header_->function_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  if (!rows || !originals) return Bad(InjectError::kLayer);
  for (uint32_t i = 0; i < header_->function_count; ++i) {
    const char* name = Constant(rows[i].name, 1);
    if (!name) return Bad(InjectError::kLayer);
    const uint32_t rva = FindExport(ntdll_info_, ntdll_, name);
    if (!rva && rows[i].required) return Bad(InjectError::kMissing, nt::kProcedureNotFound, name);
    originals[i] = rva ? static_cast<uintptr_t>(child_ntdll_ + rva) : 0;
  }
  return true;
}

bool Injection::PlanPatches() {
  auto* hooks = Constant(header_->hooks, sizeof(HookRow) * header_->hook_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  if (!hooks || !originals) return Bad(InjectError::kLayer);
  points_ = 0;
  for (uint32_t i = 0; i < header_->hook_count; ++i) {
    if (hooks[i].slot >= header_->function_count) return Bad(InjectError::kLayer);
    if (const uintptr_t stub = originals[hooks[i].slot]) work_->points[points_++] = PatchPoint{stub, i};
  }
  spans_ = PlanSpans(kArch, {work_->points, points_}, work_->spans);
  return spans_ || !points_ ? true : Bad(InjectError::kUnknownStub, nt::kUnsuccessful, "(stubs overlap)");
}

// Copies every stub of one span into its trampoline and puts the jumps into `bytes`.
bool Injection::ReadStubs() {
  auto* hooks = Constant(header_->hooks, sizeof(HookRow) * header_->hook_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  auto* trampolines = Local(header_->trampolines, header_->trampoline_bytes);
  auto* rows = Constant(header_->functions, sizeof(FunctionRow) * header_->function_count);
  if (!trampolines) return Bad(InjectError::kLayer);
  uint32_t used = 0;
  uint8_t* bytes = work_->span_bytes;
  for (uint32_t i = 0; i < spans_; ++i) {
    const PatchSpan& span = work_->spans[i];
    if (bytes + span.bytes > work_->span_bytes + sizeof(work_->span_bytes)) return Bad(InjectError::kMemory);
    if (!Read(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes)) return false;
    for (uint32_t p = span.first; p < span.first + span.count; ++p) {
      const PatchPoint& point = work_->points[p];
      uint8_t* stub = bytes + (point.address - span.begin);
      const HookRow& hook = hooks[point.hook];
      const StubShape* shape = RecogniseStub(kArch, {stub, kMaxStub});
      if (!shape || shape->room < JumpBytes(kArch)) {
        return Bad(InjectError::kUnknownStub, nt::kUnsuccessful, Constant(rows[hook.slot].name, 1));
      }
      std::memcpy(trampolines + used, stub, shape->length);
      originals[hook.slot] = static_cast<uintptr_t>(reinterpret_cast<uintptr_t>(header_->trampolines) + used);
      used += kTrampoline;
    }
    for (uint32_t p = span.first; p < span.first + span.count; ++p) {
      const PatchPoint& point = work_->points[p];
      EncodeJump(kArch, point.address, reinterpret_cast<uintptr_t>(hooks[point.hook].handler),
                 bytes + (point.address - span.begin));
    }
    bytes += span.bytes;
  }
  return true;
}

uint64_t Injection::PutText(view::WView text, ParamText* out) {
  const uint64_t at = text_at_;
  std::memcpy(local_ + at, text.data(), text.size() * 2);
  text_at_ += text.size() * 2 + 2;
  if (out) {
    *out = ParamText{reinterpret_cast<const char16_t*>(static_cast<uintptr_t>(remote_ + at)),
                     static_cast<uint32_t>(text.size()), 0};
  }
  return remote_ + at;
}

void Injection::FillParams() {
  Params* p = Local(header_->params);
  *p = Params{};
  p->magic = kLayerMagic;
  p->version = kLayerVersion;
  p->flags = request_.flags | (mapped_ ? kParamMapped : 0);
  p->ntdll = reinterpret_cast<void*>(static_cast<uintptr_t>(child_ntdll_));
  p->base = reinterpret_cast<void*>(static_cast<uintptr_t>(remote_));
  p->image_size = info_.image_size;
  p->block_size = mapped_ ? info_.image_size : total_;
  PutText(request_.view_path, &p->view_path);
  remote_exe_ = PutText(request_.exe, &p->exe);
  if (!request_.current_directory.empty()) remote_cwd_ = PutText(request_.current_directory, nullptr);
  for (const ParamVolume& v : request_.volumes) {
    if (p->volume_count == kMaxVolumes) break;
    ParamVolume& out = p->volumes[p->volume_count++];
    out.letter = v.letter;
    PutText(view::WView(v.device.data, v.device.units), &out.device);
  }
}

bool Injection::WriteLayer() {
  for (uint32_t i = 0; mapped_ && i < run_count_; ++i) {
    auto* to = reinterpret_cast<void*>(static_cast<uintptr_t>(remote_ + runs_[i].begin));
    if (!Write(to, local_ + runs_[i].begin, runs_[i].end - runs_[i].begin)) return false;
  }
  if (mapped_) return true;
  if (!Write(reinterpret_cast<void*>(static_cast<uintptr_t>(remote_)), local_, total_)) return false;
  if (request_.flags & kParamWine) return true;
  // Code first, then the longest run of read-only sections; the rest stays read-write.
  const std::span<const uint8_t> image(local_, info_.image_size);
  uint32_t best_begin = 0, best_end = 0, begin = 0, end = 0;
  nt::Ulong old;
  for (uint32_t i = 0; i < info_.section_count; ++i) {
    const ImageSection s = SectionAt(info_, image, i);
    if (s.executable) {
      if (!Protect(remote_ + s.begin, s.end - s.begin, nt::kPageExecuteRead, &old)) return false;
    }
    if (s.executable || s.writable) continue;
    if (s.begin != end) begin = s.begin;
    end = s.end;
    if (end - begin > best_end - best_begin) {
      best_begin = begin;
      best_end = end;
    }
  }
  return best_begin == best_end ||
         Protect(remote_ + best_begin, best_end - best_begin, nt::kPageReadOnly, &old);
}

bool Injection::PatchStubs() {
  const uint8_t* bytes = work_->span_bytes;
  for (uint32_t i = 0; i < spans_; ++i) {
    const PatchSpan& span = work_->spans[i];
    nt::Ulong old, ignored;
    if (request_.flags & kParamWine) {  // which writes whatever the protection
      if (!Write(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes))
        return false;
      bytes += span.bytes;
      continue;
    }
    // Never writable and executable at once: nothing runs in the child yet.
    if (!Protect(span.begin, span.bytes, nt::kPageReadWrite, &old) ||
        !Write(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes) ||
        !Protect(span.begin, span.bytes, old, &ignored)) {
      return false;
    }
    sys_.NtFlushInstructionCache(process_, reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)),
                                 span.bytes);
    bytes += span.bytes;
  }
  return true;
}

// The child's own idea of its name and folder is the virtual one, before its loader reads them.
bool Injection::PatchNames() {
  auto text = [](uint64_t at, view::WView value) {
    return nt::UnicodeString{static_cast<uint16_t>(value.size() * 2),
                             static_cast<uint16_t>(value.size() * 2 + 2),
                             reinterpret_cast<char16_t*>(static_cast<uintptr_t>(at))};
  };
  auto* at = reinterpret_cast<uint8_t*>(params_);
  if (request_.rename) {
    const nt::UnicodeString name = text(remote_exe_, request_.exe);
    if (!Write(at + offsetof(nt::ProcessParameters, image_path_name), &name, sizeof(name))) return false;
  }
  if (remote_cwd_) {
    const nt::UnicodeString name = text(remote_cwd_, request_.current_directory);
    if (!Write(at + offsetof(nt::ProcessParameters, current_directory), &name, sizeof(name))) return false;
  }
  return true;
}

// The child's ntdll is elsewhere: look for an image whose file is called ntdll.dll.
bool Injection::FindChildNtdll() {
  struct {
    nt::UnicodeString name;
    char16_t text[512];
  } mapped;
  const uint8_t* last = nullptr;
  uintptr_t at = 0x10000;
  for (;;) {
    nt::MemoryBasicInformation m{};
    auto* address = reinterpret_cast<const void*>(at);
    if (!nt::Ok(sys_.NtQueryVirtualMemory(process_, address, nt::kMemoryBasicInformation, &m, sizeof(m),
                                          nullptr)))
      break;
    const auto next = reinterpret_cast<uintptr_t>(m.base_address) + m.region_size;
    if (next <= at) break;
    at = next;
    if (m.type != nt::kMemImage || m.allocation_base == last) continue;
    last = static_cast<const uint8_t*>(m.allocation_base);
    if (!nt::Ok(sys_.NtQueryVirtualMemory(process_, last, nt::kMemoryMappedFilenameInformation, &mapped,
                                          sizeof(mapped), nullptr))) {
      continue;
    }
    constexpr view::WView kName = u"\\ntdll.dll";
    const size_t units = mapped.name.length / 2;
    if (units < kName.size() || reinterpret_cast<uintptr_t>(last) == OwnNtdll()) continue;
    bool same = true;
    for (size_t i = 0; same && i < kName.size(); ++i) {
      const char16_t c = mapped.name.buffer[units - kName.size() + i];
      same = (c >= u'A' && c <= u'Z' ? c + 32 : c) == kName[i];
    }
    if (!same) continue;
    child_ntdll_ = reinterpret_cast<uintptr_t>(last);
    return true;
  }
  return false;
}

InjectResult Injection::Run() {
  if (!InspectProcess() || !AllocateLocal() || (!MapRemote() && !AllocateRemote())) return result_;
  bool moved = false;
  for (;;) {
    const bool ready = BuildLayer() && BindFunctions() && PlanPatches();
    if (!ready) return result_;
    if (ReadStubs()) break;
    const InjectResult first = result_;
    if (moved || !FindChildNtdll()) return first;
    moved = true;
    std::memset(local_, 0, total_);
    result_ = InjectResult{};
  }
  result_ = InjectResult{};
  FillParams();
  if (!WriteLayer() || !PatchStubs() || !PatchNames()) return result_;
  return result_;
}

}  // namespace

InjectResult Inject(const nt::Functions& sys, nt::Handle process, const InjectRequest& request) {
  return Injection(sys, process, request).Run();
}

}  // namespace plume::vl
