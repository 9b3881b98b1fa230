// What a program sees of named objects. Verbs that object.sh runs bare and in a VM; what they print must be
// equal:
//   kinds        every kind of object through Win32: made, made again, opened, in another case, as another
//   kind, its name relative     names below directory handles, links of the system, directories and links of
//   one's own, listings pipes        servers and clients, waiting, messages        pipenames   every way to
//   write a pipe's name mailslots    the same for mailslots                        pointers    bad pointers,
//   odd and long names threads      eight threads make and open one name          processes   a child;
//   inherited and duplicated handles
// and verbs that show who sees whom:
//   hold NAME    makes one object of every kind called NAME, says "ready", waits for the end of its input
//   probe NAME   prints the kinds of object called NAME that can be opened
//   open NAME    is there an event of this name?
//   speed        nanoseconds of a few calls
#include "object_guest.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace guest {

std::string Narrow(const std::wstring& w) {
  std::string out;
  for (wchar_t c : w) out += c >= 32 && c < 127 ? static_cast<char>(c) : '?';
  return out;
}

bool Say(const std::string& what, bool ok) {
  if (ok) {
    std::printf("%s: ok\n", what.c_str());
  } else {
    std::printf("%s: error %lu\n", what.c_str(), GetLastError());
  }
  return ok;
}

void SayStatus(const std::string& what, NTSTATUS status) {
  std::printf("%s: %08lx\n", what.c_str(), static_cast<unsigned long>(status));
}

std::string NameOf(HANDLE handle) {
  alignas(8) char buffer[2048];
  ULONG size = 0;
  const NTSTATUS status =
      NtQueryObject(handle, static_cast<OBJECT_INFORMATION_CLASS>(1), buffer, sizeof(buffer), &size);
  if (status) {
    char text[20];
    std::snprintf(text, sizeof(text), "(%08lx)", static_cast<unsigned long>(status));
    return text;
  }
  auto* name = reinterpret_cast<UNICODE_STRING*>(buffer);
  const std::string text = name->Buffer ? Narrow(std::wstring(name->Buffer, name->Length / 2)) : "(none)";
  return text + " in " + std::to_string(size);
}

Name::Name(std::wstring name, HANDLE root, ULONG attributes) : text_(std::move(name)) {
  string_ = {static_cast<USHORT>(text_.size() * 2), static_cast<USHORT>(text_.size() * 2), text_.data()};
  InitializeObjectAttributes(&attributes_, &string_, attributes, root, nullptr);
}

std::wstring SessionDirectory() {
  DWORD session = 0;
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  return L"\\Sessions\\" + std::to_wstring(session) + L"\\BaseNamedObjects";
}

void ListDirectory(const std::string& what, HANDLE directory) {
  std::vector<std::string> names;
  alignas(8) char buffer[4096];
  ULONG context = 0;
  NTSTATUS status;
  for (bool first = true;; first = false) {
    ULONG size = 0;
    status = NtQueryDirectoryObject(directory, buffer, sizeof(buffer), TRUE, first, &context, &size);
    if (status) break;
    auto* entry = reinterpret_cast<UNICODE_STRING*>(buffer);
    const std::wstring name(entry[0].Buffer, entry[0].Length / 2);
    if (name.rfind(kBase, 0) && name != L"Global" && name != L"Local" && name != L"Session") continue;
    names.push_back(Narrow(name) + " (" + Narrow(std::wstring(entry[1].Buffer, entry[1].Length / 2)) +
                    ") in " + std::to_string(size));
  }
  std::sort(names.begin(), names.end());
  SayStatus(what, status);
  for (const std::string& n : names) std::printf("  %s\n", n.c_str());
}

}  // namespace guest

