// A service program, and everything that programs do with services: one line each, equal bare and in a VM.
//   services_guest service [shared]     what the service manager starts
//   services_guest all plumetest        every call; services are called plumetest1, plumetest2...
//   services_guest install NAME START   makes one; START: auto or demand
//   services_guest start|stop NAME
//   services_guest state NAME [STATE]   its state and process; waits for STATE
#include <windows.h>

#include <cstdio>
#include <string>

namespace {

SERVICE_STATUS_HANDLE g_status_handle;
SERVICE_STATUS g_status;
HANDLE g_stop;

void Report(DWORD state) {
  g_status.dwServiceType = SERVICE_WIN32;
  g_status.dwCurrentState = state;
  g_status.dwControlsAccepted = state == SERVICE_RUNNING || state == SERVICE_PAUSED
                                    ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PAUSE_CONTINUE
                                    : 0;
  SetServiceStatus(g_status_handle, &g_status);
}

DWORD WINAPI Handle(DWORD control, DWORD, void*, void*) {
  switch (control) {
    case SERVICE_CONTROL_STOP:
      Report(SERVICE_STOP_PENDING);
      SetEvent(g_stop);
      break;
    case SERVICE_CONTROL_PAUSE:
      Report(SERVICE_PAUSED);
      break;
    case SERVICE_CONTROL_CONTINUE:
      Report(SERVICE_RUNNING);
      break;
    case SERVICE_CONTROL_INTERROGATE:
      break;
    default:
      if (control < 128) return ERROR_CALL_NOT_IMPLEMENTED;
      g_status.dwServiceSpecificExitCode = control;
      Report(g_status.dwCurrentState);
  }
  return NO_ERROR;
}

// Arguments: "code N" stops with that exit code at once.
void WINAPI Main(DWORD argc, wchar_t** argv) {
  g_stop = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  g_status_handle = RegisterServiceCtrlHandlerExW(argv[0], Handle, nullptr);
  // What a service keeps: visible to its own VM alone.
  wchar_t folder[MAX_PATH];
  GetModuleFileNameW(nullptr, folder, MAX_PATH);
  if (wchar_t* slash = wcsrchr(folder, L'\\')) *slash = 0;
  const std::wstring file = std::wstring(folder) + L"\\ran-" + argv[0] + L".txt";
  CloseHandle(CreateFileW(file.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr));
  g_status.dwServiceSpecificExitCode = argc;
  Report(SERVICE_START_PENDING);
  Report(SERVICE_RUNNING);
  if (argc == 3 && wcscmp(argv[1], L"code") == 0)
    Sleep(1000), g_status.dwWin32ExitCode = static_cast<DWORD>(_wtoi(argv[2]));  // seen running before
  else
    WaitForSingleObject(g_stop, INFINITE);
  Report(SERVICE_STOPPED);
}

SC_HANDLE g_manager;

const char* Error(bool ok) {
  static char text[32];
  const DWORD code = GetLastError();
  snprintf(text, sizeof(text), ok ? "ok" : "error %lu", code);
  return text;
}

std::wstring Command(const wchar_t* mode) {
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(nullptr, path, MAX_PATH);
  return L"\"" + std::wstring(path) + L"\" service " + mode;
}

SC_HANDLE Create(const std::wstring& name, DWORD type, DWORD start, const wchar_t* depends = nullptr) {
  return CreateServiceW(g_manager, name.c_str(), (L"The service " + name).c_str(), SERVICE_ALL_ACCESS, type,
                        start, SERVICE_ERROR_NORMAL,
                        Command(type == SERVICE_WIN32_SHARE_PROCESS ? L"shared" : L"").c_str(), nullptr,
                        nullptr, depends, nullptr, nullptr);
}

SERVICE_STATUS_PROCESS Status(SC_HANDLE service) {
  SERVICE_STATUS_PROCESS s = {};
  DWORD needed = 0;
  QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&s), sizeof(s), &needed);
  return s;
}

// The state it comes to, ten seconds at most.
DWORD Await(SC_HANDLE service, DWORD wanted) {
  DWORD state = 0;
  for (int i = 0; i < 200; ++i, Sleep(50))
    if (state = Status(service).dwCurrentState; state == wanted) break;
  return state;
}

