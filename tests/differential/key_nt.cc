#include "key_nt.h"

#include <cstdarg>
#include <cstdio>

namespace plume::difftest {

NtKeyCalls nt;

bool NtKeyCalls::Load() {
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  bool all = true;
  auto load = [&](auto& call, const char* name) {
    call =
        reinterpret_cast<std::decay_t<decltype(call)>>(reinterpret_cast<void*>(GetProcAddress(ntdll, name)));
    if (!call) {
      fprintf(stderr, "ntdll has no %s\n", name);
      all = false;
    }
  };
#define PLUME_LOAD(name) load(name, #name)
  PLUME_LOAD(NtClose);
  PLUME_LOAD(NtOpenKey);
  PLUME_LOAD(NtOpenKeyEx);
  PLUME_LOAD(NtCreateKey);
  PLUME_LOAD(NtDeleteKey);
  PLUME_LOAD(NtRenameKey);
  PLUME_LOAD(NtEnumerateKey);
  PLUME_LOAD(NtEnumerateValueKey);
  PLUME_LOAD(NtQueryKey);
  PLUME_LOAD(NtQueryValueKey);
  PLUME_LOAD(NtSetValueKey);
  PLUME_LOAD(NtDeleteValueKey);
  PLUME_LOAD(NtFlushKey);
  PLUME_LOAD(NtSetInformationKey);
  PLUME_LOAD(NtNotifyChangeKey);
  PLUME_LOAD(NtDuplicateObject);
  PLUME_LOAD(NtQueryObject);
#undef PLUME_LOAD
  return all;
}

std::string Escaped(const char16_t* text, size_t units) {
  std::string out;
  for (size_t i = 0; i < units; ++i) {
    char16_t c = text[i];
    if (c >= 0x20 && c < 0x7f) {
      out += static_cast<char>(c);
    } else {
      out += Format("\\u%04x", static_cast<unsigned>(c));
    }
  }
  return out;
}

std::string Format(const char* format, ...) {
  char buffer[1024];
  va_list args;
  va_start(args, format);
  __mingw_vsnprintf(buffer, sizeof(buffer), format, args);
  va_end(args);
  return buffer;
}

}  // namespace plume::difftest
