#include "com_testing.h"

#include <objbase.h>
#include <objidl.h>
#include <winternl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace plume::conformance {
namespace {

DWORD Fold(const std::wstring& text, DWORD seed) {
  DWORD h = 2166136261u ^ seed;
  for (const wchar_t c : text) h = (h ^ c) * 16777619u;
  return h;
}

struct Work {
  const std::function<void()>* work;
  DWORD coinit;
  HANDLE done;
};

DWORD WINAPI RunWork(void* data) {
  const Work work = *static_cast<Work*>(data);
  CoInitializeEx(nullptr, work.coinit);
  (*work.work)();
  if (work.done != nullptr) {
    SetEvent(work.done);
    Sleep(INFINITE);
  }
  CoUninitialize();
  return 0;
}

volatile LONG g_objects;

}  // namespace

ComAnswer AnswerOf(const CLSID& packed) {
  ComAnswer out;
  out.process = packed.Data1;
  out.kind = static_cast<ComKind>(packed.Data2);
  out.apartment = packed.Data3;
  std::memcpy(&out.tag, packed.Data4, sizeof(out.tag));
  return out;
}

HRESULT Ask(IUnknown* object, ComAnswer* answer) {
  IPersist* persist = nullptr;
  HRESULT hr = object->QueryInterface(IID_IPersist, reinterpret_cast<void**>(&persist));
  if (FAILED(hr)) return hr;
  CLSID packed = {};
  hr = persist->GetClassID(&packed);
  persist->Release();
  if (SUCCEEDED(hr)) *answer = AnswerOf(packed);
  return hr;
}

CLSID ClassOf(const Context& c, const wchar_t* which) {
  const std::wstring name = c.Name(which);
  CLSID out = {};
  out.Data1 = 0xC0DE0000 | (Fold(name, 1) & 0xFFFF);
  const DWORD rest[] = {Fold(name, 2), Fold(name, 3), Fold(name, 4)};
  std::memcpy(&out.Data2, rest, sizeof(rest));
  return out;
}

std::wstring TextOf(const GUID& id) {
  wchar_t text[64];
  StringFromGUID2(id, text, 64);
  return text;
}

DWORD TagOf(const std::string& text) { return Fold(std::wstring(text.begin(), text.end()), 5) | 1; }

bool SetKey(HKEY root, const std::wstring& key, const std::wstring& value, const wchar_t* name) {
  return RegSetKeyValueW(root, (L"Software\\Classes\\" + key).c_str(), name, REG_SZ, value.c_str(),
                         static_cast<DWORD>((value.size() + 1) * sizeof(wchar_t))) == 0;
}

bool SetClassKey(HKEY root, const CLSID& id, const std::wstring& key, const std::wstring& value,
                 const wchar_t* name) {
  return SetKey(root, L"CLSID\\" + TextOf(id) + (key.empty() ? L"" : L"\\" + key), value, name);
}

std::wstring ServerDll() {
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(nullptr, path, MAX_PATH);
  std::wstring out = path;
  return out.substr(0, out.rfind(L'\\') + 1) + L"conformance_com.dll";
}

std::wstring Surrogate() {
  wchar_t folder[MAX_PATH];
  GetSystemDirectoryW(folder, MAX_PATH);
  return std::wstring(folder) + L"\\dllhost.exe";
}

bool RegisterClass(HKEY root, const CLSID& id, ComKind kind, const wchar_t* model, DWORD tag) {
  const std::wstring key = L"Software\\Classes\\CLSID\\" + TextOf(id);
  RegDeleteTreeW(root, key.c_str());
  if (!SetClassKey(root, id, L"", L"Plume conformance") ||
      RegSetKeyValueW(root, key.c_str(), L"Tag", REG_DWORD, &tag, sizeof(tag)) != 0)
    return false;
  if (kind == ComKind::kDll)
    return SetClassKey(root, id, L"InprocServer32", ServerDll()) &&
           (*model == 0 || SetClassKey(root, id, L"InprocServer32", model, L"ThreadingModel"));
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(nullptr, path, MAX_PATH);
  return SetClassKey(
      root, id, L"LocalServer32",
      L"\"" + std::wstring(path) + L"\" serve-class " + TextOf(id) + L" " + std::to_wstring(tag));
}

void UnregisterClass(HKEY root, const CLSID& id) {
  RegDeleteTreeW(root, (L"Software\\Classes\\CLSID\\" + TextOf(id)).c_str());
  RegDeleteKeyW(root, (L"Software\\Classes\\CLSID\\" + TextOf(id)).c_str());
}

void InApartment(DWORD coinit, const std::function<void()>& work) {
  Work data{&work, coinit, nullptr};
  const HANDLE thread = CreateThread(nullptr, 0, RunWork, &data, 0, nullptr);
  // Objects of the main thread's apartment may be asked meanwhile.
  while (MsgWaitForMultipleObjects(1, &thread, FALSE, INFINITE, QS_ALLINPUT) == WAIT_OBJECT_0 + 1) {
    MSG message;
    while (PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE)) DispatchMessageW(&message);
  }
  CloseHandle(thread);
}

void InLastingApartment(const std::function<void()>& work) {
  Work data{&work, COINIT_MULTITHREADED, CreateEventW(nullptr, TRUE, FALSE, nullptr)};
  CloseHandle(CreateThread(nullptr, 0, RunWork, &data, 0, nullptr));
  WaitForSingleObject(data.done, INFINITE);
}

HRESULT CreateAndAsk(const CLSID& id, DWORD context, ComAnswer* answer) {
  IUnknown* object = nullptr;
  HRESULT hr = CoCreateInstance(id, nullptr, context, IID_IUnknown, reinterpret_cast<void**>(&object));
  if (FAILED(hr)) return hr;
  hr = Ask(object, answer);
  object->Release();
  return hr;
}

