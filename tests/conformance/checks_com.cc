// COM: classes in DLLs, servers in processes, running objects. The same class in several places:
// checks_com_clash.cc.
#include <objbase.h>
#include <objidl.h>
// clang-format off
#include <comcat.h>
#include <oleauto.h>
// clang-format on

#include <cstdio>

#include "com_testing.h"

namespace plume::conformance {
namespace {

volatile LONG g_held;
constexpr const char* kSeen = "a VM sees the classes that are registered on its machine";
const HKEY kMachine = HKEY_LOCAL_MACHINE, kUser = HKEY_CURRENT_USER;

std::string Failed(const char* what, HRESULT hr) {
  return std::string(what) + " " + Hex(static_cast<unsigned long>(hr));
}
Finding Found(HRESULT hr, bool right, const std::string& detail = {}) {
  if (FAILED(hr)) return Isolated(Hex(static_cast<unsigned long>(hr)));
  return right ? Visible(detail) : Isolated(detail.empty() ? "another one answered" : detail);
}
DWORD Tag(const Context& c) { return TagOf(c.id + c.check); }

// --- in the process
// ---------------------------------------------------------------------------------------------

template <const HKEY& kRoot>
std::string HoldDll(Context& c, const wchar_t* model) {
  return RegisterClass(kRoot, ClassOf(c), ComKind::kDll, model, Tag(c)) ? std::string() : LastError();
}
Finding CreatesDll(Context& c, DWORD coinit) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(coinit, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_INPROC_SERVER, &answer); });
  return Found(hr, answer.kind == ComKind::kDll && answer.tag == Tag(c));
}
Finding InSta(Context& c) { return CreatesDll(c, COINIT_APARTMENTTHREADED); }
Finding OfTheUser(Context& c) {
  if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr)
    return Unsupported("Wine's COM reads the machine's classes only");
  return InSta(c);
}
Finding InMta(Context& c) { return CreatesDll(c, COINIT_MULTITHREADED); }
std::string HoldSta(Context& c) { return HoldDll<kMachine>(c, L"Apartment"); }
std::string HoldFree(Context& c) { return HoldDll<kMachine>(c, L"Free"); }
std::string HoldBoth(Context& c) { return HoldDll<kMachine>(c, L"Both"); }
std::string HoldSingle(Context& c) { return HoldDll<kMachine>(c, L""); }
std::string HoldNeutral(Context& c) { return HoldDll<kMachine>(c, L"Neutral"); }
std::string HoldUser(Context& c) { return HoldDll<kUser>(c, L"Both"); }

CHECK_WITH(com, dll_apartment, kMachineSeen, kSeen, HoldSta, InSta);
CHECK_WITH(com, dll_apartment_from_mta, kMachineSeen, kSeen, HoldSta, InMta);
CHECK_WITH(com, dll_free, kMachineSeen, kSeen, HoldFree, InMta);
CHECK_WITH(com, dll_free_from_sta, kMachineSeen, kSeen, HoldFree, InSta);
CHECK_WITH(com, dll_both, kMachineSeen, kSeen, HoldBoth, InSta);
CHECK_WITH(com, dll_both_from_mta, kMachineSeen, kSeen, HoldBoth, InMta);
CHECK_WITH(com, dll_neutral, kMachineSeen, kSeen, HoldNeutral, InSta);
CHECK_WITH(com, dll_neutral_from_mta, kMachineSeen, kSeen, HoldNeutral, InMta);
CHECK_WITH(com, dll_single, kMachineSeen, kSeen, HoldSingle, InSta);
CHECK_WITH(com, dll_of_the_user, kMachineSeen, kSeen, HoldUser, OfTheUser);
CHECK_WITH(com, dll_class_object, kMachineSeen, kSeen, HoldBoth, [](Context& c) {
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] {
    IClassFactory* factory = nullptr;
    hr = CoGetClassObject(ClassOf(c), CLSCTX_INPROC_SERVER, nullptr, IID_IClassFactory,
                          reinterpret_cast<void**>(&factory));
    if (SUCCEEDED(hr)) factory->Release();
  });
  return Found(hr, true);
});
CHECK_WITH(com, several_interfaces, kMachineSeen, kSeen, HoldBoth, [](Context& c) {
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] {
    MULTI_QI wanted[] = {{&IID_IPersist, nullptr, S_OK}, {&IID_IPersistFile, nullptr, S_OK}};
    hr = CoCreateInstanceEx(ClassOf(c), nullptr, CLSCTX_INPROC_SERVER, nullptr, 2, wanted);
    for (MULTI_QI& q : wanted)
      if (q.pItf != nullptr) q.pItf->Release();
  });
  return Found(hr, hr == S_OK);
});

