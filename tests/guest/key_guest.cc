// What a program sees of the registry through the Win32 interface. Each verb prints lines that must be the
// same bare and in a VM (key.sh compares); "prepare", "clean" and "dump" are run bare around it.
//   prepare / clean     makes and removes what the verbs start from: Software\KeyGuest of HKLM and HKCU
//   dump                everything below these keys
//   api                 values, information, enumeration, renaming, copying
//   tree                RegDeleteTree on keys of the host, and making them again
//   classes             HKEY_CLASSES_ROOT
//   predefined          predefined handles, overriding one
//   security            RegSetKeySecurity on a key of the host
//   views               KEY_WOW64_32KEY and KEY_WOW64_64KEY
//   notify              RegNotifyChangeKeyValue
//   save                RegSaveKey, RegLoadKey without the privilege
//   pointers            statuses of system calls with bad pointers and handles
//   processes           a child changes what this process has open; an inherited handle
//   threads             eight threads write and read one tree
//   change KEYPATH      (the child of "processes")
//   inherited HANDLE    (likewise)
// clang-format off
#include <windows.h>
// clang-format on
#include <winternl.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

const wchar_t kPath[] = L"Software\\KeyGuest";

void Say(const char* what, LSTATUS status) { std::printf("%s: %ld\n", what, static_cast<long>(status)); }

std::string Narrow(const std::wstring& w) {
  std::string out;
  for (wchar_t c : w) out += c < 128 ? static_cast<char>(c) : '?';
  return out;
}

HKEY Make(HKEY root, const std::wstring& path, REGSAM access = KEY_ALL_ACCESS, DWORD options = 0) {
  HKEY key = nullptr;
  DWORD disposition = 0;
  const LSTATUS status =
      RegCreateKeyExW(root, path.c_str(), 0, nullptr, options, access, nullptr, &key, &disposition);
  std::printf("create %s: %ld %lu\n", Narrow(path).c_str(), static_cast<long>(status), disposition);
  return key;
}

HKEY Open(HKEY root, const std::wstring& path, REGSAM access = KEY_READ) {
  HKEY key = nullptr;
  const LSTATUS status = RegOpenKeyExW(root, path.c_str(), 0, access, &key);
  std::printf("open %s: %ld\n", Narrow(path).c_str(), static_cast<long>(status));
  return key;
}

void SetText(HKEY key, const wchar_t* name, const wchar_t* text) {
  Say("set", RegSetValueExW(key, name, 0, REG_SZ, reinterpret_cast<const BYTE*>(text),
                            static_cast<DWORD>((wcslen(text) + 1) * 2)));
}

void ShowText(HKEY key, const wchar_t* name) {
  wchar_t text[256] = {};
  DWORD size = sizeof(text) - 2, type = 0;
  const LSTATUS status = RegQueryValueExW(key, name, nullptr, &type, reinterpret_cast<BYTE*>(text), &size);
  std::printf("value %s: %ld type %lu \"%s\"\n", Narrow(name ? name : L"(null)").c_str(),
              static_cast<long>(status), type, status ? "" : Narrow(text).c_str());
}

std::wstring NtName(HKEY key) {
  using Query = NTSTATUS(NTAPI*)(HANDLE, int, void*, ULONG, ULONG*);
  static const auto query = reinterpret_cast<Query>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQueryKey")));
  wchar_t buffer[600] = {};
  ULONG size = 0;
  if (query(key, 3, buffer, sizeof(buffer) - 2, &size)) return L"(error)";
  ULONG bytes = 0;
  std::memcpy(&bytes, buffer, sizeof(bytes));
  return std::wstring(buffer + 2, bytes / 2);
}