int CreateClass(const char* text) {
  const std::string given = text;
  CLSID id = {};
  CLSIDFromString(const_cast<wchar_t*>(std::wstring(given.begin(), given.end()).c_str()), &id);
  CoInitializeEx(nullptr, COINIT_APARTMENTTHREADED);
  IUnknown* object = nullptr;
  const HRESULT hr =
      CoCreateInstance(id, nullptr, CLSCTX_INPROC_SERVER, IID_IUnknown, reinterpret_cast<void**>(&object));
  std::printf("created %08lx\n", static_cast<unsigned long>(hr));
  if (object != nullptr) object->Release();
  CoUninitialize();
  return FAILED(hr);
}

int OutliveServer() {
  CLSID id = {};
  CoCreateGuid(&id);
  if (!RegisterClass(HKEY_LOCAL_MACHINE, id, ComKind::kProgram, L"", 1)) return 1;
  HRESULT hr = E_FAIL;
  ComAnswer first, again;
  InApartment(COINIT_MULTITHREADED, [&] {
    hr = CreateAndAsk(id, CLSCTX_LOCAL_SERVER, &first);
    const HANDLE server = OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, first.process);
    if (FAILED(hr) || !TerminateProcess(server, 9)) return;
    WaitForSingleObject(server, 5000);
    CloseHandle(server);
    // Until that is noticed the dead one's class is handed out.
    for (int i = 0; i < 600; ++i, Sleep(100))
      if (hr = CreateAndAsk(id, CLSCTX_LOCAL_SERVER, &again); SUCCEEDED(hr)) break;
  });
  UnregisterClass(HKEY_LOCAL_MACHINE, id);
  const bool other = SUCCEEDED(hr) && again.process != first.process;
  std::printf("server killed: %s %08lx\n", other ? "another one answers" : "none answers",
              static_cast<unsigned long>(hr));
  return other ? 0 : 1;
}

namespace {

CLSID IdOf(const char* text) {
  const std::string given = text;
  CLSID id = {};
  CLSIDFromString(const_cast<wchar_t*>(std::wstring(given.begin(), given.end()).c_str()), &id);
  return id;
}

// Serves the class until its objects are gone, `client` (may be null) has ended, or half a minute has passed.
int ServeUntilUnused(const CLSID& id, ComKind kind, DWORD tag, HANDLE client) {
  CoInitializeEx(nullptr, COINIT_MULTITHREADED);
  IUnknown* factory = MakeClassObject(kind, tag, &g_objects);
  factory->AddRef();
  DWORD cookie = 0;
  if (FAILED(CoRegisterClassObject(id, factory, CLSCTX_LOCAL_SERVER, REGCLS_MULTIPLEUSE, &cookie))) return 2;
  bool used = false;
  for (int ticks = 0; ticks < 600 && !(used && g_objects == 0); ++ticks) {
    if (client == nullptr) Sleep(50);
    if (client != nullptr && WaitForSingleObject(client, 50) != WAIT_TIMEOUT) break;
    used = used || g_objects > 0;
  }
  CoRevokeClassObject(cookie);
  factory->Release();
  CoUninitialize();
  return 0;
}

struct Service {
  std::wstring name;
  CLSID id = {};
  DWORD tag = 0;
} g_service;

DWORD WINAPI Ignore(DWORD, DWORD, void*, void*) { return NO_ERROR; }

void WINAPI ServiceMain(DWORD, wchar_t**) {
  const SERVICE_STATUS_HANDLE handle = RegisterServiceCtrlHandlerExW(g_service.name.c_str(), Ignore, nullptr);
  SERVICE_STATUS status = {};
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = SERVICE_RUNNING;
  SetServiceStatus(handle, &status);
  (void)ServeUntilUnused(g_service.id, ComKind::kService, g_service.tag, nullptr);
  const SC_HANDLE manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT);
  const SC_HANDLE own = OpenServiceW(manager, g_service.name.c_str(), DELETE);
  DeleteService(own);
  CloseServiceHandle(own);
  CloseServiceHandle(manager);
  status.dwCurrentState = SERVICE_STOPPED;
  SetServiceStatus(handle, &status);
}

}  // namespace

std::wstring ServiceCommand(const std::wstring& name, const CLSID& id, DWORD tag) {
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(nullptr, path, MAX_PATH);
  return L"\"" + std::wstring(path) + L"\" serve-service " + name + L" " + TextOf(id) + L" " +
         std::to_wstring(tag);
}

int ServeService(int argc, char** argv) {
  if (argc < 5) return 1;
  const std::string name = argv[2];
  g_service = {std::wstring(name.begin(), name.end()), IdOf(argv[3]),
               static_cast<DWORD>(strtoul(argv[4], nullptr, 10))};
  SERVICE_TABLE_ENTRYW table[] = {{g_service.name.data(), ServiceMain}, {nullptr, nullptr}};
  return StartServiceCtrlDispatcherW(table) ? 0 : 1;
}

int ServeClass(int argc, char** argv) {
  if (argc < 4) return 1;
  // Its client may end without a word; then nobody needs it.
  PROCESS_BASIC_INFORMATION own = {};
  NtQueryInformationProcess(GetCurrentProcess(), ProcessBasicInformation, &own, sizeof(own), nullptr);
  const HANDLE client = OpenProcess(SYNCHRONIZE, FALSE, static_cast<DWORD>(own.InheritedFromUniqueProcessId));
  if (client == nullptr) return 1;
  return ServeUntilUnused(IdOf(argv[2]), ComKind::kProgram, static_cast<DWORD>(strtoul(argv[3], nullptr, 10)),
                          client);
}

}  // namespace plume::conformance