std::wstring ProgId(const Context& c) { return L"PlumeConf." + TextOf(ClassOf(c)).substr(1, 8); }
std::string HoldProgId(Context& c) {
  const std::wstring id = TextOf(ClassOf(c));
  if (!SetClassKey(kMachine, ClassOf(c), L"ProgID", ProgId(c) + L".1") ||
      !SetKey(kMachine, ProgId(c) + L".1\\CLSID", id) || !SetKey(kMachine, ProgId(c) + L"\\CLSID", id) ||
      !SetKey(kMachine, ProgId(c) + L"\\CurVer", ProgId(c) + L".1"))
    return LastError();
  return HoldBoth(c).empty() && SetClassKey(kMachine, ClassOf(c), L"ProgID", ProgId(c) + L".1") ? ""
                                                                                                : LastError();
}
Finding ByProgId(Context& c, const std::wstring& name) {
  CLSID id = {};
  const HRESULT hr = CLSIDFromProgID(name.c_str(), &id);
  return Found(hr, id == ClassOf(c));
}
CHECK_WITH(com, program_id, kMachineSeen, kSeen, HoldProgId,
           [](Context& c) { return ByProgId(c, ProgId(c) + L".1"); });
CHECK_WITH(com, program_id_without_version, kMachineSeen, kSeen, HoldProgId,
           [](Context& c) { return ByProgId(c, ProgId(c)); });
CHECK_WITH(com, program_id_of_class, kMachineSeen, kSeen, HoldProgId, [](Context& c) {
  LPOLESTR name = nullptr;
  const HRESULT hr = ProgIDFromCLSID(ClassOf(c), &name);
  const bool right = SUCCEEDED(hr) && ProgId(c) + L".1" == name;
  CoTaskMemFree(name);
  return Found(hr, right);
});
CHECK_WITH(
    com, class_of_file, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      const bool done = SetKey(kMachine, L"." + ProgId(c).substr(10), ProgId(c)) &&
                        SetKey(kMachine, ProgId(c) + L"\\CLSID", TextOf(ClassOf(c)));
      return done ? "" : LastError();
    },
    [](Context& c) {
      const std::wstring file = c.Folder() + L"document." + ProgId(c).substr(10);
      CloseHandle(CreateFileW(file.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr));
      CLSID id = {};
      const HRESULT hr = GetClassFile(file.c_str(), &id);
      return Found(hr, id == ClassOf(c));
    });
CHECK_WITH(
    com, treat_as, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      if (!RegisterClass(kMachine, ClassOf(c, L"new"), ComKind::kDll, L"Both", Tag(c))) return LastError();
      if (!SetClassKey(kMachine, ClassOf(c), L"", L"old")) return LastError();
      const HRESULT hr = CoTreatAsClass(ClassOf(c), ClassOf(c, L"new"));
      return SUCCEEDED(hr) ? "" : Failed("CoTreatAsClass", hr);
    },
    InSta);
CHECK_WITH(
    com, treat_as_asked, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      return SetClassKey(kMachine, ClassOf(c), L"TreatAs", TextOf(ClassOf(c, L"new"))) ? "" : LastError();
    },
    [](Context& c) {
      CLSID id = {};
      const HRESULT hr = CoGetTreatAsClass(ClassOf(c), &id);
      return Found(hr, hr == S_OK && id == ClassOf(c, L"new"));
    });
