// COM: one class, several registrations at once. The holder registers a class in one way and uses it; the
// prober registers the same class in another way and uses it; which one does the holder then get?
#include <objbase.h>

#include "com_testing.h"

namespace plume::conformance {
namespace {

std::string Failed(const char* what, HRESULT hr) {
  return std::string(what) + " " + Hex(static_cast<unsigned long>(hr));
}

enum Way { kSta, kFreeThreaded, kBothThreaded, kNeutral, kExe };
constexpr const wchar_t* kModels[] = {L"Apartment", L"Free", L"Both", L"Neutral", L""};

CLSID Clash(const Context& c) { return ClassOf(c, L"clash"); }
DWORD OwnTag(const Context& c, bool prober) { return TagOf(c.check + c.id + (prober ? "prober" : "holder")); }
HRESULT Use(const Context& c, Way way, ComAnswer* answer) {
  HRESULT hr = E_FAIL;
  InApartment(way == kSta ? COINIT_APARTMENTTHREADED : COINIT_MULTITHREADED,
              [&] { hr = CreateAndAsk(Clash(c), CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER, answer); });
  return hr;
}
bool IsOf(const ComAnswer& answer, Way way, DWORD tag) {
  return answer.tag == tag && answer.kind == (way == kExe ? ComKind::kProgram : ComKind::kDll);
}
std::string RegisterAndUse(Context& c, Way way, bool prober) {
  const DWORD tag = OwnTag(c, prober);
  if (!RegisterClass(HKEY_LOCAL_MACHINE, Clash(c), way == kExe ? ComKind::kProgram : ComKind::kDll,
                     kModels[way], tag))
    return LastError();
  // Starting a program takes more than a second: the holder's is used when it is known whose it is.
  if (way == kExe && !prober) return {};
  ComAnswer answer;
  HRESULT hr = S_OK;
  // A server of before may be about to end.
  for (int i = 0; i < 20; ++i, Sleep(300))
    if (hr = Use(c, way, &answer); SUCCEEDED(hr) && IsOf(answer, way, tag)) return {};
  return FAILED(hr) ? Failed("using it", hr) : "another one answered";
}
template <Way kHolders, Way kProbers>
struct Clashing {
  static std::string Hold(Context& c) { return RegisterAndUse(c, kHolders, false); }
  static Finding Probe(Context& c) {
    const std::string failed = RegisterAndUse(c, kProbers, true);
    return failed.empty() ? Visible() : Unsupported("prober: " + failed);
  }
  static Finding Observe(Context& c) {
    ComAnswer answer;
    HRESULT hr = S_OK;
    for (int i = 0; i < 20; ++i, Sleep(300)) {
      hr = Use(c, kHolders, &answer);
      if (SUCCEEDED(hr) && IsOf(answer, kProbers, OwnTag(c, true))) return Visible("the prober's class came");
      if (SUCCEEDED(hr) && IsOf(answer, kHolders, OwnTag(c, false))) return Isolated("its own class came");
    }
    return FAILED(hr) ? Visible("its own is gone, " + Hex(static_cast<unsigned long>(hr)))
                      : Visible("a mixture of both came");
  }
};
#define CLASH(name, holders, probers)                                                                \
  CHECK_OBSERVED(com, name, (Clashing<holders, probers>::Hold), (Clashing<holders, probers>::Probe), \
                 (Clashing<holders, probers>::Observe))
CLASH(clash_apartment_apartment, kSta, kSta);
CLASH(clash_apartment_free, kSta, kFreeThreaded);
CLASH(clash_apartment_both, kSta, kBothThreaded);
CLASH(clash_apartment_neutral, kSta, kNeutral);
CLASH(clash_apartment_program, kSta, kExe);
CLASH(clash_free_apartment, kFreeThreaded, kSta);
CLASH(clash_free_free, kFreeThreaded, kFreeThreaded);
CLASH(clash_free_both, kFreeThreaded, kBothThreaded);
CLASH(clash_free_neutral, kFreeThreaded, kNeutral);
CLASH(clash_free_program, kFreeThreaded, kExe);
CLASH(clash_both_apartment, kBothThreaded, kSta);
CLASH(clash_both_free, kBothThreaded, kFreeThreaded);
CLASH(clash_both_both, kBothThreaded, kBothThreaded);
CLASH(clash_both_neutral, kBothThreaded, kNeutral);
CLASH(clash_both_program, kBothThreaded, kExe);
CLASH(clash_neutral_apartment, kNeutral, kSta);
CLASH(clash_neutral_free, kNeutral, kFreeThreaded);
CLASH(clash_neutral_both, kNeutral, kBothThreaded);
CLASH(clash_neutral_neutral, kNeutral, kNeutral);
CLASH(clash_neutral_program, kNeutral, kExe);
CLASH(clash_program_apartment, kExe, kSta);
CLASH(clash_program_free, kExe, kFreeThreaded);
CLASH(clash_program_both, kExe, kBothThreaded);
CLASH(clash_program_neutral, kExe, kNeutral);
CLASH(clash_program_program, kExe, kExe);

}  // namespace
}  // namespace plume::conformance