// Names, classes and values below a key, as the enumeration gives them.
void Dump(HKEY key, const std::string& indent) {
  for (DWORD i = 0;; ++i) {
    wchar_t name[256];
    BYTE data[512];
    DWORD units = 256, type = 0, size = sizeof(data);
    if (RegEnumValueW(key, i, name, &units, nullptr, &type, data, &size)) break;
    std::printf("%s\"%s\" type %lu size %lu", indent.c_str(), Narrow(name).c_str(), type, size);
    if (type == REG_SZ) std::printf(" \"%s\"", Narrow(reinterpret_cast<wchar_t*>(data)).c_str());
    std::printf("\n");
  }
  for (DWORD i = 0;; ++i) {
    wchar_t name[256];
    DWORD units = 256;
    if (RegEnumKeyExW(key, i, name, &units, nullptr, nullptr, nullptr, nullptr)) break;
    std::printf("%s%s\n", indent.c_str(), Narrow(name).c_str());
    HKEY child = nullptr;
    if (RegOpenKeyExW(key, name, 0, KEY_READ, &child)) continue;
    Dump(child, indent + "  ");
    RegCloseKey(child);
  }
}

int DumpAll() {
  for (HKEY root : {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER}) {
    for (const wchar_t* path : {kPath, L"Software\\Wow6432Node\\KeyGuest", L"Software\\Classes\\.keyguest"}) {
      HKEY key = nullptr;
      if (RegOpenKeyExW(root, path, 0, KEY_READ, &key)) continue;
      FILETIME written = {};
      RegQueryInfoKeyW(key, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                       nullptr, &written);
      std::printf("%s %08lx%08lx\n", Narrow(path).c_str(), written.dwHighDateTime, written.dwLowDateTime);
      Dump(key, "  ");
      RegCloseKey(key);
    }
  }
  return 0;
}

int Clean() {
  for (HKEY root : {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER}) {
    for (const wchar_t* path : {kPath, L"Software\\Wow6432Node\\KeyGuest", L"Software\\Classes\\.keyguest",
                                L"Software\\Classes\\KeyGuest.1"}) {
      RegDeleteTreeW(root, path);
      RegDeleteKeyW(root, path);
    }
  }
  return 0;
}

int Prepare() {
  Clean();
  for (HKEY root : {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER}) {
    HKEY key = Make(root, kPath);
    SetText(key, nullptr, L"default");
    SetText(key, L"name", L"of the host");
    for (const wchar_t* child : {L"a", L"a\\deep", L"a\\deep\\down", L"B", L"_c", L"d", L"d\\e"}) {
      HKEY made = Make(key, child);
      SetText(made, L"who", child);
      RegCloseKey(made);
    }
    RegCloseKey(key);
  }
  HKEY key = Make(HKEY_LOCAL_MACHINE, L"Software\\Wow6432Node\\KeyGuest");
  SetText(key, L"view", L"32");
  RegCloseKey(key);
  key = Make(HKEY_LOCAL_MACHINE, L"Software\\Classes\\.keyguest");
  SetText(key, nullptr, L"KeyGuest.1");
  RegCloseKey(key);
  return 0;
}

void ShowInformation(HKEY key) {
  DWORD subkeys = 0, longest_key = 0, longest_class = 0, values = 0, longest_name = 0, longest_data = 0;
  Say("information", RegQueryInfoKeyW(key, nullptr, nullptr, nullptr, &subkeys, &longest_key, &longest_class,
                                      &values, &longest_name, &longest_data, nullptr, nullptr));
  std::printf("  %lu subkeys (%lu, %lu) %lu values (%lu, %lu)\n", subkeys, longest_key, longest_class, values,
              longest_name, longest_data);
}