CHECK_WITH(
    com, category, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      return HoldBoth(c).empty() &&
                     SetClassKey(kMachine, ClassOf(c),
                                 L"Implemented Categories\\" + TextOf(ClassOf(c, L"category")), L"")
                 ? ""
                 : LastError();
    },
    [](Context& c) {
      HRESULT hr = E_FAIL;
      bool found = false;
      InApartment(COINIT_APARTMENTTHREADED, [&] {
        ICatInformation* information = nullptr;
        hr = CoCreateInstance(CLSID_StdComponentCategoriesMgr, nullptr, CLSCTX_INPROC_SERVER,
                              IID_ICatInformation, reinterpret_cast<void**>(&information));
        if (FAILED(hr)) return;
        CATID category = ClassOf(c, L"category");
        IEnumGUID* classes = nullptr;
        hr = information->EnumClassesOfCategories(1, &category, static_cast<ULONG>(-1), nullptr, &classes);
        CLSID id = {};
        while (SUCCEEDED(hr) && classes->Next(1, &id, nullptr) == S_OK) found = found || id == ClassOf(c);
        if (classes != nullptr) classes->Release();
        information->Release();
      });
      return Found(hr, found);
    });
CHECK_WITH(
    com, proxy_of_interface, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      return SetKey(kMachine, L"Interface\\" + TextOf(ClassOf(c, L"i")) + L"\\ProxyStubClsid32",
                    TextOf(ClassOf(c)))
                 ? ""
                 : LastError();
    },
    [](Context& c) {
      CLSID id = {};
      HRESULT hr = E_FAIL;
      InApartment(COINIT_MULTITHREADED, [&] { hr = CoGetPSClsid(ClassOf(c, L"i"), &id); });
      return Found(hr, id == ClassOf(c));
    });
CHECK_WITH(
    com, type_library, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      const std::wstring file = c.Folder() + L"types.tlb";
      ICreateTypeLib2* maker = nullptr;
      HRESULT hr = CreateTypeLib2(SYS_WIN64, file.c_str(), &maker);
      if (FAILED(hr)) return Failed("CreateTypeLib2", hr);
      wchar_t name[] = L"PlumeConf";
      maker->SetGuid(ClassOf(c));
      maker->SetName(name);
      maker->SetVersion(3, 1);
      hr = maker->SaveAllChanges();
      ITypeLib* library = nullptr;
      if (SUCCEEDED(hr)) hr = LoadTypeLibEx(file.c_str(), REGKIND_NONE, &library);
      if (SUCCEEDED(hr)) hr = RegisterTypeLib(library, const_cast<wchar_t*>(file.c_str()), nullptr);
      if (library != nullptr) library->Release();
      maker->Release();
      return SUCCEEDED(hr) ? "" : Failed("RegisterTypeLib", hr);
    },
    [](Context& c) {
      ITypeLib* library = nullptr;
      const HRESULT hr = LoadRegTypeLib(ClassOf(c), 3, 1, 0, &library);
      if (library != nullptr) library->Release();
      return Found(hr, true);
    });
