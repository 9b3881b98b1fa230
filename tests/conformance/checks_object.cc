// Named objects: events, mutexes, semaphores, timers, sections, jobs, keyed events, completion ports,
// directories, links.
#include "conformance.h"
#include "nt_objects.h"

namespace plume::conformance {
namespace {

Finding SeenNt(NTSTATUS status) { return VisibleIf(status >= 0, Hex(static_cast<unsigned long>(status))); }

// --- What every kind has
// -----------------------------------------------------------------------------------------

using NtOpen = NTSTATUS(NTAPI*)(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
struct Kind {
  HANDLE (*create)(const wchar_t*);
  HANDLE (*open)(const wchar_t*);
  NtOpen nt_open;
  ACCESS_MASK access;
};

constexpr Kind kEvent = {
    [](const wchar_t* n) { return CreateEventW(nullptr, TRUE, FALSE, n); },
    [](const wchar_t* n) { return OpenEventW(EVENT_MODIFY_STATE | SYNCHRONIZE, FALSE, n); }, NtOpenEvent,
    EVENT_MODIFY_STATE};
constexpr Kind kMutex = {[](const wchar_t* n) { return CreateMutexW(nullptr, FALSE, n); },
                         [](const wchar_t* n) { return OpenMutexW(SYNCHRONIZE, FALSE, n); }, NtOpenMutant,
                         SYNCHRONIZE};
constexpr Kind kSemaphore = {
    [](const wchar_t* n) { return CreateSemaphoreW(nullptr, 0, 5, n); },
    [](const wchar_t* n) { return OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, FALSE, n); }, NtOpenSemaphore,
    SYNCHRONIZE};
constexpr Kind kTimer = {[](const wchar_t* n) { return CreateWaitableTimerW(nullptr, TRUE, n); },
                         [](const wchar_t* n) { return OpenWaitableTimerW(TIMER_ALL_ACCESS, FALSE, n); },
                         NtOpenTimer, SYNCHRONIZE};
constexpr Kind kSection = {
    [](const wchar_t* n) {
      return CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, n);
    },
    [](const wchar_t* n) { return OpenFileMappingW(FILE_MAP_WRITE, FALSE, n); }, NtOpenSection,
    SECTION_MAP_READ};
constexpr Kind kJob = {[](const wchar_t* n) { return CreateJobObjectW(nullptr, n); },
                       [](const wchar_t* n) { return OpenJobObjectW(JOB_OBJECT_ALL_ACCESS, FALSE, n); },
                       NtOpenJobObject, JOB_OBJECT_QUERY};

std::string HoldName(Context& c, const Kind& kind, const std::wstring& name) {
  SetLastError(0);
  return c.KeepNew(kind.create(name.c_str()));
}
std::wstring Session(const Context& c) {
  DWORD session = 0;
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  return L"Session\\" + std::to_wstring(session) + L"\\" + c.Name();
}
std::wstring Upper(std::wstring text) {
  for (wchar_t& ch : text) ch = static_cast<wchar_t>(towupper(ch));
  return text;
}

template <const Kind& kind>
struct Of {
  static std::string Hold(Context& c) { return HoldName(c, kind, c.Name()); }
  static std::string HoldLocal(Context& c) { return HoldName(c, kind, L"Local\\" + c.Name()); }
  static std::string HoldGlobal(Context& c) { return HoldName(c, kind, L"Global\\" + c.Name()); }

