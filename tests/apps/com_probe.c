// com_probe.exe CLSID|PROGID: creates the class in process, as an application would; prints the file that serves it.
#define COBJMACROS
#include <windows.h>

#include <objbase.h>
#include <stdio.h>

int wmain(int argc, wchar_t** argv) {
  if (argc != 2) return 2;
  CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);
  CLSID clsid;
  HRESULT hr = argv[1][0] == L'{' ? CLSIDFromString(argv[1], &clsid) : CLSIDFromProgID(argv[1], &clsid);
  IUnknown* object = NULL;
  if (SUCCEEDED(hr)) hr = CoCreateInstance(&clsid, NULL, CLSCTX_INPROC_SERVER, &IID_IUnknown, (void**)&object);
  if (FAILED(hr)) {
    printf("failed %08lx\n", hr);
    return 1;
  }
  HMODULE module;
  WCHAR file[MAX_PATH];
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                     (LPCWSTR)object->lpVtbl->QueryInterface, &module);
  GetModuleFileNameW(module, file, MAX_PATH);
  printf("created %ls\n", file);
  IUnknown_Release(object);
  return 0;
}