CHECK_WITH(
    com, without_registration, kMachineSeen, "a VM sees the files of its machine",
    [](Context& c) -> std::string {
      const std::wstring file = c.Folder() + L"application.manifest";
      // The file is searched beside the manifest.
      if (!CopyFileW(ServerDll().c_str(), (c.Folder() + L"conformance_com.dll").c_str(), FALSE))
        return LastError();
      std::string id;
      for (const wchar_t ch : TextOf(ClassOf(c))) id.push_back(static_cast<char>(ch));
      const std::string text =
          "<assembly xmlns='urn:schemas-microsoft-com:asm.v1' manifestVersion='1.0'><assemblyIdentity "
          "type='win32' "
          "name='Plume.Conformance' version='1.0.0.0' processorArchitecture='amd64'/><file "
          "name='conformance_com.dll'>"
          "<comClass clsid='" +
          id + "' threadingModel='Both'/></file></assembly>";
      const HANDLE h = CreateFileW(file.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
      DWORD written = 0;
      const bool done = WriteFile(h, text.data(), static_cast<DWORD>(text.size()), &written, nullptr);
      CloseHandle(h);
      return done ? "" : LastError();
    },
    [](Context& c) {
      const std::wstring file = c.Folder() + L"application.manifest";
      ACTCTXW wanted = {};
      wanted.cbSize = sizeof(wanted);
      wanted.lpSource = file.c_str();
      const HANDLE context = CreateActCtxW(&wanted);
      if (context == INVALID_HANDLE_VALUE) return Isolated(LastError());
      HRESULT hr = E_FAIL;
      ComAnswer answer;
      InApartment(COINIT_APARTMENTTHREADED, [&] {
        ULONG_PTR cookie = 0;
        ActivateActCtx(context, &cookie);
        hr = CreateAndAsk(ClassOf(c), CLSCTX_INPROC_SERVER, &answer);
        DeactivateActCtx(0, cookie);
      });
      ReleaseActCtx(context);
      return Found(hr, answer.kind == ComKind::kDll);
    });

// --- class objects of a running process
// ---------------------------------------------------------------------------

template <DWORD kFlags>
std::string HoldObject(Context& c) {
  HRESULT hr = E_FAIL;
  InLastingApartment([&] {
    IUnknown* factory = MakeClassObject(ComKind::kHolder, Tag(c), &g_held);
    factory->AddRef();
    DWORD cookie = 0;
    hr = CoRegisterClassObject(ClassOf(c), factory, CLSCTX_LOCAL_SERVER, kFlags, &cookie);
    if (SUCCEEDED(hr) && (kFlags & REGCLS_SUSPENDED)) hr = CoResumeClassObjects();
  });
  return SUCCEEDED(hr) ? "" : Failed("CoRegisterClassObject", hr);
}
Finding ReachesHolder(Context& c, DWORD coinit) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(coinit, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_LOCAL_SERVER, &answer); });
  return Found(hr, answer.kind == ComKind::kHolder && answer.tag == Tag(c));
}
Finding ReachesFromSta(Context& c) { return ReachesHolder(c, COINIT_APARTMENTTHREADED); }
Finding ReachesFromMta(Context& c) { return ReachesHolder(c, COINIT_MULTITHREADED); }
CHECK(com, running_class, HoldObject<REGCLS_MULTIPLEUSE>, ReachesFromSta);
CHECK(com, running_class_from_mta, HoldObject<REGCLS_MULTIPLEUSE>, ReachesFromMta);
CHECK(com, running_class_separate, HoldObject<REGCLS_MULTI_SEPARATE>, ReachesFromMta);
CHECK(com, running_class_single_use, HoldObject<REGCLS_SINGLEUSE>, ReachesFromMta);
CHECK(com, running_class_resumed, HoldObject<REGCLS_MULTIPLEUSE | REGCLS_SUSPENDED>, ReachesFromMta);
CHECK(com, running_class_by_moniker, HoldObject<REGCLS_MULTIPLEUSE>, [](Context& c) {
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] {
    IClassFactory* factory = nullptr;
    BIND_OPTS2 options = {};
    options.cbStruct = sizeof(options);
    options.dwClassContext = CLSCTX_LOCAL_SERVER;
    const std::wstring id = TextOf(ClassOf(c));
    hr = CoGetObject((L"clsid:" + id.substr(1, id.size() - 2) + L":").c_str(), &options, IID_IClassFactory,
                     reinterpret_cast<void**>(&factory));
    if (SUCCEEDED(hr)) factory->Release();
  });
  return Found(hr, true);
});
CHECK(com, running_class_from_file, HoldObject<REGCLS_MULTIPLEUSE>, [](Context& c) {
  const std::wstring file = c.Folder() + L"document.txt";
  CloseHandle(CreateFileW(file.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr));
  HRESULT hr = E_FAIL;
  ComAnswer answer;
  InApartment(COINIT_MULTITHREADED, [&] {
    MULTI_QI wanted = {&IID_IPersistFile, nullptr, S_OK};
    CLSID id = ClassOf(c);
    hr = CoGetInstanceFromFile(nullptr, &id, nullptr, CLSCTX_LOCAL_SERVER, STGM_READ,
                               const_cast<wchar_t*>(file.c_str()), 1, &wanted);
    if (SUCCEEDED(hr)) {
      hr = Ask(wanted.pItf, &answer);
      wanted.pItf->Release();
    }
  });
  return Found(hr, answer.kind == ComKind::kHolder && answer.tag == Tag(c));
});