  static Finding Open(Context& c) { return VisibleIf(kind.open(c.Name().c_str()) != nullptr, LastError()); }
  static Finding OpenGlobal(Context& c) {
    return VisibleIf(kind.open((L"Global\\" + c.Name()).c_str()) != nullptr, LastError());
  }
  static Finding OpenSession(Context& c) {
    return VisibleIf(kind.open(Session(c).c_str()) != nullptr, LastError());
  }
  static Finding Create(Context& c) {
    SetLastError(0);
    const HANDLE h = kind.create(c.Name().c_str());
    return VisibleIf(h && GetLastError() == ERROR_ALREADY_EXISTS, h ? "made" : LastError());
  }
  static Finding WrongKind(Context& c) {
    const HANDLE h =
        kind.create == kEvent.create ? kMutex.create(c.Name().c_str()) : kEvent.create(c.Name().c_str());
    return VisibleIf(h == nullptr, h ? "made" : LastError());
  }
  static Finding Absolute(Context& c) {
    HANDLE h = nullptr;
    NtName name(SessionDirectory() + L"\\" + c.Name());
    return SeenNt(kind.nt_open(&h, kind.access, name.get()));
  }
  static Finding Relative(Context& c) {
    HANDLE h = nullptr, directory = nullptr;
    NtName at(SessionDirectory());
    if (NtOpenDirectoryObject(&directory, 3, at.get()) < 0) return Unsupported("no session directory");
    NtName name(L"Local\\" + c.Name(), directory);
    return SeenNt(kind.nt_open(&h, kind.access, name.get()));
  }
  static Finding OtherCase(Context& c) {
    HANDLE h = nullptr;
    NtName name(SessionDirectory() + L"\\" + Upper(c.Name()));
    return SeenNt(kind.nt_open(&h, kind.access, name.get()));
  }
  static Finding GlobalAbsolute(Context& c) {
    HANDLE h = nullptr;
    NtName name(L"\\BaseNamedObjects\\" + c.Name());
    return SeenNt(kind.nt_open(&h, kind.access, name.get()));
  }
};

#define KIND_CHECKS(area, kind)                                           \
  CHECK(area, open, Of<kind>::Hold, Of<kind>::Open);                      \
  CHECK(area, local, Of<kind>::HoldLocal, Of<kind>::Open);                \
  CHECK(area, global, Of<kind>::HoldGlobal, Of<kind>::OpenGlobal);        \
  CHECK(area, session, Of<kind>::Hold, Of<kind>::OpenSession);            \
  CHECK(area, create, Of<kind>::Hold, Of<kind>::Create);                  \
  CHECK(area, other_kind, Of<kind>::Hold, Of<kind>::WrongKind);           \
  CHECK(area, nt_absolute, Of<kind>::Hold, Of<kind>::Absolute);           \
  CHECK(area, nt_relative, Of<kind>::Hold, Of<kind>::Relative);           \
  CHECK(area, nt_global, Of<kind>::HoldGlobal, Of<kind>::GlobalAbsolute); \
  CHECK(area, other_case, Of<kind>::Hold, Of<kind>::OtherCase)

KIND_CHECKS(event, kEvent);
KIND_CHECKS(mutex, kMutex);
KIND_CHECKS(semaphore, kSemaphore);
KIND_CHECKS(timer, kTimer);
KIND_CHECKS(section, kSection);
KIND_CHECKS(job, kJob);

// --- What one does to the other: the holder looks
// ----------------------------------------------------------------

Finding Signaled(Context& c) { return VisibleIf(WaitForSingleObject(c.kept[0], 0) == WAIT_OBJECT_0); }

Finding SetIt(Context& c) {
  const HANDLE h = kEvent.create(c.Name().c_str());
  return VisibleIf(h && SetEvent(h));
}
CHECK_OBSERVED(event, set, Of<kEvent>::Hold, SetIt, Signaled);

std::string HoldSet(Context& c) {
  const std::string failed = Of<kEvent>::Hold(c);
  SetEvent(c.kept.empty() ? nullptr : c.kept[0]);
  return failed;
}
Finding ResetIt(Context& c) {
  const HANDLE h = kEvent.create(c.Name().c_str());
  return VisibleIf(h && ResetEvent(h));
}
Finding NotSignaled(Context& c) { return VisibleIf(WaitForSingleObject(c.kept[0], 0) != WAIT_OBJECT_0); }
CHECK_OBSERVED(event, reset, HoldSet, ResetIt, NotSignaled);
CHECK(event, wait, HoldSet, [](Context& c) {
  const HANDLE h = kEvent.create(c.Name().c_str());
  return VisibleIf(WaitForSingleObject(h, 0) == WAIT_OBJECT_0);
});

std::string HoldOwned(Context& c) {
  const HANDLE h = CreateMutexW(nullptr, TRUE, c.Name().c_str());
  if (!h) return LastError();
  c.Keep(h);
  return {};
}
Finding IsOwned(Context& c) {
  const HANDLE h = kMutex.create(c.Name().c_str());
  return VisibleIf(WaitForSingleObject(h, 0) == WAIT_TIMEOUT);
}
CHECK(mutex, owned, HoldOwned, IsOwned);
CHECK(mutex, single_instance, HoldOwned, [](Context& c) {
  // How programs find out that they run already.
  CreateMutexW(nullptr, TRUE, (L"Local\\" + c.Name()).c_str());
  return VisibleIf(GetLastError() == ERROR_ALREADY_EXISTS);
});
Finding TakeIt(Context& c) {
  const HANDLE h = kMutex.create(c.Name().c_str());
  return VisibleIf(WaitForSingleObject(h, 0) == WAIT_OBJECT_0);
}
CHECK_OBSERVED(mutex, taken, Of<kMutex>::Hold, TakeIt,
               [](Context& c) { return VisibleIf(WaitForSingleObject(c.kept[0], 0) != WAIT_OBJECT_0); });

Finding ReleaseIt(Context& c) {
  const HANDLE h = kSemaphore.create(c.Name().c_str());
  return VisibleIf(h && ReleaseSemaphore(h, 1, nullptr));
}
CHECK_OBSERVED(semaphore, release, Of<kSemaphore>::Hold, ReleaseIt, Signaled);

Finding StartIt(Context& c) {
  const HANDLE h = kTimer.create(c.Name().c_str());
  LARGE_INTEGER at;
  at.QuadPart = -1;
  return VisibleIf(h && SetWaitableTimer(h, &at, 0, nullptr, nullptr, FALSE));
}
CHECK_OBSERVED(timer, set, Of<kTimer>::Hold, StartIt,
               [](Context& c) { return VisibleIf(WaitForSingleObject(c.kept[0], 200) == WAIT_OBJECT_0); });

constexpr char kText[] = "the holder's memory", kOther[] = "the prober's memory";
std::string HoldText(Context& c) {
  const std::string failed = Of<kSection>::Hold(c);
  void* view = failed.empty() ? MapViewOfFile(c.kept[0], FILE_MAP_WRITE, 0, 0, 0) : nullptr;
  if (!view) return failed.empty() ? LastError() : failed;
  memcpy(view, kText, sizeof(kText));
  c.data = view;
  return {};
}
CHECK(section, read, HoldText, [](Context& c) {
  const HANDLE h = kSection.create(c.Name().c_str());
  const void* view = h ? MapViewOfFile(h, FILE_MAP_READ, 0, 0, 0) : nullptr;
  return VisibleIf(view && !memcmp(view, kText, sizeof(kText)));
});
CHECK_OBSERVED(
    section, write, HoldText,
    [](Context& c) {
      const HANDLE h = kSection.create(c.Name().c_str());
      void* view = h ? MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0) : nullptr;
      if (view) memcpy(view, kOther, sizeof(kOther));
      return VisibleIf(view != nullptr);
    },
    [](Context& c) { return VisibleIf(!memcmp(c.data, kOther, sizeof(kOther))); });