bool ProcessIsOurs(DWORD pid) {
  const HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  wchar_t path[MAX_PATH] = {}, own[MAX_PATH] = {};
  DWORD size = MAX_PATH;
  GetModuleFileNameW(nullptr, own, MAX_PATH);
  const bool same =
      process && QueryFullProcessImageNameW(process, 0, path, &size) && _wcsicmp(path, own) == 0;
  CloseHandle(process);
  return same;
}

void Control(const char* what, SC_HANDLE service, DWORD control) {
  SERVICE_STATUS s = {};
  const bool ok = ControlService(service, control, &s);
  printf("%s: %s", what, Error(ok));
  // What is asked to stop may have done so already.
  if (ok && control != SERVICE_CONTROL_STOP)
    printf(", state %lu, specific %lu", s.dwCurrentState, s.dwServiceSpecificExitCode);
  printf("\n");
}

int g_notified;
void CALLBACK Notified(void* data) {
  const auto* n = static_cast<SERVICE_NOTIFYW*>(data);
  g_notified = static_cast<int>(n->dwNotificationTriggered);
}

void Configure(SC_HANDLE one, const std::wstring& name) {
  alignas(8) BYTE buffer[4096];
  DWORD needed = 0;
  bool ok =
      QueryServiceConfigW(one, reinterpret_cast<QUERY_SERVICE_CONFIGW*>(buffer), sizeof(buffer), &needed);
  auto* config = reinterpret_cast<QUERY_SERVICE_CONFIGW*>(buffer);
  printf("configuration: %s", Error(ok));
  printf(", type %lu, start %lu, error %lu, command %d, account %ls\n", config->dwServiceType,
         config->dwStartType, config->dwErrorControl, Command(L"") == config->lpBinaryPathName,
         config->lpServiceStartName);
  ok = ChangeServiceConfigW(one, SERVICE_NO_CHANGE, SERVICE_DISABLED, SERVICE_NO_CHANGE, nullptr, nullptr,
                            nullptr, nullptr, nullptr, nullptr, L"Another display name");
  printf("disable: %s\n", Error(ok));
  printf("start a disabled one: %s\n", Error(StartServiceW(one, 0, nullptr)));
  ok = ChangeServiceConfigW(one, SERVICE_NO_CHANGE, SERVICE_DEMAND_START, SERVICE_NO_CHANGE, nullptr, nullptr,
                            nullptr, nullptr, nullptr, nullptr, nullptr);
  printf("on demand: %s\n", Error(ok));
  wchar_t text[256] = L"";
  DWORD size = 256;
  ok = GetServiceDisplayNameW(g_manager, name.c_str(), text, &size);
  printf("display name: %s, %ls\n", Error(ok), text);
  size = 256;
  ok = GetServiceKeyNameW(g_manager, L"Another display name", text, &size);
  printf("key name: %s, %d\n", Error(ok), name == text);
  SERVICE_DESCRIPTIONW description = {const_cast<wchar_t*>(L"What it is for")};
  printf("describe: %s\n", Error(ChangeServiceConfig2W(one, SERVICE_CONFIG_DESCRIPTION, &description)));
  ok = QueryServiceConfig2W(one, SERVICE_CONFIG_DESCRIPTION, buffer, sizeof(buffer), &needed);
  printf("description: %s, %ls\n", Error(ok), reinterpret_cast<SERVICE_DESCRIPTIONW*>(buffer)->lpDescription);
  SC_ACTION action = {SC_ACTION_RESTART, 100};
  SERVICE_FAILURE_ACTIONSW actions = {60, nullptr, nullptr, 1, &action};
  printf("failure actions: %s", Error(ChangeServiceConfig2W(one, SERVICE_CONFIG_FAILURE_ACTIONS, &actions)));
  printf(", asked %s\n",
         Error(QueryServiceConfig2W(one, SERVICE_CONFIG_FAILURE_ACTIONS, buffer, sizeof(buffer), &needed)));
}