int Api() {
  HKEY key = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
  HKEY reader = Open(HKEY_CURRENT_USER, kPath);
  ShowInformation(key);
  SetText(key, L"name", L"changed");
  SetText(key, L"new", L"value");
  ShowText(reader, L"name");  // opened before the change
  ShowText(reader, nullptr);
  ShowText(reader, L"missing");
  Say("set without right",
      RegSetValueExW(reader, L"x", 0, REG_DWORD, reinterpret_cast<const BYTE*>("abcd"), 4));
  DWORD size = 0;
  Say("size", RegGetValueW(HKEY_CURRENT_USER, kPath, L"name", RRF_RT_REG_SZ, nullptr, nullptr, &size));
  std::printf("  %lu\n", size);
  Say("delete value", RegDeleteValueW(key, L"new"));
  HKEY made = Make(key, L"one\\two\\three");
  SetText(made, L"deep", L"value");
  RegCloseKey(made);
  HKEY odd = Make(key, L"volatile", KEY_ALL_ACCESS, REG_OPTION_VOLATILE);
  RegCloseKey(Make(odd, L"not volatile"));
  ShowInformation(reader);
  Say("delete with subkeys", RegDeleteKeyW(key, L"one"));
  Say("delete", RegDeleteKeyW(key, L"one\\two\\three"));
  using Rename = LSTATUS(WINAPI*)(HKEY, const wchar_t*, const wchar_t*);
  const auto rename = reinterpret_cast<Rename>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"advapi32.dll"), "RegRenameKey")));
  if (rename) {
    HKEY inside = Open(key, L"a\\deep");
    Say("rename", rename(key, L"a", L"zz"));
    std::printf("  %s\n", Narrow(NtName(inside)).c_str());
    ShowText(inside, L"who");
    Say("rename to itself", rename(key, L"d", L"d"));
    RegCloseKey(inside);
  }
  HKEY copy = Make(key, L"copy");
  Say("copy", RegCopyTreeW(key, L"d", copy));
  RegCloseKey(copy);
  std::printf("%s\n", Narrow(NtName(reader)).c_str());
  Dump(reader, "  ");
  return 0;
}

int Tree() {
  HKEY key = Open(HKEY_LOCAL_MACHINE, kPath, KEY_ALL_ACCESS);
  HKEY inside = Open(key, L"a\\deep");
  Say("delete tree", RegDeleteTreeW(key, L"a"));
  ShowText(inside, L"who");
  Dump(key, "  ");
  HKEY again = Make(key, L"a");
  ShowInformation(again);
  ShowText(again, L"who");
  RegCloseKey(Make(again, L"deep"));
  Dump(key, "  ");
  Say("delete all", RegDeleteTreeW(HKEY_LOCAL_MACHINE, kPath));
  ShowInformation(key);
  Open(HKEY_LOCAL_MACHINE, kPath);
  return 0;
}

int Classes() {
  HKEY key = Open(HKEY_CLASSES_ROOT, L".keyguest");
  ShowText(key, nullptr);
  HKEY made = Make(HKEY_CLASSES_ROOT, L"KeyGuest.1\\shell\\open\\command");
  SetText(made, nullptr, L"program.exe \"%1\"");
  std::printf("%s\n", Narrow(NtName(made)).c_str());
  HKEY again = Open(HKEY_LOCAL_MACHINE, L"Software\\Classes\\KeyGuest.1\\shell");
  Dump(again, "  ");
  wchar_t text[64];
  LONG size = sizeof(text);
  Say("query", RegQueryValueW(HKEY_CLASSES_ROOT, L".keyguest", text, &size));
  Say("delete", RegDeleteTreeW(HKEY_CLASSES_ROOT, L"KeyGuest.1"));
  Open(HKEY_CLASSES_ROOT, L"KeyGuest.1");
  return 0;
}

int Predefined() {
  const struct {
    const char* name;
    HKEY root;
  } roots[] = {{"HKLM", HKEY_LOCAL_MACHINE},
               {"HKCU", HKEY_CURRENT_USER},
               {"HKU", HKEY_USERS},
               {"HKCR", HKEY_CLASSES_ROOT},
               {"HKCC", HKEY_CURRENT_CONFIG}};
  for (const auto& root : roots) {
    HKEY key = nullptr;
    Say(root.name, RegOpenKeyExW(root.root, nullptr, 0, KEY_READ, &key));
    std::printf("  %s\n", Narrow(NtName(key)).c_str());
    ShowInformation(key);
  }
  HKEY user = nullptr;
  Say("current user", RegOpenCurrentUser(KEY_READ, &user));
  std::printf("  %s\n", Narrow(NtName(user)).c_str());
  HKEY other = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
  Say("override", RegOverridePredefKey(HKEY_CURRENT_CONFIG, other));
  HKEY made = Make(HKEY_CURRENT_CONFIG, L"overridden");
  std::printf("  %s\n", Narrow(NtName(made)).c_str());
  Say("no override", RegOverridePredefKey(HKEY_CURRENT_CONFIG, nullptr));
  return 0;
}