std::string HoldChild(Context& c) {
  const std::string failed = Of<kJob>::Hold(c);
  if (!failed.empty()) return failed;
  wchar_t self[MAX_PATH];
  GetModuleFileNameW(nullptr, self, MAX_PATH);
  STARTUPINFOW start = {};
  start.cb = sizeof(start);
  PROCESS_INFORMATION child = {};
  if (!CreateProcessW(self, nullptr, nullptr, nullptr, FALSE, CREATE_SUSPENDED, nullptr, nullptr, &start,
                      &child))
    return LastError();
  c.data = child.hProcess;
  return AssignProcessToJobObject(c.kept[0], child.hProcess) ? "" : LastError();
}
Finding EndJob(Context& c) {
  const HANDLE h = kJob.create(c.Name().c_str());
  return VisibleIf(h && TerminateJobObject(h, 7));
}
Finding HasEnded(Context& c) {
  const bool ended = WaitForSingleObject(c.data, 500) == WAIT_OBJECT_0;
  if (!ended) TerminateProcess(c.data, 0);
  return VisibleIf(ended);
}
CHECK_OBSERVED(job, terminate, HoldChild, EndJob, HasEnded);

// --- Kinds without Win32 names
// -----------------------------------------------------------------------------------

// By reference: the call that makes `h` is another argument.
std::string HoldNt(Context& c, NTSTATUS status, const HANDLE& h) {
  if (status < 0) return Hex(static_cast<unsigned long>(status));
  c.Keep(h);
  return {};
}
std::string HoldKeyed(Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return HoldNt(c, NtCreateKeyedEvent(&h, GENERIC_ALL, name.get(), 0), h);
}
CHECK(keyed, open, HoldKeyed, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\Local\\" + c.Name());
  return SeenNt(NtOpenKeyedEvent(&h, GENERIC_READ, name.get()));
});
CHECK(keyed, create, HoldKeyed, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return VisibleIf(NtCreateKeyedEvent(&h, GENERIC_ALL, name.get(), 0) == static_cast<NTSTATUS>(0xC0000035));
});
std::string HoldCompletion(Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return HoldNt(c, NtCreateIoCompletion(&h, IO_COMPLETION_ALL_ACCESS, name.get(), 0), h);
}
CHECK(completion, open, HoldCompletion, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return SeenNt(NtOpenIoCompletion(&h, GENERIC_READ, name.get()));
});
CHECK_OBSERVED(
    completion, post, HoldCompletion,
    [](Context& c) {
      HANDLE h = nullptr;
      NtName name(SessionDirectory() + L"\\" + c.Name());
      NtOpenIoCompletion(&h, IO_COMPLETION_ALL_ACCESS, name.get());
      return SeenNt(NtSetIoCompletion(h, 1, 2, 0, 3));
    },
    [](Context& c) {
      DWORD count;
      ULONG_PTR key;
      OVERLAPPED* overlapped;
      const bool got = GetQueuedCompletionStatus(c.kept[0], &count, &key, &overlapped, 500);
      return VisibleIf(got, LastError());
    });