// --- servers that are programs
// --------------------------------------------------------------------------------------

std::string HoldProgram(Context& c) {
  return RegisterClass(kMachine, ClassOf(c), ComKind::kProgram, L"", Tag(c)) ? std::string() : LastError();
}
CHECK_WITH(com, program, kMachineSeen, kSeen, HoldProgram, [](Context& c) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_LOCAL_SERVER, &answer); });
  return Found(hr, answer.kind == ComKind::kProgram && answer.tag == Tag(c));
});
CHECK_WITH(com, program_or_dll, kMachineSeen, kSeen, HoldProgram, [](Context& c) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(COINIT_APARTMENTTHREADED, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_ALL, &answer); });
  return Found(hr, answer.kind == ComKind::kProgram && answer.tag == Tag(c));
});
// One server for each place: the prober must not be served by the program that serves the holder.
std::string HoldServed(Context& c) {
  if (std::string failed = HoldProgram(c); !failed.empty()) return failed;
  HRESULT hr = E_FAIL;
  ComAnswer answer;
  InLastingApartment([&] {
    IUnknown* object = nullptr;  // kept: the server stays
    hr = CoCreateInstance(ClassOf(c), nullptr, CLSCTX_LOCAL_SERVER, IID_IUnknown,
                          reinterpret_cast<void**>(&object));
    if (SUCCEEDED(hr)) hr = Ask(object, &answer);
  });
  c.Give(std::to_string(answer.process));
  return SUCCEEDED(hr) ? "" : Failed("CoCreateInstance", hr);
}
CHECK(com, program_that_runs, HoldServed, [](Context& c) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_LOCAL_SERVER, &answer); });
  return Found(hr, std::to_string(answer.process) == c.given);
});
CHECK_WITH(
    com, surrogate, kMachineSeen, kSeen,
    [](Context& c) -> std::string {
      const std::wstring application = TextOf(ClassOf(c, L"application"));
      const bool done = HoldBoth(c).empty() &&
                        SetClassKey(kMachine, ClassOf(c), L"", application, L"AppID") &&
                        SetKey(kMachine, L"AppID\\" + application, Surrogate(), L"DllSurrogate");
      return done ? "" : LastError();
    },
    [](Context& c) {
      ComAnswer answer;
      HRESULT hr = E_FAIL;
      InApartment(COINIT_MULTITHREADED, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_LOCAL_SERVER, &answer); });
      // The system's surrogate would wait for more.
      const HANDLE surrogate = OpenProcess(PROCESS_TERMINATE, FALSE, answer.process);
      if (SUCCEEDED(hr) && answer.process != GetCurrentProcessId()) TerminateProcess(surrogate, 0);
      CloseHandle(surrogate);
      return Found(hr, answer.kind == ComKind::kDll && answer.tag == Tag(c) &&
                           answer.process != GetCurrentProcessId());
    });