namespace {

using namespace guest;

HANDLE Event(const wchar_t* name) { return CreateEventW(nullptr, TRUE, FALSE, name); }
HANDLE Mutex(const wchar_t* name) { return CreateMutexW(nullptr, FALSE, name); }
HANDLE Semaphore(const wchar_t* name) { return CreateSemaphoreW(nullptr, 1, 3, name); }
HANDLE Timer(const wchar_t* name) { return CreateWaitableTimerW(nullptr, TRUE, name); }
HANDLE Section(const wchar_t* name) {
  return CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, name);
}
HANDLE Job(const wchar_t* name) { return CreateJobObjectW(nullptr, name); }
HANDLE OpenEventByName(const wchar_t* name) { return OpenEventW(SYNCHRONIZE, FALSE, name); }
HANDLE OpenMutexByName(const wchar_t* name) { return OpenMutexW(SYNCHRONIZE, FALSE, name); }
HANDLE OpenSemaphoreByName(const wchar_t* name) { return OpenSemaphoreW(SYNCHRONIZE, FALSE, name); }
HANDLE OpenTimerByName(const wchar_t* name) { return OpenWaitableTimerW(SYNCHRONIZE, FALSE, name); }
HANDLE OpenSectionByName(const wchar_t* name) { return OpenFileMappingW(FILE_MAP_READ, FALSE, name); }
HANDLE OpenJobByName(const wchar_t* name) { return OpenJobObjectW(JOB_OBJECT_QUERY, FALSE, name); }

