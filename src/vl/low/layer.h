// The binary interface between an injector and the layer: what the layer's file exports (`plume_layer`) and
// what the injector writes into it (`Params`, the originals, the trampolines). Injector and layer must be of
// one build generation: kLayerVersion changes with any change here.
#pragma once
#include "vl/nt/functions.h"

namespace plume::vl {

inline constexpr uint32_t kLayerMagic = 0x314c4c50;  // "PLL1"
inline constexpr uint32_t kLayerVersion = 4;

// A text in the injected block; not zero-terminated by contract (but it is).
struct ParamText {
  const char16_t* data;
  uint32_t units;
  uint32_t reserved;
};

// \Device\HarddiskVolumeN -> drive letter.
struct ParamVolume {
  ParamText device;
  uint32_t letter;
  uint32_t reserved;
};
inline constexpr uint32_t kMaxVolumes = 26;

// Written by the injector; read by the layer. Pointers lie in the block that was injected with the image.
struct Params {
  uint32_t magic;    // kLayerMagic
  uint32_t version;  // kLayerVersion
  uint32_t flags;    // kParamWine
  uint32_t volume_count;
  void* ntdll;                    // base of ntdll in this process
  void* base;                     // base of the layer in this process
  size_t image_size, block_size;  // the block is the image and, unless it is mapped, the texts behind it
  ParamText view_path;            // NT path of the compiled view
  ParamText exe;                  // virtual DOS path of the program
  ParamVolume volumes[kMaxVolumes];
};
inline constexpr uint32_t kParamWine = 2;    // ntdll exports wine_get_version
inline constexpr uint32_t kParamMapped = 4;  // the image is a copy-on-write view of the layer's file
inline constexpr uint32_t kParamWow64 = 8;   // the program is a 32-bit one, its system calls come from WoW64

struct FunctionRow {
  const char* name;
  uint32_t required;
  uint32_t reserved;
};
struct HookRow {
  uint32_t slot;  // index of the function
  uint32_t reserved;
  void* handler;
};

// The one export. Every pointer points into the layer's own image.
struct LayerHeader {
  uint32_t magic, version;
  uint32_t function_count, hook_count;
  const FunctionRow* functions;  // in the order of nt::Functions
  const HookRow* hooks;
  nt::Functions* originals;
  Params* params;
  uint8_t* trampolines;  // inside the executable section, filled before it becomes executable
  size_t trampoline_bytes;
  char16_t* texts;  // room for the texts of a mapped image
  size_t text_units;
};
inline constexpr char kLayerExport[] = "plume_layer";

extern "C" Params plume_params;

// Whether the guest's own code is 32-bit, so that the system gives it the 32-bit view of the registry.
inline bool Is32BitProgram() { return sizeof(void*) == 4 || (plume_params.flags & kParamWow64); }

// How pages of the layer's own image are made writable: what a copy-on-write view may be is not "read-write".
inline nt::Ulong OwnWritable() {
  return plume_params.flags & kParamMapped ? nt::kPageWriteCopy : nt::kPageReadWrite;
}

}  // namespace plume::vl
