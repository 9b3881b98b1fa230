// The child's stubs: which are replaced, their copies in the layer's trampolines, the jumps in their place.
#include <cstring>

#include "vl/inject/injection.h"

namespace plume::vl {

// The originals: at first every function is its stub; PlanPatches turns the replaced ones into trampolines.
bool Injection::BindFunctions() {
  auto* rows = Constant(header_->functions, sizeof(FunctionRow) * header_->function_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  if (!rows || !originals) return Bad(InjectError::kLayer);
  for (uint32_t i = 0; i < header_->function_count; ++i) {
    const char* name = Constant(rows[i].name, 1);
    if (!name) return Bad(InjectError::kLayer);
    const uint32_t rva = FindExport(ntdll_info_, ntdll_, name);
    if (!rva && rows[i].required) return Bad(InjectError::kMissing, nt::kProcedureNotFound, name);
    originals[i] = rva ? static_cast<uintptr_t>(child_ntdll_ + rva) : 0;
  }
  return true;
}

bool Injection::PlanPatches() {
  auto* hooks = Constant(header_->hooks, sizeof(HookRow) * header_->hook_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  if (!hooks || !originals) return Bad(InjectError::kLayer);
  points_ = 0;
  for (uint32_t i = 0; i < header_->hook_count; ++i) {
    if (hooks[i].slot >= header_->function_count) return Bad(InjectError::kLayer);
    if (const uintptr_t stub = originals[hooks[i].slot]) work_->points[points_++] = PatchPoint{stub, i};
  }
  spans_ = PlanSpans(kArch, {work_->points, points_}, work_->spans);
  return spans_ || !points_ ? true : Bad(InjectError::kUnknownStub, nt::kUnsuccessful, "(stubs overlap)");
}

// Copies every stub of one span into its trampoline and puts the jumps into `bytes`.
bool Injection::ReadStubs() {
  auto* hooks = Constant(header_->hooks, sizeof(HookRow) * header_->hook_count);
  auto* originals = reinterpret_cast<uintptr_t*>(Local(header_->originals));
  auto* trampolines = Local(header_->trampolines, header_->trampoline_bytes);
  auto* rows = Constant(header_->functions, sizeof(FunctionRow) * header_->function_count);
  if (!trampolines) return Bad(InjectError::kLayer);
  uint32_t used = 0;
  uint8_t* bytes = work_->span_bytes;
  for (uint32_t i = 0; i < spans_; ++i) {
    const PatchSpan& span = work_->spans[i];
    if (bytes + span.bytes > work_->span_bytes + sizeof(work_->span_bytes)) return Bad(InjectError::kMemory);
    if (!Read(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes)) return false;
    for (uint32_t p = span.first; p < span.first + span.count; ++p) {
      const PatchPoint& point = work_->points[p];
      uint8_t* stub = bytes + (point.address - span.begin);
      const HookRow& hook = hooks[point.hook];
      const StubShape* shape = RecogniseStub(kArch, {stub, kMaxStub});
      if (!shape || shape->room < JumpBytes(kArch)) {
        return Bad(InjectError::kUnknownStub, nt::kUnsuccessful, Constant(rows[hook.slot].name, 1));
      }
      std::memcpy(trampolines + used, stub, shape->length);
      originals[hook.slot] = static_cast<uintptr_t>(reinterpret_cast<uintptr_t>(header_->trampolines) + used);
      used += kTrampoline;
    }
    for (uint32_t p = span.first; p < span.first + span.count; ++p) {
      const PatchPoint& point = work_->points[p];
      EncodeJump(kArch, point.address, reinterpret_cast<uintptr_t>(hooks[point.hook].handler),
                 bytes + (point.address - span.begin));
    }
    bytes += span.bytes;
  }
  return true;
}

bool Injection::PatchStubs() {
  const uint8_t* bytes = work_->span_bytes;
  for (uint32_t i = 0; i < spans_; ++i) {
    const PatchSpan& span = work_->spans[i];
    nt::Ulong old, ignored;
    if (request_.flags & kParamWine) {  // which writes whatever the protection
      if (!Write(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes))
        return false;
      bytes += span.bytes;
      continue;
    }
    // Never writable and executable at once: nothing runs in the child yet.
    if (!Protect(span.begin, span.bytes, nt::kPageReadWrite, &old) ||
        !Write(reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)), bytes, span.bytes) ||
        !Protect(span.begin, span.bytes, old, &ignored)) {
      return false;
    }
    sys_.NtFlushInstructionCache(process_, reinterpret_cast<void*>(static_cast<uintptr_t>(span.begin)),
                                 span.bytes);
    bytes += span.bytes;
  }
  return true;
}

}  // namespace plume::vl
