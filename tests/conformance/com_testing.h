// A COM class for checks: in a DLL (conformance_com.dll), in a program (conformance.exe serve-class), or in
// the holder. An object tells by IPersist which server made it.
#pragma once
#include <windows.h>
// windows.h must be first.
#include <unknwn.h>

#include <functional>
#include <string>

#include "conformance.h"

namespace plume::conformance {

enum class ComKind : WORD { kDll = 1, kProgram = 2, kHolder = 3, kService = 4 };

// What an object says of itself, packed into the class identifier that IPersist hands out.
struct ComAnswer {
  DWORD process = 0;
  ComKind kind = ComKind::kDll;
  WORD apartment = 0;  // APTTYPE
  DWORD tag = 0;       // of who registered it
};

// For a server: its class object; `count` follows its objects.
IUnknown* MakeClassObject(ComKind kind, DWORD tag, volatile LONG* count);
ComAnswer AnswerOf(const CLSID& packed);
HRESULT Ask(IUnknown* object, ComAnswer* answer);

// The class of a check: its own for each check and run; all of them begin with C0DE, so that they can be
// told.
CLSID ClassOf(const Context& c, const wchar_t* which = L"");
std::wstring TextOf(const GUID& id);
DWORD TagOf(const std::string& text);

// Below HKEY_LOCAL_MACHINE or HKEY_CURRENT_USER, "Software\Classes\..."; `key` "" is the class itself.
bool SetClassKey(HKEY root, const CLSID& id, const std::wstring& key, const std::wstring& value,
                 const wchar_t* name = nullptr);
bool SetKey(HKEY root, const std::wstring& key, const std::wstring& value, const wchar_t* name = nullptr);
// The whole registration of a DLL or a program. `model`: "Apartment", "Free", "Both", "Neutral", "" for a
// DLL.
bool RegisterClass(HKEY root, const CLSID& id, ComKind kind, const wchar_t* model, DWORD tag);
void UnregisterClass(HKEY root, const CLSID& id);
std::wstring ServerDll();
std::wstring Surrogate();  // the system's program that serves DLLs

// Runs `work` on a thread of its own, in an apartment of its own kind (COINIT).
void InApartment(DWORD coinit, const std::function<void()>& work);
// The same on a thread that stays, in the multithreaded apartment: what it leaves there is served on.
void InLastingApartment(const std::function<void()>& work);

// Creates an object and asks it. Detail: the error, or what answered.
HRESULT CreateAndAsk(const CLSID& id, DWORD context, ComAnswer* answer);

// `conformance serve-class {CLSID} TAG`: a local server; ends with its last object, after half a minute
// without one.
int ServeClass(int argc, char** argv);
// `conformance serve-service NAME {CLSID} TAG`: the same as a service, which deletes itself when it ends.
int ServeService(int argc, char** argv);
std::wstring ServiceCommand(const std::wstring& name, const CLSID& id, DWORD tag);
// `conformance create {CLSID}`: creates an object in the process and prints what came of it.
int CreateClass(const char* id);
// `conformance outlive`: uses a local server, kills it and uses the class again.
int OutliveServer();

}  // namespace plume::conformance
