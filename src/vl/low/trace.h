// The trace of a VM (src/trace, docs/formats/trace.md): what each replaced call did. Off, it costs one
// predictable branch at the entry of a call.
//
// Nobody records a call but its entry (TracedEntry), which every replaced stub jumps to: it knows the call's
// name, time and status. What the call is about is told where it becomes known and is decided, deep inside
// the handler, to the note that the entry keeps for the thread:
//   if (TraceNote* note = TraceNow()) note->Name(trace::Space::kObject, canonical);
// Later words overwrite earlier ones. A call of which nothing was told (of an object without a name, of the
// process's own memory) is not recorded.
#pragma once
#include <string_view>
#include <type_traits>

#include "trace/format.h"
#include "view/name_rules.h"
#include "vl/low/state.h"

namespace plume::vl {

// The VM index's word, once the process has one.
extern "C" constinit std::atomic<const std::atomic<uint32_t>*> plume_trace_word;

inline bool Tracing() {
  return __builtin_expect(
      plume_trace_word.load(std::memory_order_relaxed)->load(std::memory_order_relaxed) != 0, 0);
}

// What one call told so far. Texts are copied.
class TraceNote {
 public:
  // Something is known of the call; its name perhaps not.
  void About(trace::Space space) {
    space_ = space;
    told_ = true;
  }
  // The virtual name. Whatever was told before was of another name: of a directory that this one is relative
  // to.
  void Name(trace::Space space, view::WView name);
  void AppendName(view::WView a, view::WView b = {});
  // Who answers, and under which real name; empty: the same or not known.
  void Real(trace::Layer layer, view::WView real = {});
  void AppendReal(view::WView a, view::WView b = {});
  void Rule(view::Mode mode, std::string_view origin) {
    mode_ = static_cast<uint8_t>(mode);
    rule_ = origin;
  }
  // The rule of the lookup of a path.
  void Rule(const VlState& vl, const view::Lookup& found, bool registry);
  // A rule for names, of VlState; null: none matched, so `otherwise` holds.
  void Rule(const VlState& vl, const view::NameRule* rule, view::Mode otherwise);
  void Image(const VlState& vl, int mount);  // whose layer answers
  void Detail(uint32_t detail) { detail_ = detail; }
  // For calls that return no status.
  void Status(nt::NtStatus status) { status_ = status; }
  bool told() const { return told_; }
  bool IsAbout(trace::Space space) const { return space_ == space; }
  // For a call from which this thread does not come back: records it now.
  void Leave(nt::NtStatus status);

 private:
  friend class TraceScope;
  friend TraceNote* FindNote();
  void Record(nt::NtStatus status);
  static constexpr uint32_t kUnits = trace::kMaxName + 2;
  struct Text {
    uint32_t units;
    char16_t text[kUnits];
    void Set(view::WView t);
    void Append(view::WView t);
    view::WView View() const { return view::WView(text, units); }
  };

  std::atomic<uint32_t> thread_;  // 0: free
  uint32_t depth_;                // a window procedure inside a call makes calls
  const char* call_;
  uint64_t begin_;
  std::string_view rule_, image_;  // live with the view
  uint32_t detail_;
  nt::NtStatus status_;
  trace::Space space_;
  trace::Layer layer_;
  uint8_t mode_;
  bool told_;
  Text name_, real_;
};

// The note of the call that this thread is in; null: nothing is recorded.
TraceNote* FindNote();
inline TraceNote* TraceNow() { return Tracing() ? FindNote() : nullptr; }

// One call while it is recorded. REQUIRES Tracing().
class TraceScope {
 public:
  explicit TraceScope(const char* call);
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;
  void End(nt::NtStatus status);

 private:
  TraceNote* note_;
};

// What a replaced stub jumps to.
// `kStatus`: its result is an NTSTATUS; else only a negative number is one.
template <typename T, T kHandler, const char* kCall, bool kStatus = true>
struct TracedEntry;
template <typename R, typename... A, R(PLUME_NTAPI* kHandler)(A...), const char* kCall, bool kStatus>
struct TracedEntry<R(PLUME_NTAPI*)(A...), kHandler, kCall, kStatus> {
  // Four instructions: a compiler would copy the arguments around.
  [[gnu::naked]] static R PLUME_NTAPI Call(A...) {
#ifdef __x86_64__
    asm volatile("movq plume_trace_word(%%rip), %%rax\n cmpl $0, (%%rax)\n jne %P1\n jmp %P0"
#else
    asm volatile("movl _plume_trace_word, %%eax\n cmpl $0, (%%eax)\n jne %P1\n jmp %P0"
#endif
                 :
                 : "i"(kHandler), "i"(&Recorded));
  }

 private:
  [[gnu::noinline, gnu::cold]] static R PLUME_NTAPI Recorded(A... args) {
    TraceScope scope(kCall);
    const R result = kHandler(args...);
    if constexpr (std::is_same_v<R, nt::NtStatus>)
      scope.End(kStatus || result < 0 ? result : nt::kSuccess);
    else
      scope.End(nt::kSuccess);
    return result;
  }
};

#ifndef __x86_64__
// The one replaced function that has the calling convention of C, which is another one on x86.
template <typename R, typename... A, R (*kHandler)(A...), const char* kCall>
struct TracedEntry<R (*)(A...), kHandler, kCall> {
  static R Call(A... args) {
    if (!Tracing()) return kHandler(args...);
    TraceScope scope(kCall);
    const R result = kHandler(args...);
    scope.End(result);
    return result;
  }
};
#endif

}  // namespace plume::vl