std::string HoldService(Context& c) {
  // Wine reads names of at most 38 units from LocalService.
  const std::wstring name = L"PlumeConf-" + TextOf(ClassOf(c, L"service")).substr(1, 23);
  const std::wstring command = ServiceCommand(name, ClassOf(c), Tag(c));
  const SC_HANDLE manager = OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CREATE_SERVICE);
  const SC_HANDLE service =
      CreateServiceW(manager, name.c_str(), name.c_str(), SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                     SERVICE_DEMAND_START, SERVICE_ERROR_IGNORE, command.c_str(), nullptr, nullptr, nullptr,
                     nullptr, nullptr);
  const std::string failed = service != nullptr ? "" : LastError();
  CloseServiceHandle(service);
  CloseServiceHandle(manager);
  if (!failed.empty()) return failed;
  const std::wstring application = TextOf(ClassOf(c, L"application"));
  const bool done = SetClassKey(kMachine, ClassOf(c), L"", application, L"AppID") &&
                    SetKey(kMachine, L"AppID\\" + application, name, L"LocalService");
  return done ? "" : LastError();
}
CHECK(com, service, HoldService, [](Context& c) {
  ComAnswer answer;
  HRESULT hr = E_FAIL;
  InApartment(COINIT_MULTITHREADED, [&] { hr = CreateAndAsk(ClassOf(c), CLSCTX_LOCAL_SERVER, &answer); });
  return Found(hr, answer.kind == ComKind::kService && answer.tag == Tag(c));
});

// --- running objects
// --------------------------------------------------------------------------------------------------

std::wstring ItemName(const Context& c) { return c.Name(L"item"); }
IMoniker* Item(const Context& c) {
  IMoniker* moniker = nullptr;
  CreateItemMoniker(L"!", ItemName(c).c_str(), &moniker);
  return moniker;
}
std::string HoldRunning(Context& c) {
  HRESULT hr = E_FAIL;
  InLastingApartment([&] {
    IUnknown* object = MakeClassObject(ComKind::kHolder, Tag(c), &g_held);
    object->AddRef();
    IRunningObjectTable* table = nullptr;
    if (FAILED(hr = GetRunningObjectTable(0, &table))) return;
    IMoniker* moniker = Item(c);
    DWORD cookie = 0;
    hr = table->Register(ROTFLAGS_REGISTRATIONKEEPSALIVE, object, moniker, &cookie);
    FILETIME time = {1234, 5678};
    if (SUCCEEDED(hr)) hr = table->NoteChangeTime(cookie, &time);
    moniker->Release();
    table->Release();
  });
  return SUCCEEDED(hr) ? "" : Failed("IRunningObjectTable::Register", hr);
}
template <typename F>
Finding InTable(const F& probe) {
  HRESULT hr = E_FAIL;
  bool found = false;
  InApartment(COINIT_MULTITHREADED, [&] {
    IRunningObjectTable* table = nullptr;
    if (FAILED(hr = GetRunningObjectTable(0, &table))) return;
    found = probe(table);
    table->Release();
  });
  return Found(hr, found, found ? "" : "not in the table");
}
CHECK(com, running_object, HoldRunning, [](Context& c) {
  return InTable([&](IRunningObjectTable* table) {
    IMoniker* moniker = Item(c);
    const bool runs = table->IsRunning(moniker) == S_OK;
    moniker->Release();
    return runs;
  });
});
CHECK(com, running_object_got, HoldRunning, [](Context& c) {
  return InTable([&](IRunningObjectTable* table) {
    IMoniker* moniker = Item(c);
    IUnknown* object = nullptr;
    IClassFactory* factory = nullptr;
    if (table->GetObject(moniker, &object) == S_OK)
      object->QueryInterface(IID_IClassFactory, reinterpret_cast<void**>(&factory));
    if (object != nullptr) object->Release();
    if (factory != nullptr) factory->Release();
    moniker->Release();
    return factory != nullptr;
  });
});
CHECK(com, running_object_listed, HoldRunning, [](Context& c) {
  return InTable([&](IRunningObjectTable* table) {
    IEnumMoniker* all = nullptr;
    bool found = false;
    IBindCtx* context = nullptr;
    CreateBindCtx(0, &context);
    if (table->EnumRunning(&all) != S_OK) return false;
    for (IMoniker* moniker = nullptr; all->Next(1, &moniker, nullptr) == S_OK; moniker->Release()) {
      LPOLESTR name = nullptr;
      if (moniker->GetDisplayName(context, nullptr, &name) == S_OK)
        found = found || L"!" + ItemName(c) == name;
      CoTaskMemFree(name);
    }
    all->Release();
    context->Release();
    return found;
  });
});
CHECK(com, running_object_time, HoldRunning, [](Context& c) {
  return InTable([&](IRunningObjectTable* table) {
    IMoniker* moniker = Item(c);
    FILETIME time = {};
    const bool right = table->GetTimeOfLastChange(moniker, &time) == S_OK && time.dwHighDateTime == 5678;
    moniker->Release();
    return right;
  });
});
CHECK(
    com, active_object,
    [](Context& c) -> std::string {
      HRESULT hr = E_FAIL;
      InLastingApartment([&] {
        IUnknown* object = MakeClassObject(ComKind::kHolder, Tag(c), &g_held);
        object->AddRef();
        DWORD cookie = 0;
        hr = RegisterActiveObject(object, ClassOf(c), ACTIVEOBJECT_STRONG, &cookie);
      });
      return SUCCEEDED(hr) ? "" : Failed("RegisterActiveObject", hr);
    },
    [](Context& c) {
      HRESULT hr = E_FAIL;
      InApartment(COINIT_MULTITHREADED, [&] {
        IUnknown* object = nullptr;
        hr = GetActiveObject(ClassOf(c), nullptr, &object);
        if (SUCCEEDED(hr)) object->Release();
      });
      return Found(hr, true);
    });