int Security() {
  HKEY key = Open(HKEY_CURRENT_USER, std::wstring(kPath) + L"\\d", KEY_ALL_ACCESS);
  HKEY reader = Open(HKEY_CURRENT_USER, std::wstring(kPath) + L"\\d");
  SECURITY_DESCRIPTOR open_to_all;
  InitializeSecurityDescriptor(&open_to_all, SECURITY_DESCRIPTOR_REVISION);
  SetSecurityDescriptorDacl(&open_to_all, TRUE, nullptr, FALSE);
  Say("set without right", RegSetKeySecurity(reader, DACL_SECURITY_INFORMATION, &open_to_all));
  Say("set", RegSetKeySecurity(key, DACL_SECURITY_INFORMATION, &open_to_all));
  BYTE buffer[1024];
  for (HKEY k : {key, reader}) {
    DWORD size = sizeof(buffer);
    BOOL present = FALSE, defaulted = FALSE;
    ACL* dacl = nullptr;
    Say("get", RegGetKeySecurity(k, DACL_SECURITY_INFORMATION, buffer, &size));
    GetSecurityDescriptorDacl(buffer, &present, &dacl, &defaulted);
    std::printf("  %lu bytes, list %d %s\n", size, present, dacl ? "with entries" : "empty");
  }
  ShowText(reader, L"who");
  return 0;
}

int Views() {
  HKEY key = Open(HKEY_LOCAL_MACHINE, kPath, KEY_READ | KEY_WOW64_32KEY);
  std::printf("  %s\n", Narrow(NtName(key)).c_str());
  ShowText(key, L"view");
  key = Open(HKEY_LOCAL_MACHINE, kPath, KEY_READ | KEY_WOW64_64KEY);
  std::printf("  %s\n", Narrow(NtName(key)).c_str());
  ShowText(key, L"view");
  key = Make(HKEY_LOCAL_MACHINE, L"Software\\KeyGuest\\made32", KEY_ALL_ACCESS | KEY_WOW64_32KEY);
  std::printf("  %s\n", Narrow(NtName(key)).c_str());
  SetText(key, L"in", L"the 32-bit view");
  Open(HKEY_LOCAL_MACHINE, L"Software\\KeyGuest\\made32");
  key = Open(HKEY_LOCAL_MACHINE, L"Software\\Wow6432Node\\KeyGuest\\made32");
  ShowText(key, L"in");
  using Delete = LSTATUS(WINAPI*)(HKEY, const wchar_t*, REGSAM, DWORD);
  const auto delete_key = reinterpret_cast<Delete>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"advapi32.dll"), "RegDeleteKeyExW")));
  Say("delete", delete_key(HKEY_LOCAL_MACHINE, L"Software\\KeyGuest\\made32", KEY_WOW64_32KEY, 0));
  // A link of the system: classes of the 32-bit view are those of the 64-bit one.
  key = Open(HKEY_LOCAL_MACHINE, L"Software\\Wow6432Node\\Classes\\.keyguest", KEY_ALL_ACCESS);
  std::printf("  %s\n", Narrow(NtName(key)).c_str());
  SetText(key, L"through", L"a link");
  key = Open(HKEY_LOCAL_MACHINE, L"Software\\Classes\\.keyguest");
  ShowText(key, L"through");
  key = Open(HKEY_LOCAL_MACHINE, L"Software\\Wow6432Node\\Classes\\.keyguest");
  ShowText(key, L"through");
  return 0;
}

