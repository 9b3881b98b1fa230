// conformance_com.dll: serves any class that is registered for it; the tag is in the class's key.
#include <objbase.h>

#include "com_testing.h"

namespace {
volatile LONG g_objects;
}

extern "C" HRESULT STDAPICALLTYPE DllGetClassObject(REFCLSID id, REFIID iid, void** out) {
  wchar_t text[64];
  StringFromGUID2(id, text, 64);
  DWORD tag = 0, size = sizeof(tag);
  (void)RegGetValueW(HKEY_CLASSES_ROOT, (std::wstring(L"CLSID\\") + text).c_str(), L"Tag", RRF_RT_REG_DWORD,
                     nullptr, &tag, &size);
  IUnknown* factory = plume::conformance::MakeClassObject(plume::conformance::ComKind::kDll, tag, &g_objects);
  factory->AddRef();
  const HRESULT hr = factory->QueryInterface(iid, out);
  factory->Release();
  return hr;
}

extern "C" HRESULT STDAPICALLTYPE DllCanUnloadNow() { return g_objects == 0 ? S_OK : S_FALSE; }
