// The state of the layer in one guest process: the mapped view of the VM and facts about the platform. Filled
// once, by the first replaced call of the process; immutable afterwards.
//
// Every handler begins with
//   const VlState& vl = Enter();
// which costs one load once the state is there. If it cannot be built the process is ended with a message in
// the VM's guest.log (fail closed): Enter never returns without a complete state.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "view/lookup.h"
#include "view/name_rules.h"
#include "view/network.h"
#include "view/object_name.h"
#include "vl/nt/nt.h"

namespace plume::vl {

// What may cross between the VM's clipboard and the machine's; kinds as bits.
struct ClipboardRules {
  bool to_host = false, from_host = false;
  uint8_t kinds = 0xf;
  uint64_t max_bytes = 0;  // 0 = no limit
};
inline constexpr uint8_t kClipText = 1, kClipImage = 2, kClipFiles = 4, kClipPrivate = 8;

struct VlState {
  view::Space space;      // rules, mounts, catalogs, VM index: input of view::LookUp
  view::VmIndex index;    // what space.index points at; writable
  view::NameTable names;  // input of view::ParseFileName

  // NT path of the hydrated tree (files) or key path of the materialised tree (registry) of each
  // space.mounts[i].
  std::span<const view::WView> mount_real;
  std::span<const uint32_t> layer_id;  // Layer.id by layer number (space.mounts[i].layer), for Hydrate

  view::WView upper;           // "\??\C:\...\vms\<id>\upper"
  view::WView scratch;         // "\??\C:\...\vms\<id>\scratch"
  view::WView registry_upper;  // "\REGISTRY\USER\<sid>\Software\Plume\..."
  view::WView user_key;        // "\REGISTRY\USER\<sid>"
  view::WView agent_pipe, job, vm_id, vm_name;
  view::WView vl64, vl32;  // NT paths of the layer's files
  view::WView vm_folder;   // "\??\C:\...\vms\<id>", where guest.log is
  view::WView view_path;   // NT path of the view file
  view::WView exe;         // virtual DOS path of this process's program
  // The first rule that matches decides; none = private (objects, windows) or refused (devices).
  std::span<const view::NameRule> object_rules, device_rules, window_rules;
  view::ObjectMark object_mark;  // behind the VM's own object names
  ClipboardRules clipboard;
  view::NetworkRules network;
  bool show_all_processes = false;
  view::WView trace_folder;    // where recordings are, if the VM index says that there is one (low/trace.h)
  view::WView fonts;           // the VM's own: virtual DOS paths, "|" between (calls/window_fonts.cc)
  const void* view = nullptr;  // the mapped wire::View
  uint32_t pid = 0;
  uint32_t session = 0;
  bool is_wine = false;
};

// Internal: the finished state, or null before it.
extern std::atomic<const VlState*> g_state;
// Set once every other thread of the ending process has been ended by the system, whatever locks they held.
extern std::atomic<bool> g_alone;
// Builds the state or waits until another thread has. Ends the process on failure.
const VlState& InitializeOnce();

inline const VlState& Enter() {
  const VlState* s = g_state.load(std::memory_order_acquire);
  return s ? *s : InitializeOnce();
}

}  // namespace plume::vl
