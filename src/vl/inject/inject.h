// Makes a suspended, never-run process a guest: maps the layer into it, gives it its parameters, copies the
// stubs into trampolines and replaces them. Runs in hosted programs (for the first guest of a VM) and inside
// the layer (for children of guests); it makes system calls only through the given table and uses no CRT.
//
//   hosted:  Inject(HostedFunctions(), process, request)
//   layer:   Inject(orig, process, request)
//
// About a dozen calls into the process, whatever the number of hooks. On failure the process is as good as
// dead: the caller terminates it.
#pragma once
#include <span>

#include "view/path.h"
#include "vl/low/layer.h"
#include "vl/nt/functions.h"

namespace plume::vl {

struct InjectRequest {
  std::span<const uint8_t> layer;  // the bytes of plume-vl64.dll / plume-vl32.dll
  nt::Handle section = nullptr;    // of the same file, to be mapped and run; null: the process gets a copy
  view::WView view_path;           // NT path of the compiled view
  view::WView exe;                 // virtual DOS path of the program
  bool rename = false;             // the file has another real name: `exe` becomes ImagePathName
  view::WView current_directory;   // virtual DOS path; empty: leave the child's as it is
  std::span<const ParamVolume> volumes;
  uint32_t flags = 0;     // kParamWine
  void* ntdll = nullptr;  // base of ntdll in the calling process
};

enum class InjectError : uint8_t {
  kNone,
  kState,        // the process cannot be read or written (status says why)
  kMachine,      // a 32-bit program, which this system does not run in a 64-bit process (WoW64)
  kLayer,        // the layer file is damaged or of another version
  kImport,       // ntdll lacks an import of the layer (function)
  kMissing,      // ntdll lacks a required function (function)
  kUnknownStub,  // a stub has no known shape (function): a newer system or another product's hook
  kNtdll,        // the child's ntdll was not found
  kMemory,
};

struct InjectResult {
  InjectError error = InjectError::kNone;
  nt::NtStatus status = nt::kSuccess;
  const char* function = "";  // static or inside request.layer's copy of names: valid while ntdll is
  bool ok() const { return error == InjectError::kNone; }
};

InjectResult Inject(const nt::Functions& sys, nt::Handle process, const InjectRequest& request);

}  // namespace plume::vl