int Notify() {
  const struct {
    const char* name;
    bool subtree;
    DWORD filter;
  } cases[] = {{"value", false, REG_NOTIFY_CHANGE_LAST_SET},
               {"subkey", false, REG_NOTIFY_CHANGE_NAME},
               {"delete", false, REG_NOTIFY_CHANGE_NAME},
               {"deep value", true, REG_NOTIFY_CHANGE_LAST_SET},
               {"deep delete", true, REG_NOTIFY_CHANGE_NAME}};
  for (const auto& c : cases) {
    HKEY key = Open(HKEY_CURRENT_USER, kPath);
    HANDLE event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    Say(c.name, RegNotifyChangeKeyValue(key, c.subtree, c.filter, event, TRUE));
    std::printf("  before %lu\n", WaitForSingleObject(event, 0));
    std::thread([&] {
      HKEY other = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
      if (!strcmp(c.name, "value")) SetText(other, L"noticed", L"x");
      if (!strcmp(c.name, "subkey")) RegCloseKey(Make(other, L"fresh"));
      if (!strcmp(c.name, "delete")) Say("delete", RegDeleteKeyW(other, L"B"));
      if (!strcmp(c.name, "deep value")) {
        HKEY deep = Open(other, L"a\\deep", KEY_SET_VALUE);
        SetText(deep, L"noticed", L"x");
        RegCloseKey(deep);
      }
      if (!strcmp(c.name, "deep delete")) Say("delete", RegDeleteKeyW(other, L"d\\e"));
      RegCloseKey(other);
    }).join();
    std::printf("  after %lu\n", WaitForSingleObject(event, 2000));
    CloseHandle(event);
    RegCloseKey(key);
  }
  // A synchronous wait.
  HKEY key = Open(HKEY_CURRENT_USER, kPath);
  std::thread change([] {
    Sleep(300);
    HKEY other = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
    SetText(other, L"noticed", L"y");
    RegCloseKey(other);
  });
  const LSTATUS status = RegNotifyChangeKeyValue(key, FALSE, REG_NOTIFY_CHANGE_LAST_SET, nullptr, FALSE);
  change.join();
  Say("synchronous", status);
  return 0;
}

bool Privilege(const wchar_t* name) {
  HANDLE token = nullptr;
  TOKEN_PRIVILEGES privileges = {};
  privileges.PrivilegeCount = 1;
  privileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token)) return false;
  LookupPrivilegeValueW(nullptr, name, &privileges.Privileges[0].Luid);
  const bool ok = AdjustTokenPrivileges(token, FALSE, &privileges, 0, nullptr, nullptr);
  CloseHandle(token);
  return ok;
}

int Save() {
  wchar_t file[MAX_PATH];
  GetTempPathW(MAX_PATH, file);
  wcscat(file, L"keyguest.hiv");
  DeleteFileW(file);
  HKEY key = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
  SetText(key, L"name", L"saved");
  Say("delete", RegDeleteKeyW(key, L"B"));
  Privilege(L"SeBackupPrivilege");
  Say("save", RegSaveKeyW(key, file, nullptr));
  FILE* in = _wfopen(file, L"r");
  char line[512];
  while (in && std::fgets(line, sizeof(line), in)) {
    // Times and the comment with the real name differ.
    if (line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      if (char* end = std::strchr(line, ']')) std::strcpy(end + 1, "\n");
    }
    std::printf("  %s", line);
  }
  if (in) std::fclose(in);
  DeleteFileW(file);
  return 0;
}

