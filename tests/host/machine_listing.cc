// What a machine is besides its files, one line each, to be compared before and after VMs have run on it
// (tools/machine_listing.py):
//   machine_listing FILE     writes into FILE, outside any VM:
//     key PATH written CLASS      every key of the registry, with the time of its last change
//     value PATH NAME type DATA
//     object PATH type TARGET     every entry of the object manager's directories
//     process NAME                not by number: those are given anew
//     pipe PROCESS type NAME      named pipes, mailslots and sections that a process holds
//     window CLASS TITLE PROCESS  top-level and message-only ones; station and desktop names
//     atom TEXT                   global atoms, registered messages, clipboard formats
//     clipboard number | format
//     service NAME state
// Names and data are written so that a line is a line: other characters than plain ones as %XXXX.
#include <windows.h>
#include <winternl.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

extern "C" {
NTSYSAPI NTSTATUS NTAPI NtOpenKey(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtEnumerateKey(HANDLE, ULONG, int, void*, ULONG, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtQueryKey(HANDLE, int, void*, ULONG, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtEnumerateValueKey(HANDLE, ULONG, int, void*, ULONG, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, UNICODE_STRING*, ULONG*);
}

namespace {

using std::string;
using std::wstring;

FILE* g_out;
bool g_failed = false;

string Plain(const wchar_t* text, size_t count) {
  string out;
  for (size_t i = 0; i < count; ++i) {
    const wchar_t c = text[i];
    if (c > 32 && c < 127 && c != '%') {
      out.push_back(static_cast<char>(c));
    } else {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "%%%04x", c);
      out += hex;
    }
  }
  return out.empty() ? "%" : out;
}
string Plain(const wstring& text) { return Plain(text.data(), text.size()); }
string Plain(const UNICODE_STRING& s) { return Plain(s.Buffer, s.Length / sizeof(wchar_t)); }

void Failed(const char* what, unsigned long code) {
  std::fprintf(stderr, "machine_listing: %s failed: %08lx\n", what, code);
  g_failed = true;
}

class Named {
 public:
  Named(const wstring& name, HANDLE root, ULONG attributes) : text_(name) {
    string_ = {static_cast<USHORT>(text_.size() * 2), static_cast<USHORT>(text_.size() * 2), text_.data()};
    InitializeObjectAttributes(&attributes_, &string_, attributes, root, nullptr);
  }
  OBJECT_ATTRIBUTES* get() { return &attributes_; }

 private:
  wstring text_;
  UNICODE_STRING string_;
  OBJECT_ATTRIBUTES attributes_;
};

// --- Registry --------------------------------------------------------------------------------------------

constexpr int kNodeInformation = 1, kFullValueInformation = 1;
constexpr ULONG kOpenLink = 0x100, kIgnoreCase = 0x40;
constexpr NTSTATUS kNoMore = static_cast<NTSTATUS>(0x8000001A),
                   kInvalidHandle = static_cast<NTSTATUS>(0xC0000008);

struct NodeInformation {
  LARGE_INTEGER written;
  ULONG title, class_at, class_size, name_size;
  wchar_t name[1];
};
struct ValueInformation {
  ULONG title, type, data_at, data_size, name_size;
  wchar_t name[1];
};

// Enumerates with a buffer that grows; false: there is no such index.
template <typename Call>
bool Fill(std::vector<char>& buffer, const string& what, Call call) {
  for (;;) {
    ULONG size = 0;
    const NTSTATUS status = call(buffer.data(), static_cast<ULONG>(buffer.size()), &size);
    if (status >= 0) return true;
    if (status == kNoMore) return false;
    if (size <= buffer.size()) {
      Failed(what.c_str(), static_cast<unsigned long>(status));
      return false;
    }
    buffer.resize(size + 256);
  }
}

void ListKey(HANDLE parent, const wstring& name, const string& path) {
  HANDLE key = nullptr;
  Named at(name, parent, kIgnoreCase | kOpenLink);
  const NTSTATUS status = NtOpenKey(&key, KEY_READ | KEY_WOW64_64KEY, at.get());
  if (status < 0) {
    std::fprintf(g_out, "key %s cannot be opened %08lx\n", path.c_str(), static_cast<unsigned long>(status));
    return;
  }
  // Wine's answer for the names of performance counters is one of Win32's own handles, not a key's.
  ULONG size_of_all = 0;
  if (NtQueryKey(key, 0, nullptr, 0, &size_of_all) == kInvalidHandle) return;
  std::vector<char> buffer(1 << 16);
  for (ULONG i = 0;; ++i) {
    if (!Fill(buffer, "values of " + path, [&](void* to, ULONG size, ULONG* need) {
          return NtEnumerateValueKey(key, i, kFullValueInformation, to, size, need);
        }))
      break;
    const auto* v = reinterpret_cast<const ValueInformation*>(buffer.data());
    std::fprintf(g_out, "value %s %s %lu ", path.c_str(), Plain(v->name, v->name_size / 2).c_str(), v->type);
    string hex;
    for (ULONG k = 0; k < v->data_size; ++k) {
      constexpr char kDigits[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(buffer[v->data_at + k]);
      hex.push_back(kDigits[byte >> 4]);
      hex.push_back(kDigits[byte & 15]);
    }
    std::fprintf(g_out, "%s\n", hex.c_str());
  }
  for (ULONG i = 0;; ++i) {
    if (!Fill(buffer, "keys of " + path, [&](void* to, ULONG size, ULONG* need) {
          return NtEnumerateKey(key, i, kNodeInformation, to, size, need);
        }))
      break;
    const auto* n = reinterpret_cast<const NodeInformation*>(buffer.data());
    const wstring child(n->name, n->name_size / 2);
    const string below = path + "\\" + Plain(child);
    const auto* of_class = reinterpret_cast<const wchar_t*>(buffer.data() + n->class_at);
    std::fprintf(g_out, "key %s %lld %s\n", below.c_str(), n->written.QuadPart,
                 n->class_size ? Plain(of_class, n->class_size / 2).c_str() : "%");
    ListKey(key, child, below);
  }
  NtClose(key);
}

// --- Object manager
// ------------------------------------------------------------------------------------------

void ListDirectory(HANDLE parent, const wstring& name, const string& path) {
  HANDLE directory = nullptr;
  Named at(name, parent, kIgnoreCase);
  const NTSTATUS status = NtOpenDirectoryObject(&directory, 3, at.get());
  if (status < 0) {
    std::fprintf(g_out, "object %s cannot be opened %08lx\n", path.c_str(),
                 static_cast<unsigned long>(status));
    return;
  }
  std::vector<std::pair<wstring, wstring>> entries;
  alignas(8) char buffer[4096];
  ULONG context = 0, size = 0;
  while (NtQueryDirectoryObject(directory, buffer, sizeof(buffer), TRUE, FALSE, &context, &size) == 0) {
    const auto* s = reinterpret_cast<const UNICODE_STRING*>(buffer);
    entries.emplace_back(wstring(s[0].Buffer, s[0].Length / 2), wstring(s[1].Buffer, s[1].Length / 2));
  }
  for (const auto& [entry, type] : entries) {
    const string below = (path == "\\" ? path : path + "\\") + Plain(entry);
    string target;
    if (type == L"SymbolicLink") {
      HANDLE link = nullptr;
      Named to(entry, directory, kIgnoreCase);
      wchar_t text[1024];
      UNICODE_STRING found = {0, sizeof(text), text};
      if (NtOpenSymbolicLinkObject(&link, 1, to.get()) >= 0) {
        if (NtQuerySymbolicLinkObject(link, &found, nullptr) >= 0) target = Plain(found);
        NtClose(link);
      }
    }
    std::fprintf(g_out, "object %s %s %s\n", below.c_str(), Plain(type).c_str(), target.c_str());
    if (type == L"Directory") ListDirectory(directory, entry, below);
  }
  NtClose(directory);
}

// --- Processes and what they hold
// -----------------------------------------------------------------------------

struct HandleRow {
  void* object;
  ULONG_PTR process, handle;
  ULONG access;
  USHORT trace, type;
  ULONG attributes, reserved;
};
struct HandleRows {
  ULONG_PTR count, reserved;
  HandleRow rows[1];
};

std::map<DWORD, string> ListProcesses() {
  std::map<DWORD, string> names;
  std::vector<char> buffer(1 << 20);
  ULONG size = 0;
  const NTSTATUS status = NtQuerySystemInformation(SystemProcessInformation, buffer.data(),
                                                   static_cast<ULONG>(buffer.size()), &size);
  if (status < 0) Failed("listing processes", static_cast<unsigned long>(status));
  for (size_t at = 0; status >= 0;) {
    const auto* p = reinterpret_cast<const SYSTEM_PROCESS_INFORMATION*>(buffer.data() + at);
    const auto id = static_cast<DWORD>(reinterpret_cast<ULONG_PTR>(p->UniqueProcessId));
    const auto* name = reinterpret_cast<const UNICODE_STRING*>(&p->ImageName);
    names[id] = Plain(*name);
    if (id != GetCurrentProcessId()) std::fprintf(g_out, "process %s\n", names[id].c_str());
    if (!p->NextEntryOffset) break;
    at += p->NextEntryOffset;
  }
  return names;
}

void ListHeld(std::map<DWORD, string>& names) {
  constexpr auto kExtendedHandles = static_cast<SYSTEM_INFORMATION_CLASS>(64);
  std::vector<char> buffer(4 << 20);
  ULONG size = 0;
  const NTSTATUS status =
      NtQuerySystemInformation(kExtendedHandles, buffer.data(), static_cast<ULONG>(buffer.size()), &size);
  if (status < 0) return Failed("listing handles", static_cast<unsigned long>(status));
  const auto* all = reinterpret_cast<const HandleRows*>(buffer.data());
  std::set<string> lines;  // how many of one name there are at a moment says nothing
  HANDLE process = nullptr;
  DWORD opened = 0;
  alignas(8) char text[4096];
  for (ULONG_PTR i = 0; i < all->count; ++i) {
    const HandleRow& row = all->rows[i];
    const auto id = static_cast<DWORD>(row.process);
    if (id == GetCurrentProcessId()) continue;
    if (id != opened) {
      if (process) CloseHandle(process);
      process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, id);
      opened = id;
    }
    HANDLE copy = nullptr;
    if (!process || !DuplicateHandle(process, reinterpret_cast<HANDLE>(row.handle), GetCurrentProcess(),
                                     &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
      continue;
    ULONG need = 0;
    string type, name;
    if (NtQueryObject(copy, ObjectTypeInformation, text, sizeof(text), &need) >= 0)
      type = Plain(*reinterpret_cast<const UNICODE_STRING*>(text));
    // Asked for the name, a synchronous pipe that is in use would answer only when it is free: not on Wine.
    constexpr auto kName = static_cast<OBJECT_INFORMATION_CLASS>(1);
    if ((type == "File" || type == "Section") && NtQueryObject(copy, kName, text, sizeof(text), &need) >= 0) {
      const auto* s = reinterpret_cast<const UNICODE_STRING*>(text);
      if (s->Length) name = Plain(*s);
    }
    CloseHandle(copy);
    if (name.find("\\NamedPipe\\") != name.npos || name.find("\\MailSlot\\") != name.npos ||
        (type == "Section" && !name.empty()))
      lines.insert(names[id] + " " + type + " " + name);
  }
  if (process) CloseHandle(process);
  for (const string& line : lines) std::fprintf(g_out, "pipe %s\n", line.c_str());
}

// --- Desktop
// ---------------------------------------------------------------------------------------------------

void ListWindow(HWND window, const char* kind, const std::map<DWORD, string>& names) {
  wchar_t of_class[300], title[300];
  const int n = GetClassNameW(window, of_class, 300);
  const int t = InternalGetWindowText(window, title, 300);
  DWORD process = 0;
  GetWindowThreadProcessId(window, &process);
  if (process == GetCurrentProcessId()) return;
  const auto name = names.find(process);
  std::fprintf(g_out, "window %s %s %s %s %s\n", kind, Plain(of_class, static_cast<size_t>(n)).c_str(),
               Plain(title, static_cast<size_t>(t)).c_str(), name == names.end() ? "?" : name->second.c_str(),
               IsWindowVisible(window) ? "visible" : "hidden");
}

void ListAtoms() {
  for (UINT atom = 0xc000; atom <= 0xffff; ++atom) {
    wchar_t text[300];
    UINT n = GlobalGetAtomNameW(static_cast<ATOM>(atom), text, 300);
    if (!n) n = static_cast<UINT>(GetClipboardFormatNameW(atom, text, 300));
    if (n) std::fprintf(g_out, "atom %s\n", Plain(text, n).c_str());
  }
}

void ListDesktop(const std::map<DWORD, string>& names) {
  for (HWND w = nullptr; (w = FindWindowExW(nullptr, w, nullptr, nullptr));) ListWindow(w, "top", names);
  for (HWND w = nullptr; (w = FindWindowExW(HWND_MESSAGE, w, nullptr, nullptr));)
    ListWindow(w, "message", names);
  EnumWindowStationsW(
      [](LPWSTR name, LPARAM) -> BOOL {
        std::fprintf(g_out, "object station %s\n", Plain(name).c_str());
        return TRUE;
      },
      0);
  EnumDesktopsW(
      GetProcessWindowStation(),
      [](LPWSTR name, LPARAM) -> BOOL {
        std::fprintf(g_out, "object desktop %s\n", Plain(name).c_str());
        return TRUE;
      },
      0);
  std::fprintf(g_out, "clipboard number %lu\n", GetClipboardSequenceNumber());
  if (OpenClipboard(nullptr)) {
    for (UINT format = 0; (format = EnumClipboardFormats(format));)
      std::fprintf(g_out, "clipboard format %u\n", format);
    CloseClipboard();
  }
}

void ListServices() {
  SC_HANDLE manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_ENUMERATE_SERVICE);
  if (!manager) return Failed("OpenSCManager", GetLastError());
  alignas(8) static char buffer[1 << 18];
  DWORD need = 0, count = 0, resume = 0;
  if (!EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, SERVICE_WIN32 | SERVICE_DRIVER, SERVICE_STATE_ALL,
                             reinterpret_cast<BYTE*>(buffer), sizeof(buffer), &need, &count, &resume,
                             nullptr))
    Failed("EnumServicesStatusEx", GetLastError());
  const auto* rows = reinterpret_cast<const ENUM_SERVICE_STATUS_PROCESSW*>(buffer);
  for (DWORD i = 0; i < count; ++i)
    std::fprintf(g_out, "service %s %lu\n", Plain(rows[i].lpServiceName).c_str(),
                 rows[i].ServiceStatusProcess.dwCurrentState);
  CloseServiceHandle(manager);
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  if (argc != 2 || !(g_out = _wfopen(argv[1], L"wb"))) {
    std::fputs("machine_listing FILE\n", stderr);
    return 2;
  }
  // What starts with the first window of a machine must be there before anything is listed.
  GetDesktopWindow();
  ListServices();
  ListKey(nullptr, L"\\Registry", "\\Registry");
  ListDirectory(nullptr, L"\\", "\\");
  std::map<DWORD, string> names = ListProcesses();
  ListHeld(names);
  ListAtoms();
  ListDesktop(names);
  if (std::fclose(g_out)) Failed("writing", GetLastError());
  return g_failed;
}
