// The class itself: part of the DLL and of the program.
#include <objbase.h>
#include <objidl.h>

#include <cstring>

#include "com_testing.h"

namespace plume::conformance {
namespace {

class Object : public IPersistFile {
 public:
  Object(ComKind kind, DWORD tag, volatile LONG* count) : kind_(kind), tag_(tag), count_(count) {
    InterlockedIncrement(count_);
  }
  virtual ~Object() { InterlockedDecrement(count_); }
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override {
    if (iid != IID_IUnknown && iid != IID_IPersist && iid != IID_IPersistFile) {
      *out = nullptr;
      return E_NOINTERFACE;
    }
    *out = static_cast<IPersistFile*>(this);
    AddRef();
    return S_OK;
  }
  ULONG STDMETHODCALLTYPE AddRef() override { return static_cast<ULONG>(InterlockedIncrement(&references_)); }
  ULONG STDMETHODCALLTYPE Release() override {
    const LONG left = InterlockedDecrement(&references_);
    if (left == 0) delete this;
    return static_cast<ULONG>(left);
  }
  HRESULT STDMETHODCALLTYPE GetClassID(CLSID* out) override {
    APTTYPE type = APTTYPE_CURRENT;
    APTTYPEQUALIFIER qualifier;
    CoGetApartmentType(&type, &qualifier);
    *out = {};
    out->Data1 = GetCurrentProcessId();
    out->Data2 = static_cast<WORD>(kind_);
    out->Data3 = static_cast<WORD>(type);
    std::memcpy(out->Data4, &tag_, sizeof(tag_));
    return S_OK;
  }
  HRESULT STDMETHODCALLTYPE IsDirty() override { return S_FALSE; }
  HRESULT STDMETHODCALLTYPE Load(LPCOLESTR, DWORD) override { return S_OK; }
  HRESULT STDMETHODCALLTYPE Save(LPCOLESTR, BOOL) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE SaveCompleted(LPCOLESTR) override { return E_NOTIMPL; }
  HRESULT STDMETHODCALLTYPE GetCurFile(LPOLESTR* out) override {
    *out = nullptr;
    return E_NOTIMPL;
  }

 private:
  LONG references_ = 0;
  const ComKind kind_;
  const DWORD tag_;
  volatile LONG* const count_;
};

class Factory : public IClassFactory {
 public:
  Factory(ComKind kind, DWORD tag, volatile LONG* count) : kind_(kind), tag_(tag), count_(count) {}
  virtual ~Factory() = default;
  HRESULT STDMETHODCALLTYPE QueryInterface(REFIID iid, void** out) override {
    if (iid != IID_IUnknown && iid != IID_IClassFactory) {
      *out = nullptr;
      return E_NOINTERFACE;
    }
    *out = static_cast<IClassFactory*>(this);
    AddRef();
    return S_OK;
  }
  ULONG STDMETHODCALLTYPE AddRef() override { return static_cast<ULONG>(InterlockedIncrement(&references_)); }
  ULONG STDMETHODCALLTYPE Release() override {
    const LONG left = InterlockedDecrement(&references_);
    if (left == 0) delete this;
    return static_cast<ULONG>(left);
  }
  HRESULT STDMETHODCALLTYPE CreateInstance(IUnknown* outer, REFIID iid, void** out) override {
    *out = nullptr;
    if (outer != nullptr) return CLASS_E_NOAGGREGATION;
    auto* object = new Object(kind_, tag_, count_);
    object->AddRef();
    const HRESULT hr = object->QueryInterface(iid, out);
    object->Release();
    return hr;
  }
  HRESULT STDMETHODCALLTYPE LockServer(BOOL) override { return S_OK; }

 private:
  LONG references_ = 0;
  const ComKind kind_;
  const DWORD tag_;
  volatile LONG* const count_;
};

}  // namespace

IUnknown* MakeClassObject(ComKind kind, DWORD tag, volatile LONG* count) {
  return new Factory(kind, tag, count);
}

}  // namespace plume::conformance