int Pointers() {
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  const auto get = [&](const char* name) { return reinterpret_cast<void*>(GetProcAddress(ntdll, name)); };
  const auto open =
      reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*)>(get("NtOpenKey"));
  const auto create = reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG,
                                                        UNICODE_STRING*, ULONG, ULONG*)>(get("NtCreateKey"));
  const auto rename = reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE, UNICODE_STRING*)>(get("NtRenameKey"));
  const auto query = reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE, int, void*, ULONG, ULONG*)>(get("NtQueryKey"));
  const auto set =
      reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE, UNICODE_STRING*, ULONG, ULONG, const void*, ULONG)>(
          get("NtSetValueKey"));
  const auto value = reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE, UNICODE_STRING*, int, void*, ULONG, ULONG*)>(
      get("NtQueryValueKey"));
  const auto remove = reinterpret_cast<NTSTATUS(NTAPI*)(HANDLE)>(get("NtDeleteKey"));
  const auto show = [](const char* what, NTSTATUS s) {
    std::printf("%s: %08lx\n", what, static_cast<unsigned long>(s));
  };
  HKEY key = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
  HANDLE handle = nullptr;
  wchar_t text[] = L"\\Registry\\Machine\\Software\\KeyGuest";
  UNICODE_STRING name;
  name.Buffer = text;
  name.Length = name.MaximumLength = static_cast<USHORT>(wcslen(text) * 2);
  OBJECT_ATTRIBUTES attributes = {};
  attributes.Length = sizeof(attributes);
  attributes.ObjectName = &name;
  show("good", open(&handle, KEY_READ, &attributes));
  show("no result", open(nullptr, KEY_READ, &attributes));
  show("no attributes", open(&handle, KEY_READ, nullptr));
  attributes.ObjectName = nullptr;
  show("no name", open(&handle, KEY_READ, &attributes));
  attributes.ObjectName = reinterpret_cast<UNICODE_STRING*>(16);
  show("bad name", open(&handle, KEY_READ, &attributes));
  attributes.ObjectName = &name;
  attributes.Length = 5;
  show("bad length", open(&handle, KEY_READ, &attributes));
  attributes.Length = sizeof(attributes);
  name.Buffer = reinterpret_cast<wchar_t*>(32);
  show("bad text", open(&handle, KEY_READ, &attributes));
  show("bad text, create", create(&handle, KEY_READ, &attributes, 0, nullptr, 0, nullptr));
  show("no attributes, create", create(&handle, KEY_READ, nullptr, 0, nullptr, 0, nullptr));
  name.Buffer = text;
  attributes.RootDirectory = reinterpret_cast<HANDLE>(0x7654);
  show("bad root", open(&handle, KEY_READ, &attributes));
  attributes.RootDirectory = CreateEventW(nullptr, FALSE, FALSE, nullptr);
  name.Buffer = text + 1;
  name.Length -= 2;
  show("root is an event", open(&handle, KEY_READ, &attributes));
  show("query an event", query(attributes.RootDirectory, 0, text, sizeof(text), nullptr));
  show("delete an event", remove(attributes.RootDirectory));
  show("no handle", remove(nullptr));
  show("rename to nothing", rename(key, nullptr));
  show("set without a name", set(key, nullptr, 0, REG_SZ, "ab", 2));
  show("query without a name", value(key, nullptr, 2, text, sizeof(text), nullptr));
  ULONG size = 0;
  show("query nothing", query(key, 0, nullptr, 0, &size));
  return 0;
}

int Run(const std::wstring& arguments) {
  wchar_t self[MAX_PATH];
  GetModuleFileNameW(nullptr, self, MAX_PATH);
  std::wstring command = L"\"" + std::wstring(self) + L"\" " + arguments;
  STARTUPINFOW start = {};
  start.cb = sizeof(start);
  PROCESS_INFORMATION process = {};
  std::fflush(stdout);
  if (!CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &process))
    return -1;
  WaitForSingleObject(process.hProcess, 60000);
  DWORD code = 99;
  GetExitCodeProcess(process.hProcess, &code);
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  return static_cast<int>(code);
}

