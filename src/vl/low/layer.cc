#include "vl/low/layer.h"

#include "vl/low/hooks.h"
#include "vl/low/trace.h"

namespace plume::vl {

extern "C" {
constinit nt::Functions plume_originals = {};
constinit Params plume_params = {};
constinit char16_t plume_texts[1536] = {};
extern uint8_t plume_trampolines[];
}

// What an injector fills in lies together, so that it is one write: the originals, the parameters and their
// texts at the beginning of .data (this is the first object file), and before them, in an executable section
// of its own, room for the verbatim stub copies. No page of the layer is writable and executable once the
// program runs.
asm(".section .tramp,\"xr\"\n"
    ".balign 64\n"
#ifdef __x86_64__
    ".globl plume_trampolines\n"
    "plume_trampolines:\n"
#else
    ".globl _plume_trampolines\n"
    "_plume_trampolines:\n"
#endif
    ".fill 8192, 1, 0xcc\n"
    ".text\n");

namespace {

constexpr FunctionRow kFunctions[] = {
#define PLUME_NT(name, required, ...) {#name, required, 0},
#include "vl/nt/functions.inc"
#undef PLUME_NT
};
static_assert(sizeof(kFunctions) / sizeof(kFunctions[0]) == nt::kFunctionCount);

#define PLUME_HOOK(name) constexpr char kName##name[] = #name;
#include "vl/calls/hooks.inc"
#undef PLUME_HOOK

const HookRow kHooks[] = {
#define PLUME_HOOK(name) \
  {nt::kSlot##name, 0, reinterpret_cast<void*>(&TracedEntry<nt::name##Fn*, &Hook##name, kName##name>::Call)},
#include "vl/calls/hooks.inc"
#undef PLUME_HOOK
};

}  // namespace

extern "C" __declspec(dllexport) constinit const LayerHeader plume_layer = {
    kLayerMagic,       kLayerVersion, nt::kFunctionCount, sizeof(kHooks) / sizeof(kHooks[0]),
    kFunctions,        kHooks,        &plume_originals,   &plume_params,
    plume_trampolines, 8192,          plume_texts,        sizeof(plume_texts) / sizeof(plume_texts[0])};

}  // namespace plume::vl

// The layer is mapped by hand and entered through replaced stubs; this is for a loader that insists on an
// entry.
extern "C" int PLUME_NTAPI PlumeEntry(void*, unsigned, void*) { return 1; }
