#include "vl/inject/hosted.h"

#include <windows.h>

#include <cstdio>
#include <mutex>

namespace plume::vl {
namespace {

struct Volumes {
  std::vector<std::u16string> names;
  std::vector<ParamVolume> rows;
};

const Volumes& LoadVolumes() {
  static const Volumes* volumes = [] {
    auto* v = new Volumes();
    std::vector<char16_t> letters;
    const DWORD drives = GetLogicalDrives();
    for (int i = 0; i < 26; ++i) {
      if (!(drives & (1u << i))) continue;
      const wchar_t drive[] = {static_cast<wchar_t>(L'A' + i), L':', 0};
      wchar_t target[512];
      if (!QueryDosDeviceW(drive, target, 512)) continue;
      v->names.emplace_back(reinterpret_cast<const char16_t*>(target));
      letters.push_back(static_cast<char16_t>(u'A' + i));
    }
    for (size_t i = 0; i < v->names.size(); ++i) {
      v->rows.push_back(
          ParamVolume{{v->names[i].data(), static_cast<uint32_t>(v->names[i].size()), 0}, letters[i], 0});
    }
    return v;
  }();
  return *volumes;
}

}  // namespace

void* HostedNtdll() { return reinterpret_cast<void*>(GetModuleHandleW(L"ntdll.dll")); }

bool HostedIsWine() {
  return GetProcAddress(static_cast<HMODULE>(HostedNtdll()), "wine_get_version") != nullptr;
}

const nt::Functions& HostedFunctions() {
  static const nt::Functions functions = [] {
    nt::Functions f{};
    auto ntdll = static_cast<HMODULE>(HostedNtdll());
#define PLUME_NT(name, required, ...) \
  f.name = reinterpret_cast<nt::name##Fn*>(reinterpret_cast<void*>(GetProcAddress(ntdll, #name)));
#include "vl/nt/functions.inc"
#undef PLUME_NT
    return f;
  }();
  return functions;
}

std::span<const ParamVolume> HostedVolumes() { return LoadVolumes().rows; }

std::u16string ToNtPath(const std::u16string& dos) {
  if (dos.starts_with(u"\\??\\")) return dos;
  if (dos.starts_with(u"\\\\?\\")) return u"\\??\\" + dos.substr(4);
  if (dos.starts_with(u"\\\\")) return u"\\??\\UNC" + dos.substr(1);
  return u"\\??\\" + dos;
}

std::string DescribeInjectError(const InjectResult& result) {
  char status[32];
  std::snprintf(status, sizeof(status), "%08x", static_cast<unsigned>(result.status));
  const std::string name = result.function;
  switch (result.error) {
    case InjectError::kNone:
      return "no error";
    case InjectError::kState:
      return std::string("the new process cannot be prepared (status ") + status + ")";
    case InjectError::kMachine:
      return "it is a 32-bit program, and this Wine does not run those by WoW64 (use the 64-bit edition of "
             "the "
             "program, or a Wine that has 32-bit DLLs in syswow64 and no 32-bit loader)";
    case InjectError::kLayer:
      return "the virtualization layer's file is damaged or of another version";
    case InjectError::kImport:
      return "this system's ntdll lacks " + name;
    case InjectError::kMissing:
      return "this system's ntdll lacks the required call " + name;
    case InjectError::kUnknownStub:
      return "this system's " + name + " has an unknown shape (a newer system, or another product's hook)";
    case InjectError::kNtdll:
      return "ntdll was not found in the new process";
    case InjectError::kMemory:
      return std::string("out of memory (status ") + status + ")";
  }
  return "unknown error";
}

}  // namespace plume::vl