int Processes() {
  HKEY reader = Open(HKEY_CURRENT_USER, kPath);
  HKEY b = Open(HKEY_CURRENT_USER, std::wstring(kPath) + L"\\B");
  HKEY deep = Open(HKEY_CURRENT_USER, std::wstring(kPath) + L"\\a\\deep");
  ShowText(reader, L"name");
  ShowText(deep, L"who");
  ShowInformation(reader);
  std::printf("child: %d\n", Run(L"change"));
  ShowText(reader, L"name");
  ShowText(reader, L"from the child");
  ShowText(b, L"who");
  ShowText(deep, L"who");
  ShowInformation(reader);
  Dump(reader, "  ");
  SECURITY_ATTRIBUTES inherit = {sizeof(inherit), nullptr, TRUE};
  HKEY key = nullptr;
  DWORD disposition = 0;
  Say("inheritable", RegCreateKeyExW(HKEY_CURRENT_USER, L"Software\\KeyGuest\\d", 0, nullptr, 0,
                                     KEY_ALL_ACCESS, &inherit, &key, &disposition));
  std::printf("child: %d\n", Run(L"inherited " + std::to_wstring(reinterpret_cast<uintptr_t>(key))));
  ShowText(key, L"inherited");
  return 0;
}

int Change() {
  HKEY key = Open(HKEY_CURRENT_USER, kPath, KEY_ALL_ACCESS);
  SetText(key, L"name", L"changed by the child");
  SetText(key, L"from the child", L"yes");
  Say("delete", RegDeleteKeyW(key, L"B"));
  RegCloseKey(Make(key, L"B"));
  HKEY deep = Open(key, L"a\\deep", KEY_SET_VALUE);
  SetText(deep, L"who", L"the child");
  return 7;
}

int Inherited(const wchar_t* text) {
  HKEY key = reinterpret_cast<HKEY>(static_cast<uintptr_t>(wcstoull(text, nullptr, 10)));
  std::printf("%s\n", Narrow(NtName(key)).c_str());
  SetText(key, L"inherited", L"written");
  ShowText(key, L"who");
  return 8;
}

int Threads() {
  std::vector<std::thread> threads;
  std::vector<int> errors(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t, &errors] {
      for (int i = 0; i < 100; ++i) {
        HKEY key = nullptr, made = nullptr;
        const std::wstring child = L"a\\deep\\t" + std::to_wstring((t * 3 + i) % 5);
        if (RegOpenKeyExW(HKEY_CURRENT_USER, kPath, 0, KEY_ALL_ACCESS, &key)) {
          ++errors[t];
          continue;
        }
        if (RegCreateKeyExW(key, child.c_str(), 0, nullptr, 0, KEY_ALL_ACCESS, nullptr, &made, nullptr))
          ++errors[t];
        const DWORD number = static_cast<DWORD>(i);
        if (RegSetValueExW(key, (L"n" + std::to_wstring(t)).c_str(), 0, REG_DWORD,
                           reinterpret_cast<const BYTE*>(&number), 4))
          ++errors[t];
        wchar_t name[64];
        DWORD units = 64;
        if (RegEnumKeyExW(key, 0, name, &units, nullptr, nullptr, nullptr, nullptr)) ++errors[t];
        RegCloseKey(made);
        RegCloseKey(key);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (int t = 0; t < 8; ++t) std::printf("thread %d: %d errors\n", t, errors[t]);
  HKEY key = Open(HKEY_CURRENT_USER, kPath);
  Dump(key, "  ");
  return 0;
}

}  // namespace

extern "C" int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  const struct {
    const wchar_t* name;
    int (*run)();
  } verbs[] = {{L"prepare", Prepare},   {L"clean", Clean},         {L"dump", DumpAll},
               {L"api", Api},           {L"tree", Tree},           {L"classes", Classes},
               {L"security", Security}, {L"views", Views},         {L"notify", Notify},
               {L"save", Save},         {L"pointers", Pointers},   {L"change", Change},
               {L"threads", Threads},   {L"processes", Processes}, {L"predefined", Predefined}};
  for (const auto& v : verbs) {
    if (verb == v.name) return v.run();
  }
  if (verb == L"inherited" && argc > 2) return Inherited(argv[2]);
  std::fprintf(stderr, "usage: key_guest VERB\n");
  return 2;
}
