// The binary interface between an injector and the layer: what the layer's file exports (`plume_layer`) and
// what the injector writes into it (`Params`, the originals, the trampolines). Injector and layer must be of
// one build generation: kLayerVersion changes with any change here.
#pragma once
#include "vl/nt/functions.h"

namespace plume::vl {

inline constexpr uint32_t kLayerMagic = 0x314c4c50;  // "PLL1"
inline constexpr uint32_t kLayerVersion = 3;

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
  size_t image_size, block_size;  // the block is the image, and behind it the texts
  ParamText view_path;            // NT path of the compiled view
  ParamText exe;                  // virtual DOS path of the program
  ParamVolume volumes[kMaxVolumes];
};
inline constexpr uint32_t kParamWine = 2;  // ntdll exports wine_get_version

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
};
inline constexpr char kLayerExport[] = "plume_layer";

extern "C" Params plume_params;

}  // namespace plume::vl
