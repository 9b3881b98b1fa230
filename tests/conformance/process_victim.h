// What the checks of processes and threads do things to: a suspended child of the holder, with a page of
// memory.
#pragma once
#include <cstdlib>

#include "conformance.h"

namespace plume::conformance {

inline constexpr char kMarker = 'Z';

class Owned {
 public:
  explicit Owned(HANDLE h) : h_(h) {}
  Owned(Owned&& o) noexcept : h_(o.h_) { o.h_ = nullptr; }
  Owned& operator=(Owned&& o) noexcept {
    std::swap(h_, o.h_);
    return *this;
  }
  ~Owned() {
    if (h_ && h_ != INVALID_HANDLE_VALUE) CloseHandle(h_);
  }
  HANDLE get() const { return h_; }

 private:
  HANDLE h_;
};

struct VictimHandles {
  HANDLE process, thread;
  void* memory;
};
struct VictimIds {
  DWORD pid, tid, holder;
  void* memory;
  void* view;  // a mapping: its ntdll
};

// Starts the victim; it ends with the holder.
std::string HoldVictim(Context& c);
inline VictimHandles& Held(Context& c) { return *static_cast<VictimHandles*>(c.data); }
// In the prober.
VictimIds Target(const Context& c);
inline Owned Open(DWORD access, const VictimIds& ids) { return Owned(OpenProcess(access, FALSE, ids.pid)); }
inline Owned OpenThreadOf(DWORD access, const VictimIds& ids) {
  return Owned(OpenThread(access, FALSE, ids.tid));
}
// In the holder: how often the victim's thread is suspended.
int SuspendCount(Context& c);

inline Finding Done(bool done) { return done ? Visible() : Isolated(LastError()); }

template <typename F>
F FromNtdll(const char* name) {
  return reinterpret_cast<F>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name)));
}

}  // namespace plume::conformance