std::wstring InSession(const wchar_t* name) { return SessionDirectory() + L"\\" + name; }
HANDLE KeyedEvent(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtCreateKeyedEvent(&h, GENERIC_ALL, &n, 0) ? nullptr : h;
}
HANDLE OpenKeyedEventByName(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtOpenKeyedEvent(&h, GENERIC_READ, &n) ? nullptr : h;
}
HANDLE Port(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtCreateIoCompletion(&h, GENERIC_ALL, &n, 0) ? nullptr : h;
}
HANDLE OpenPortByName(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtOpenIoCompletion(&h, GENERIC_READ, &n) ? nullptr : h;
}
HANDLE Directory(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtCreateDirectoryObject(&h, GENERIC_ALL, &n) ? nullptr : h;
}
HANDLE OpenDirectoryByName(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtOpenDirectoryObject(&h, GENERIC_READ, &n) ? nullptr : h;
}
HANDLE Link(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  std::wstring target = InSession(L"PlumeObjTarget");
  UNICODE_STRING t = {static_cast<USHORT>(target.size() * 2), static_cast<USHORT>(target.size() * 2),
                      target.data()};
  return NtCreateSymbolicLinkObject(&h, GENERIC_ALL, &n, &t) ? nullptr : h;
}
HANDLE OpenLinkByName(const wchar_t* name) {
  HANDLE h = nullptr;
  Name n(InSession(name));
  return NtOpenSymbolicLinkObject(&h, GENERIC_READ, &n) ? nullptr : h;
}
HANDLE Pipe(const wchar_t* name) {
  const HANDLE h = CreateNamedPipeW((std::wstring(L"\\\\.\\pipe\\") + name).c_str(), PIPE_ACCESS_DUPLEX, 0,
                                    30, 100, 100, 0, nullptr);
  return h == INVALID_HANDLE_VALUE ? nullptr : h;
}
HANDLE OpenPipeByName(const wchar_t* name) {
  const HANDLE h = CreateFileW((std::wstring(L"\\\\.\\pipe\\") + name).c_str(), GENERIC_READ | GENERIC_WRITE,
                               0, nullptr, OPEN_EXISTING, 0, nullptr);
  return h == INVALID_HANDLE_VALUE ? nullptr : h;
}
HANDLE Mailslot(const wchar_t* name) {
  const HANDLE h = CreateMailslotW((std::wstring(L"\\\\.\\mailslot\\") + name).c_str(), 0, 0, nullptr);
  return h == INVALID_HANDLE_VALUE ? nullptr : h;
}
HANDLE OpenMailslotByName(const wchar_t* name) {
  const HANDLE h = CreateFileW((std::wstring(L"\\\\.\\mailslot\\") + name).c_str(), GENERIC_WRITE,
                               FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  return h == INVALID_HANDLE_VALUE ? nullptr : h;
}

struct Kind {
  const char* name;
  HANDLE (*create)(const wchar_t*);
  HANDLE (*open)(const wchar_t*);
  bool win32;  // its names may have prefixes
};
constexpr Kind kKinds[] = {
    {"event", Event, OpenEventByName, true},
    {"mutex", Mutex, OpenMutexByName, true},
    {"semaphore", Semaphore, OpenSemaphoreByName, true},
    {"timer", Timer, OpenTimerByName, true},
    {"section", Section, OpenSectionByName, true},
    {"job", Job, OpenJobByName, true},
    {"keyed", KeyedEvent, OpenKeyedEventByName, false},
    {"completion", Port, OpenPortByName, false},
    {"directory", Directory, OpenDirectoryByName, false},
    {"link", Link, OpenLinkByName, false},
    {"pipe", Pipe, OpenPipeByName, false},
    {"mailslot", Mailslot, OpenMailslotByName, false},
};

int Kinds() {
  for (const Kind& k : kKinds) {
    const std::wstring base = kBase + std::wstring(k.name, k.name + std::strlen(k.name));
    for (const wchar_t* prefix : {L"", L"Local\\", L"Global\\", L"Session\\1\\", L"Nowhere\\"}) {
      if (*prefix && !k.win32) continue;
      const std::wstring name = prefix + base;
      const std::string text = std::string(k.name) + " " + Narrow(name);
      SetLastError(0);
      HANDLE none = k.open(name.c_str());
      Say(text + " is not there", none == nullptr);
      SetLastError(0);
      HANDLE made = k.create(name.c_str());
      std::printf("%s made: %d error %lu\n", text.c_str(), made != nullptr, GetLastError());
      if (!made) continue;
      std::printf("%s is %s\n", text.c_str(), NameOf(made).c_str());
      SetLastError(0);
      HANDLE again = k.create(name.c_str());
      std::printf("%s made again: %d error %lu\n", text.c_str(), again != nullptr, GetLastError());
      if (again) CloseHandle(again);
      HANDLE opened = k.open(name.c_str());
      if (Say(text + " opened", opened != nullptr))
        std::printf("%s is %s\n", text.c_str(), NameOf(opened).c_str());
      if (opened) CloseHandle(opened);
      std::wstring upper = name;
      for (wchar_t& c : upper) c = static_cast<wchar_t>(towupper(c));
      HANDLE other = k.open(upper.c_str());
      Say(text + " in upper case", other != nullptr);
      if (other) CloseHandle(other);
      // The same name as another kind.
      if (k.win32) {
        HANDLE wrong =
            k.open == OpenEventByName ? OpenMutexByName(name.c_str()) : OpenEventByName(name.c_str());
        Say(text + " as another kind", wrong != nullptr);
        if (wrong) CloseHandle(wrong);
        SetLastError(0);
        wrong = k.create == Event ? Mutex(name.c_str()) : Event(name.c_str());
        Say(text + " made as another kind", wrong != nullptr);
        if (wrong) CloseHandle(wrong);
      }
      CloseHandle(made);
      HANDLE gone = k.open(name.c_str());
      Say(text + " is gone", gone == nullptr);
    }
  }
  // Nameless ones.
  HANDLE event = Event(nullptr), empty = Event(L"");
  std::printf("nameless: %s, empty: %s\n", NameOf(event).c_str(), empty ? NameOf(empty).c_str() : "no");
  // One object behind both prefixes of the session, another one behind the machine's.
  HANDLE a = Event(L"PlumeObjSame"), b = Event(L"Local\\PlumeObjSame"), c = Event(L"Global\\PlumeObjSame");
  SetEvent(a);
  std::printf("same: %lu %lu\n", WaitForSingleObject(b, 0), WaitForSingleObject(c, 0));
  // What a section holds.
  HANDLE s1 = Section(L"PlumeObjData"),
         s2 = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, L"Local\\PlumeObjData");
  void* v1 = MapViewOfFile(s1, FILE_MAP_WRITE, 0, 0, 0);
  void* v2 = s2 ? MapViewOfFile(s2, FILE_MAP_READ, 0, 0, 0) : nullptr;
  if (v1) std::strcpy(static_cast<char*>(v1), "shared");
  std::printf("section: %s\n", v2 ? static_cast<char*>(v2) : "no view");
  return 0;
}

