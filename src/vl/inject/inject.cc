#include "vl/inject/inject.h"

#include <cstring>

#include "vl/inject/injection.h"

namespace plume::vl {

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
  const nt::NtStatus w = sys_.NtQueryInformationProcess(process_, nt::kProcessWow64Information, &wow64_peb_,
                                                        sizeof(wow64_peb_), nullptr);
  if (!nt::Ok(w)) return Bad(InjectError::kState, w);
  if (wow64_peb_ && !Runs32Bit()) return Bad(InjectError::kMachine, nt::kImageMachineTypeMismatch);
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
  // Wine 8 says of another process only that it is one; its second block is on the page behind the first.
  constexpr uintptr_t kNoAddress = 0x10000, kPage = 0x1000, kImageBase = 8;
  if (wow64_peb_ && wow64_peb_ < kNoAddress) {
    wow64_peb_ = reinterpret_cast<uintptr_t>(peb_) + kPage;
    uint32_t image = 0;
    if (!Read(reinterpret_cast<void*>(wow64_peb_ + kImageBase), &image, sizeof(image))) return false;
    if (image != reinterpret_cast<uintptr_t>(peb.image_base)) return Bad(InjectError::kState);
  }
  return true;
}

// A Wine without 32-bit DLLs starts such a program all the same, and it ends at once, with exit code 0.
bool Injection::Runs32Bit() {
  const auto* root =
      reinterpret_cast<const char16_t*>(uintptr_t{0x7ffe0030});  // KUSER_SHARED_DATA.NtSystemRoot
  constexpr view::WView kHead = u"\\??\\", kTail = u"\\syswow64\\ntdll.dll";
  constexpr size_t kMaxRoot = 260;
  char16_t text[kMaxRoot + 32];
  size_t n = 0;
  for (const char16_t c : kHead) text[n++] = c;
  for (size_t i = 0; i < kMaxRoot && root[i]; ++i) text[n++] = root[i];
  for (const char16_t c : kTail) text[n++] = c;
  nt::UnicodeString name{static_cast<uint16_t>(n * 2), static_cast<uint16_t>(n * 2), text};
  nt::ObjectAttributes attributes{sizeof(attributes),      nullptr, &name,
                                  nt::kObjCaseInsensitive, nullptr, nullptr};
  nt::FileBasicInformation basic;
  return nt::Ok(sys_.NtQueryAttributesFile(&attributes, &basic));
}

// A 32-bit program on a 64-bit system has two: the 64-bit one makes the system calls of both.
bool Injection::IsOurMachine(const uint8_t* image) {
  uint8_t header[1024];
  size_t done = 0;
  ImageInfo info{};
  return nt::Ok(sys_.NtReadVirtualMemory(process_, image, header, sizeof(header), &done)) &&
         done == sizeof(header) && ReadImageInfo(header, &info) && info.machine == kMachine;
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
    if (!same || !IsOurMachine(last)) continue;
    child_ntdll_ = reinterpret_cast<uintptr_t>(last);
    return true;
  }
  return false;
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

// The 32-bit half of a child has a copy of the parameters with pointers of its own; on a system that makes it
// later there is none yet.
// Offsets are of RTL_USER_PROCESS_PARAMETERS and PEB as 32-bit programs have them (see nt/process.h).
bool Injection::PatchWow64Names() {
  constexpr size_t kPebParameters = 0x10, kDirectory = 0x24, kImagePathName = 0x38;
  uint32_t params = 0;
  if (!Read(reinterpret_cast<void*>(wow64_peb_ + kPebParameters), &params, sizeof(params))) return false;
  if (!params) return true;
  struct Text32 {
    uint16_t length, maximum_length;
    uint32_t buffer;
  };
  auto put = [&](view::WView text, size_t field) {
    void* at = nullptr;
    size_t bytes = text.size() * 2 + 2;
    const nt::NtStatus s = sys_.NtAllocateVirtualMemory(process_, &at, kBelow2G, &bytes,
                                                        nt::kMemCommit | nt::kMemReserve, nt::kPageReadWrite);
    if (!nt::Ok(s)) return Bad(InjectError::kMemory, s);
    const Text32 value{static_cast<uint16_t>(text.size() * 2), static_cast<uint16_t>(text.size() * 2 + 2),
                       static_cast<uint32_t>(reinterpret_cast<uintptr_t>(at))};
    return Write(at, text.data(), text.size() * 2) &&  // fresh memory ends it with zero
           Write(reinterpret_cast<void*>(uintptr_t{params} + field), &value, sizeof(value));
  };
  return (!request_.rename || put(request_.exe, kImagePathName)) &&
         (request_.current_directory.empty() || put(request_.current_directory, kDirectory));
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
  return !wow64_peb_ || (!request_.rename && !remote_cwd_) || PatchWow64Names();
}

InjectResult Injection::Run() {
  if (!InspectProcess() || !AllocateLocal() || (!MapRemote() && !AllocateRemote())) return result_;
  bool moved = false;
  for (;;) {
    const bool ready = BuildLayer() && BindFunctions() && PlanPatches();
    if (!ready) return result_;
    if (ReadStubs()) break;
    const InjectResult first = result_;
    if (moved || !FindChildNtdll()) {
      // A process of 32 bits alone, as Wine makes them if it has its 32-bit half.
      if (wow64_peb_ && first.error == InjectError::kState) Bad(InjectError::kMachine, first.status);
      return wow64_peb_ ? result_ : first;
    }
    moved = true;
    std::memset(local_, 0, total_);
    result_ = InjectResult{};
  }
  result_ = InjectResult{};
  FillParams();
  if (!WriteLayer() || !PatchStubs() || !PatchNames()) return result_;
  return result_;
}

InjectResult Inject(const nt::Functions& sys, nt::Handle process, const InjectRequest& request) {
  return Injection(sys, process, request).Run();
}

}  // namespace plume::vl
