// The isolation conformance suite. A check is something that one program has (the holder) and what another
// program finds or does of it (the prober). Each check is run in five places, and what must come out depends
// on the place alone:
//   bare    holder and prober outside any VM: the oracle, the prober must reach it, or the check would prove
//   nothing one     both in one VM: as bare across  holder in one VM, prober in another: isolated out holder
//   in a VM, prober outside: isolated in      holder outside, prober in a VM: isolated, or visible where the
//   design says that a VM sees its machine (kMachineSeen)
// run.py drives both programs line by line over their standard handles; this header is all that a check needs
// to know.
//
//   static std::string Hold(Context& c) { ... c.Give("data for the prober"); return {}; }   // or what failed
//   static Finding Probe(Context& c) { return c.given == ... ? Visible("detail") : Isolated("detail"); }
//   CHECK(event, open, Hold, Probe)
//   CHECK_OBSERVED(window, post, Hold, Probe, Observe)      // what the holder noticed of the probe decides
//   CHECK_WITH(file, read, kMachineSeen, "files of the machine are read through", Hold, Probe)
#pragma once
#include <windows.h>

#include <string>
#include <vector>

namespace plume::conformance {

enum class Reach { kVisible, kIsolated, kUnsupported };

struct Finding {
  Reach reach;
  std::string detail;  // one line
};
inline Finding Visible(std::string detail = {}) { return {Reach::kVisible, std::move(detail)}; }
inline Finding Isolated(std::string detail = {}) { return {Reach::kIsolated, std::move(detail)}; }
inline Finding VisibleIf(bool seen, std::string detail = {}) {
  return seen ? Visible(std::move(detail)) : Isolated(std::move(detail));
}
// This system cannot do it at all: the check is counted apart.
inline Finding Unsupported(std::string detail) { return {Reach::kUnsupported, std::move(detail)}; }
// "error 5" of GetLastError(), "status c0000022".
std::string LastError();
std::string Hex(unsigned long status);

struct Context {
  std::string id;     // of the run: equal in holder and prober, different in every place
  std::string check;  // "event.open"
  std::string given;  // in the prober and in Observe: what the holder gave

  // "PlumeConf-<id>-<check>-<base>": unique to this check in this place.
  std::wstring Name(const wchar_t* base = L"") const;
  // A folder for files of this check, made by the first who asks; below C:\PlumeConf. Ends with a backslash.
  std::wstring Folder() const;
  void Give(std::string text) { given = std::move(text); }
  // Keeps a handle open until the holder ends.
  void Keep(HANDLE handle) { kept.push_back(handle); }
  // The same of one that a call has just made by name, or what was wrong with it.
  std::string KeepNew(HANDLE handle) {
    if (!handle) return LastError();
    if (GetLastError() == ERROR_ALREADY_EXISTS) return "the name is in use";
    Keep(handle);
    return {};
  }
  // Something of the check's own that must live on between Hold and Observe.
  void* data = nullptr;
  std::vector<HANDLE> kept;
};

using HoldFn = std::string (*)(Context&);
using ProbeFn = Finding (*)(Context&);

// The design lets a VM see the machine's: only place "in" is then expected visible. `why` is printed in the
// table.
inline constexpr unsigned kMachineSeen = 1;
// The design lets others see the VM's (a rule of the policy): "out" and "across" too.
inline constexpr unsigned kShared = 2;
// The machine is not kept out of its VMs: "out" is visible.
inline constexpr unsigned kMachineSees = 8;
// Closed in every VM, whoever has it: visible to a prober outside only ("bare", "out").
inline constexpr unsigned kClosedInside = 16;
// Needs a display (X server on Linux).
inline constexpr unsigned kDisplay = 4;

struct Check {
  const char* area;
  const char* name;
  unsigned flags;
  const char* why;  // of the flags
  HoldFn hold;
  ProbeFn probe;
  ProbeFn observe;  // in the holder, after the probe; null: the probe's own finding counts. Messages were
                    // pumped before it.
};

std::vector<Check>& Checks();
struct Registration {
  explicit Registration(const Check& check) { Checks().push_back(check); }
};

// Lets messages of this thread through for `milliseconds` (alertable: queued calls run too).
void Pump(unsigned milliseconds);

#define CHECK_FULL(area, name, flags, why, hold, probe, observe)                \
  static const ::plume::conformance::Registration registration_##area##_##name( \
      {#area, #name, flags, why, hold, probe, observe})
#define CHECK(area, name, hold, probe) CHECK_FULL(area, name, 0, "", hold, probe, nullptr)
#define CHECK_OBSERVED(area, name, hold, probe, observe) CHECK_FULL(area, name, 0, "", hold, probe, observe)
#define CHECK_WITH(area, name, flags, why, hold, probe) \
  CHECK_FULL(area, name, flags, why, hold, probe, nullptr)

}  // namespace plume::conformance