// --- Directories and links
// ---------------------------------------------------------------------------------------

HANDLE OpenDirectory(const std::wstring& path) {
  HANDLE h = nullptr;
  NtName name(path);
  return NtOpenDirectoryObject(&h, 3, name.get()) < 0 ? nullptr : h;
}
// Is there an entry whose name contains `text`?
bool Lists(HANDLE directory, const std::wstring& text) {
  alignas(8) char buffer[4096];
  ULONG context = 0, size = 0;
  while (NtQueryDirectoryObject(directory, buffer, sizeof(buffer), TRUE, FALSE, &context, &size) == 0) {
    const auto* name = reinterpret_cast<UNICODE_STRING*>(buffer);
    if (std::wstring(name->Buffer, name->Length / 2) == text) return true;
  }
  return false;
}
CHECK(listing, session, Of<kEvent>::Hold,
      [](Context& c) { return VisibleIf(Lists(OpenDirectory(SessionDirectory()), c.Name())); });
CHECK(listing, machine, Of<kSection>::HoldGlobal,
      [](Context& c) { return VisibleIf(Lists(OpenDirectory(L"\\BaseNamedObjects"), c.Name())); });
CHECK(listing, through_link, Of<kMutex>::HoldGlobal,
      [](Context& c) { return VisibleIf(Lists(OpenDirectory(SessionDirectory() + L"\\Global"), c.Name())); });

std::string HoldDirectory(Context& c) {
  HANDLE h = nullptr, event = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  const std::string failed = HoldNt(c, NtCreateDirectoryObject(&h, 0xf, name.get()), h);
  if (!failed.empty()) return failed;
  NtName in(L"inside", h);
  return HoldNt(c, NtCreateEvent(&event, EVENT_ALL_ACCESS, in.get(), 0, FALSE), event);
}
CHECK(directory, open, HoldDirectory,
      [](Context& c) { return VisibleIf(OpenDirectory(SessionDirectory() + L"\\" + c.Name()) != nullptr); });