void Run(SC_HANDLE one) {
  printf("stopped: state %lu, code %lu\n", Status(one).dwCurrentState, Status(one).dwWin32ExitCode);
  SERVICE_NOTIFYW notify = {};
  notify.dwVersion = SERVICE_NOTIFY_STATUS_CHANGE;
  notify.pfnNotifyCallback = Notified;
  notify.pContext = nullptr;
  printf("notify: %lu\n", NotifyServiceStatusChangeW(one, SERVICE_NOTIFY_RUNNING, &notify));
  const wchar_t* arguments[] = {L"first", L"second argument"};
  printf("start: %s\n", Error(StartServiceW(one, 2, arguments)));
  printf("runs: state %lu\n", Await(one, SERVICE_RUNNING));
  for (int i = 0; i < 100 && g_notified == 0; ++i) SleepEx(50, TRUE);
  printf("notified: %d\n", g_notified);
  const SERVICE_STATUS_PROCESS s = Status(one);
  printf("arguments: %lu, process %d\n", s.dwServiceSpecificExitCode, ProcessIsOurs(s.dwProcessId));
  printf("start again: %s\n", Error(StartServiceW(one, 0, nullptr)));
  Control("interrogate", one, SERVICE_CONTROL_INTERROGATE);
  Control("pause", one, SERVICE_CONTROL_PAUSE);
  printf("paused: state %lu\n", Await(one, SERVICE_PAUSED));
  Control("continue", one, SERVICE_CONTROL_CONTINUE);
  printf("continued: state %lu\n", Await(one, SERVICE_RUNNING));
  Control("own control", one, 200);
  printf("own control came: %lu\n", Status(one).dwServiceSpecificExitCode);
  Control("a control it does not take", one, SERVICE_CONTROL_PARAMCHANGE);
  Control("stop", one, SERVICE_CONTROL_STOP);
  printf("has stopped: state %lu\n", Await(one, SERVICE_STOPPED));
  Control("stop again", one, SERVICE_CONTROL_STOP);
  const wchar_t* fail[] = {L"code", L"42"};
  printf("start one that fails: %s\n", Error(StartServiceW(one, 2, fail)));
  printf("it failed: state %lu", Await(one, SERVICE_STOPPED));
  printf(", code %lu\n", Status(one).dwWin32ExitCode);
}

int CountNamed(const std::wstring& prefix, DWORD state) {
  std::string buffer(1 << 18, 0);
  DWORD needed = 0, count = 0, resume = 0;
  int out = 0;
  if (!EnumServicesStatusExW(g_manager, SC_ENUM_PROCESS_INFO, SERVICE_WIN32, state,
                             reinterpret_cast<BYTE*>(buffer.data()), static_cast<DWORD>(buffer.size()),
                             &needed, &count, &resume, nullptr))
    return -1;
  const auto* all = reinterpret_cast<const ENUM_SERVICE_STATUS_PROCESSW*>(buffer.data());
  for (DWORD i = 0; i < count; ++i)
    if (_wcsnicmp(all[i].lpServiceName, prefix.c_str(), prefix.size()) == 0) ++out;
  return out;
}