std::string ReadLink(HANDLE link, USHORT room = 600) {
  wchar_t text[400] = {};
  UNICODE_STRING target = {0, room, text};
  ULONG needed = 0;
  const NTSTATUS status = NtQuerySymbolicLinkObject(link, &target, &needed);
  char out[40];
  std::snprintf(out, sizeof(out), "%08lx needs %lu ", static_cast<unsigned long>(status), needed);
  return out + Narrow(std::wstring(text, target.Length / 2));
}

HANDLE MakeLink(const std::string& what, const std::wstring& name, HANDLE root, const std::wstring& target) {
  std::wstring text = target;
  UNICODE_STRING t = {static_cast<USHORT>(text.size() * 2), static_cast<USHORT>(text.size() * 2),
                      text.data()};
  HANDLE h = nullptr;
  Name n(name, root);
  SayStatus("link " + what, NtCreateSymbolicLinkObject(&h, GENERIC_ALL, &n, &t));
  return h;
}

HANDLE MakeEvent(const std::string& what, const std::wstring& name, HANDLE root = nullptr,
                 ULONG attributes = 0x40) {
  HANDLE h = nullptr;
  Name n(name, root, attributes);
  SayStatus("event " + what, NtCreateEvent(&h, EVENT_ALL_ACCESS, &n, 0, FALSE));
  if (h) std::printf("  is %s\n", NameOf(h).c_str());
  return h;
}

void TryEvent(const std::string& what, const std::wstring& name, HANDLE root = nullptr,
              ULONG attributes = 0x40) {
  HANDLE h = nullptr;
  Name n(name, root, attributes);
  SayStatus("open " + what, NtOpenEvent(&h, SYNCHRONIZE, &n));
  if (h) CloseHandle(h);
}