CHECK(directory, create, HoldDirectory, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return VisibleIf(NtCreateDirectoryObject(&h, 0xf, name.get()) == static_cast<NTSTATUS>(0xC0000035));
});
CHECK(directory, inside, HoldDirectory, [](Context& c) {
  return VisibleIf(kEvent.open((c.Name() + L"\\inside").c_str()) != nullptr, LastError());
});
CHECK(directory, inside_relative, HoldDirectory, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(L"inside", OpenDirectory(SessionDirectory() + L"\\Local\\" + c.Name()));
  return SeenNt(NtOpenEvent(&h, SYNCHRONIZE, name.get()));
});
CHECK(directory, lists, HoldDirectory, [](Context& c) {
  const HANDLE h = OpenDirectory(SessionDirectory() + L"\\" + c.Name());
  return VisibleIf(h && Lists(h, L"inside"));
});
CHECK(directory, below_the_root, HoldDirectory, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory().substr(1) + L"\\" + c.Name() + L"\\inside", OpenDirectory(L"\\"));
  return SeenNt(NtOpenEvent(&h, SYNCHRONIZE, name.get()));
});
std::string HoldTop(Context& c) {
  HANDLE h = nullptr;
  NtName name(L"\\" + c.Name());
  return HoldNt(c, NtCreateEvent(&h, EVENT_ALL_ACCESS, name.get(), 0, FALSE), h);
}
CHECK(directory, root, HoldTop, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(L"\\" + c.Name());
  return SeenNt(NtOpenEvent(&h, SYNCHRONIZE, name.get()));
});
CHECK(directory, root_lists, HoldTop,
      [](Context& c) { return VisibleIf(Lists(OpenDirectory(L"\\"), c.Name())); });

std::string HoldLink(Context& c) {
  HANDLE h = nullptr, event = nullptr;
  const std::wstring target = SessionDirectory() + L"\\" + c.Name(L"target");
  NtName name(SessionDirectory() + L"\\" + c.Name()), to(target), made(target);
  const std::string failed =
      HoldNt(c, NtCreateSymbolicLinkObject(&h, GENERIC_ALL, name.get(), to.string()), h);
  if (!failed.empty()) return failed;
  return HoldNt(c, NtCreateEvent(&event, EVENT_ALL_ACCESS, made.get(), 0, FALSE), event);
}
CHECK(symlink, open, HoldLink, [](Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  return SeenNt(NtOpenSymbolicLinkObject(&h, 1, name.get()));
});
Finding ReadTarget(Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name());
  wchar_t text[500] = {};
  UNICODE_STRING target = {0, sizeof(text) - 2, text};
  if (NtOpenSymbolicLinkObject(&h, 1, name.get()) < 0 || NtQuerySymbolicLinkObject(h, &target, nullptr) < 0)
    return Isolated();
  return VisibleIf(SessionDirectory() + L"\\" + c.Name(L"target") == text);
}
CHECK(symlink, target, HoldLink, ReadTarget);
CHECK(symlink, follow, HoldLink,
      [](Context& c) { return VisibleIf(kEvent.open(c.Name().c_str()) != nullptr, LastError()); });
// The prober lays a link of its own onto the holder's object.
Finding LayLink(Context& c) {
  HANDLE h = nullptr;
  NtName name(SessionDirectory() + L"\\" + c.Name(L"link"));
  NtName to(SessionDirectory() + L"\\" + c.Name());
  if (NtCreateSymbolicLinkObject(&h, GENERIC_ALL, name.get(), to.string()) < 0)
    return Unsupported("no links");
  return VisibleIf(kEvent.open(c.Name(L"link").c_str()) != nullptr, LastError());
}
CHECK(symlink, onto, Of<kEvent>::Hold, LayLink);

}  // namespace
}  // namespace plume::conformance