int All(const std::wstring& prefix) {
  g_manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_ALL_ACCESS);
  if (g_manager == nullptr) printf("no manager: error %lu\n", GetLastError());
  printf("manager: %s\n", Error(g_manager != nullptr));
  printf("missing: %s\n",
         Error(OpenServiceW(g_manager, (prefix + L"none").c_str(), SERVICE_ALL_ACCESS) != nullptr));
  printf("bad name: %s\n",
         Error(Create(L"a\\b", SERVICE_WIN32_OWN_PROCESS, SERVICE_DEMAND_START) != nullptr));
  const std::wstring name = prefix + L"1";
  const SC_HANDLE one = Create(name, SERVICE_WIN32_OWN_PROCESS, SERVICE_DEMAND_START);
  printf("create: %s\n", Error(one != nullptr));
  printf("create twice: %s\n",
         Error(Create(name, SERVICE_WIN32_OWN_PROCESS, SERVICE_DEMAND_START) != nullptr));
  Configure(one, name);
  Run(one);
  // One that needs another.
  const SC_HANDLE two =
      Create(prefix + L"2", SERVICE_WIN32_OWN_PROCESS, SERVICE_DEMAND_START, (name + L'\0').c_str());
  printf("create a dependent one: %s\n", Error(two != nullptr));
  printf("start it: %s\n", Error(StartServiceW(two, 0, nullptr)));
  printf("it runs: state %lu\n", Await(two, SERVICE_RUNNING));
  printf("what it needs: state %lu\n", Status(one).dwCurrentState);
  (void)StartServiceW(one, 0, nullptr);
  (void)Await(one, SERVICE_RUNNING);
  DWORD needed = 0, count = 0;
  alignas(8) BYTE buffer[4096];
  const bool ok =
      EnumDependentServicesW(one, SERVICE_STATE_ALL, reinterpret_cast<ENUM_SERVICE_STATUSW*>(buffer),
                             sizeof(buffer), &needed, &count);
  printf("dependents: %s, %lu\n", Error(ok), count);
  Control("stop what is needed", one, SERVICE_CONTROL_STOP);
  Control("stop the dependent one", two, SERVICE_CONTROL_STOP);
  printf("both stopped: %lu %lu\n", Await(one, SERVICE_STOPPED), Await(two, SERVICE_STOPPED));
  const SC_HANDLE shared = Create(prefix + L"3", SERVICE_WIN32_SHARE_PROCESS, SERVICE_AUTO_START);
  printf("create a sharing one: %s\n", Error(shared != nullptr));
  printf("start it: %s\n", Error(StartServiceW(shared, 0, nullptr)));
  printf("it runs: state %lu\n", Await(shared, SERVICE_RUNNING));
  printf("listed: %d, running %d\n", CountNamed(prefix, SERVICE_STATE_ALL),
         CountNamed(prefix, SERVICE_ACTIVE));
  printf("delete a running one: %s\n", Error(DeleteService(shared)));
  printf("delete it twice: %s\n", Error(DeleteService(shared)));
  Control("stop it", shared, SERVICE_CONTROL_STOP);
  printf("stopped: %lu\n", Await(shared, SERVICE_STOPPED));
  printf("delete: %s\n", Error(DeleteService(one)));
  printf("delete: %s\n", Error(DeleteService(two)));
  for (const SC_HANDLE h : {one, two, shared}) CloseServiceHandle(h);
  printf("gone: %s\n", Error(OpenServiceW(g_manager, name.c_str(), SERVICE_ALL_ACCESS) != nullptr));
  // A deleted one goes with its process.
  for (int i = 0; i < 200 && CountNamed(prefix, SERVICE_STATE_ALL) != 0; ++i) Sleep(50);
  printf("listed: %d\n", CountNamed(prefix, SERVICE_STATE_ALL));
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"service") {
    wchar_t any[] = L"";
    const bool shared = argc > 2;
    const SERVICE_TABLE_ENTRYW table[] = {{any, Main}, {nullptr, nullptr}};
    // A process that may hold several services has to say which; this one is asked by the name it has.
    const SERVICE_TABLE_ENTRYW named[] = {{const_cast<wchar_t*>(L"plumetest3"), Main}, {nullptr, nullptr}};
    return StartServiceCtrlDispatcherW(shared ? named : table) ? 0 : 1;
  }
  if (verb == L"all" && argc > 2) return All(argv[2]);
  g_manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_ALL_ACCESS);
  if (g_manager == nullptr) printf("no manager: error %lu\n", GetLastError());
  if (verb == L"install" && argc > 3) {
    const SC_HANDLE made = Create(argv[2], SERVICE_WIN32_OWN_PROCESS,
                                  wcscmp(argv[3], L"auto") == 0 ? SERVICE_AUTO_START : SERVICE_DEMAND_START);
    printf("install: %s\n", Error(made != nullptr));
    return made ? 0 : 1;
  }
  const SC_HANDLE service = argc > 2 ? OpenServiceW(g_manager, argv[2], SERVICE_ALL_ACCESS) : nullptr;
  if (service == nullptr) {
    printf("no service: error %lu\n", GetLastError());
    return 2;
  }
  if (verb == L"start") {
    printf("start: %s\n", Error(StartServiceW(service, 0, nullptr)));
    return Await(service, SERVICE_RUNNING) == SERVICE_RUNNING ? 0 : 1;
  }
  if (verb == L"stop") {
    Control("stop", service, SERVICE_CONTROL_STOP);
    return Await(service, SERVICE_STOPPED) == SERVICE_STOPPED ? 0 : 1;
  }
  if (verb == L"state") {
    if (argc > 3) (void)Await(service, static_cast<DWORD>(_wtoi(argv[3])));
    const SERVICE_STATUS_PROCESS s = Status(service);
    printf("state %lu process %lu\n", s.dwCurrentState, s.dwProcessId);
    return 0;
  }
  return 3;
}