int Relative() {
  const std::wstring session = SessionDirectory();
  HANDLE bno = nullptr, global = nullptr, root = nullptr, sessions = nullptr;
  Name session_name(session), global_name(L"\\BaseNamedObjects"), root_name(L"\\"),
      sessions_name(L"\\Sessions");
  SayStatus("session", NtOpenDirectoryObject(&bno, 0xf, &session_name));
  SayStatus("global", NtOpenDirectoryObject(&global, 0xf, &global_name));
  SayStatus("root", NtOpenDirectoryObject(&root, 3, &root_name));
  SayStatus("sessions", NtOpenDirectoryObject(&sessions, 3, &sessions_name));
  std::printf("%s, %s, %s\n", NameOf(bno).c_str(), NameOf(global).c_str(), NameOf(root).c_str());

  HANDLE e = MakeEvent("relative", L"PlumeObjR", bno);
  TryEvent("relative", L"PlumeObjR", bno);
  TryEvent("absolute", session + L"\\PlumeObjR");
  TryEvent("below the root", session.substr(1) + L"\\PlumeObjR", root);
  TryEvent("below \\Sessions", session.substr(10) + L"\\PlumeObjR", sessions);
  TryEvent("through Local", L"Local\\PlumeObjR", bno);
  TryEvent("through Local twice", L"Local\\Local\\PlumeObjR", bno);
  TryEvent("through Global", L"Global\\PlumeObjR", bno);
  TryEvent("Global's Local", L"Global\\Local\\PlumeObjR", bno);
  TryEvent("global directory", L"PlumeObjR", global);
  TryEvent("through Session", L"Session\\1\\PlumeObjR", global);
  TryEvent("other case", L"PLUMEOBJR", bno);
  TryEvent("exact case wanted", L"PLUMEOBJR", bno, 0);
  TryEvent("exact case", L"PlumeObjR", bno, 0);
  TryEvent("leading backslash", L"\\PlumeObjR", bno);
  TryEvent("doubled backslash", session + L"\\\\PlumeObjR");
  TryEvent("trailing backslash", L"PlumeObjR\\", bno);
  TryEvent("below an event", L"PlumeObjR\\x", bno);
  TryEvent("missing", L"PlumeObjM", bno);
  TryEvent("missing directory", L"PlumeObjM\\x", bno);
  TryEvent("empty", L"", bno);
  MakeEvent("collision", L"PlumeObjR", bno);
  MakeEvent("open-if", L"PlumeObjR", bno, 0xc0);
  ListDirectory("session's entries", bno);
  ListDirectory("the machine's", global);
  CloseHandle(e);

  // Directories of one's own: what is in them is theirs, whatever it is called.
  HANDLE dir = nullptr, again = nullptr, inner = nullptr;
  Name d(L"PlumeObjD", bno), i(L"PlumeObjI", nullptr);
  SayStatus("directory", NtCreateDirectoryObject(&dir, 0xf, &d));
  std::printf("  is %s\n", NameOf(dir).c_str());
  HANDLE in = MakeEvent("in it", L"Global", dir);
  HANDLE in2 = MakeEvent("in it by path", L"Local\\PlumeObjD\\PlumeObjE", bno);
  Name id(L"PlumeObjI", dir);
  SayStatus("directory in it", NtCreateDirectoryObject(&inner, 0xf, &id));
  std::printf("  is %s\n", NameOf(inner).c_str());
  HANDLE deep = MakeEvent("deep", L"PlumeObjDeep", inner);
  TryEvent("deep by path", session + L"\\PlumeObjD\\PlumeObjI\\PlumeObjDeep");
  TryEvent("deep from the directory", L"PlumeObjI\\PlumeObjDeep", dir);
  Name byglobal(L"Global\\PlumeObjD", bno);
  SayStatus("not in the machine's", NtOpenDirectoryObject(&again, 3, &byglobal));
  Name bylocal(L"Local\\PLUMEOBJD", bno);
  SayStatus("opened again", NtOpenDirectoryObject(&again, 3, &bylocal));
  std::printf("  is %s\n", NameOf(again).c_str());
  TryEvent("through it", L"PlumeObjE", again);
  ListDirectory("its entries", again);
  ListDirectory("session's entries", bno);
  HANDLE anonymous = nullptr;
  OBJECT_ATTRIBUTES none;
  InitializeObjectAttributes(&none, nullptr, 0, nullptr, nullptr);
  SayStatus("nameless directory", NtCreateDirectoryObject(&anonymous, 0xf, &none));
  MakeEvent("in a nameless directory", L"PlumeObjN", anonymous);
  TryEvent("in a nameless directory", L"PlumeObjN", anonymous);
  HANDLE duplicate = nullptr;
  DuplicateHandle(GetCurrentProcess(), dir, GetCurrentProcess(), &duplicate, 0, FALSE, DUPLICATE_SAME_ACCESS);
  CloseHandle(dir);
  TryEvent("through a duplicate", L"PlumeObjE", duplicate);

  // Links.
  HANDLE link = MakeLink("to an event", L"PlumeObjL", bno, session + L"\\PlumeObjD\\PlumeObjE");
  TryEvent("through the link", L"PlumeObjL", bno);
  std::printf("  leads %s\n", ReadLink(link).c_str());
  std::printf("  in little room %s\n", ReadLink(link, 20).c_str());
  HANDLE l2 = nullptr;
  Name ln(L"Local\\PlumeObjL", bno);
  SayStatus("link opened", NtOpenSymbolicLinkObject(&l2, 1, &ln));
  std::printf("  is %s leads %s\n", NameOf(l2).c_str(), ReadLink(l2).c_str());
  HANDLE dl = MakeLink("to a directory", L"PlumeObjDL", bno, session + L"\\PlumeObjD");
  TryEvent("through the directory's link", L"PlumeObjDL\\PlumeObjE", bno);
  HANDLE through = nullptr;
  Name tn(L"PlumeObjDL", bno);
  SayStatus("directory through the link", NtOpenDirectoryObject(&through, 3, &tn));
  std::printf("  is %s\n", NameOf(through).c_str());
  TryEvent("in it", L"PlumeObjE", through);
  HANDLE nowhere = MakeLink("to nowhere", L"PlumeObjNL", bno, session + L"\\PlumeObjNowhere");
  TryEvent("through the link to nowhere", L"PlumeObjNL", bno);
  MakeLink("collision", L"PlumeObjNL", bno, session + L"\\PlumeObjNowhere");
  HANDLE sys = nullptr;
  Name gl(L"Global", bno);
  SayStatus("the system's link", NtOpenSymbolicLinkObject(&sys, 1, &gl));
  std::printf("  leads %s\n", ReadLink(sys).c_str());
  HANDLE top = MakeEvent("in the root directory", L"\\PlumeObjTop");
  TryEvent("in the root directory", L"PlumeObjTop", root);
  HANDLE section = nullptr;
  Name shared(L"\\KernelObjects\\__wine_user_shared_data");
  SayStatus("the system's section", NtOpenSection(&section, 4, &shared));
  for (HANDLE h : {in, in2, deep, again, link, l2, dl, through, nowhere, top, inner, duplicate})
    CloseHandle(h);
  ListDirectory("session's entries at the end", bno);
  return 0;
}