// --- objects handed over as bytes
// -------------------------------------------------------------------------------------

template <DWORD kFlags>
std::string HoldMarshalled(Context& c) {
  HRESULT hr = E_FAIL;
  std::string text;
  InLastingApartment([&] {
    IUnknown* object = MakeClassObject(ComKind::kHolder, Tag(c), &g_held);
    object->AddRef();
    IStream* stream = nullptr;
    CreateStreamOnHGlobal(nullptr, TRUE, &stream);
    if (FAILED(hr = CoMarshalInterface(stream, IID_IClassFactory, object, MSHCTX_LOCAL, nullptr, kFlags)))
      return;
    LARGE_INTEGER start = {};
    stream->Seek(start, STREAM_SEEK_SET, nullptr);
    BYTE data[1024];
    ULONG size = 0;
    stream->Read(data, sizeof(data), &size);
    char hex[4];
    for (ULONG i = 0; i < size; ++i) {
      std::snprintf(hex, sizeof(hex), "%02x", data[i]);
      text += hex;
    }
    stream->Release();
  });
  c.Give(text);
  return SUCCEEDED(hr) ? "" : Failed("CoMarshalInterface", hr);
}
Finding Unmarshals(Context& c) {
  HRESULT hr = E_FAIL;
  ComAnswer answer;
  InApartment(COINIT_MULTITHREADED, [&] {
    IStream* stream = nullptr;
    CreateStreamOnHGlobal(nullptr, TRUE, &stream);
    for (size_t i = 0; i + 1 < c.given.size(); i += 2) {
      const BYTE b = static_cast<BYTE>(std::stoi(c.given.substr(i, 2), nullptr, 16));
      stream->Write(&b, 1, nullptr);
    }
    LARGE_INTEGER start = {};
    stream->Seek(start, STREAM_SEEK_SET, nullptr);
    IClassFactory* factory = nullptr;
    hr = CoUnmarshalInterface(stream, IID_IClassFactory, reinterpret_cast<void**>(&factory));
    stream->Release();
    if (FAILED(hr)) return;
    IUnknown* object = nullptr;
    hr = factory->CreateInstance(nullptr, IID_IUnknown, reinterpret_cast<void**>(&object));
    factory->Release();
    if (FAILED(hr)) return;
    hr = Ask(object, &answer);
    object->Release();
  });
  return Found(hr, answer.kind == ComKind::kHolder && answer.tag == Tag(c));
}
CHECK(com, marshalled, HoldMarshalled<MSHLFLAGS_NORMAL>, Unmarshals);
CHECK(com, marshalled_for_many, HoldMarshalled<MSHLFLAGS_TABLESTRONG>, Unmarshals);
CHECK(com, marshalled_without_pings, HoldMarshalled<MSHLFLAGS_NORMAL | MSHLFLAGS_NOPING>, Unmarshals);

}  // namespace
}  // namespace plume::conformance