int Hold(const wchar_t* name) {
  for (const Kind& k : kKinds) {
    const std::wstring own = std::wstring(name) + std::wstring(k.name, k.name + std::strlen(k.name));
    if (!k.create(own.c_str())) std::printf("no %s: %lu\n", k.name, GetLastError());
    if (k.win32 && !k.create((L"Global\\" + own).c_str()))
      std::printf("no global %s: %lu\n", k.name, GetLastError());
  }
  // A client uses up an instance.
  for (int i = 0; i < 20; ++i) Pipe((std::wstring(name) + L"pipe").c_str());
  HANDLE top = nullptr;
  Name n(std::wstring(L"\\") + name);
  if (NtCreateEvent(&top, EVENT_ALL_ACCESS, &n, 0, FALSE)) std::printf("no event in the root directory\n");
  std::printf("ready\n");
  std::fflush(stdout);
  char line[10];
  while (std::fgets(line, sizeof(line), stdin)) {
  }
  return 0;
}

int Probe(const wchar_t* name) {
  int seen = 0, listed = 0;
  for (const Kind& k : kKinds) {
    const std::wstring own = std::wstring(name) + std::wstring(k.name, k.name + std::strlen(k.name));
    if (k.open(own.c_str()) && ++seen) std::printf("sees %s\n", k.name);
    if (k.win32 && k.open((L"Global\\" + own).c_str()) && ++seen) std::printf("sees global %s\n", k.name);
  }
  HANDLE top = nullptr;
  Name n(std::wstring(L"\\") + name);
  if (!NtOpenEvent(&top, SYNCHRONIZE, &n) && ++seen) std::printf("sees the root directory's\n");
  for (const std::wstring& d :
       {SessionDirectory(), std::wstring(L"\\BaseNamedObjects"), std::wstring(L"\\")}) {
    HANDLE dir = nullptr;
    Name dn(d);
    if (NtOpenDirectoryObject(&dir, 1, &dn)) continue;
    alignas(8) char buffer[4096];
    ULONG context = 0, size = 0;
    while (!NtQueryDirectoryObject(dir, buffer, sizeof(buffer), TRUE, FALSE, &context, &size)) {
      auto* entry = reinterpret_cast<UNICODE_STRING*>(buffer);
      const std::wstring text(entry->Buffer, entry->Length / 2);
      if (text.find(name) != text.npos && ++listed) std::printf("lists %s\n", Narrow(text).c_str());
    }
    CloseHandle(dir);
  }
  std::printf("%d opened, %d listed\n", seen, listed);
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"kinds") return Kinds();
  if (verb == L"relative") return Relative();
  if (verb == L"pipes") return Pipes();
  if (verb == L"pipenames") return PipeNames();
  if (verb == L"mailslots") return Mailslots();
  if (verb == L"pointers") return Pointers();
  if (verb == L"threads") return Threads();
  if (verb == L"processes") return Processes(argv[0]);
  if (verb == L"child") return Child();
  if (verb == L"speed") return Speed();
  if (verb == L"hold" && argc > 2) return Hold(argv[2]);
  if (verb == L"probe" && argc > 2) return Probe(argv[2]);
  if (verb == L"open" && argc > 2) return OpenEventByName(argv[2]) ? 0 : 1;
  std::fprintf(stderr, "object_guest VERB [NAME]\n");
  return 2;
}
