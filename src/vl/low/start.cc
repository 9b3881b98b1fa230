#include "vl/low/start.h"

#include <cstring>

#include "view/start_record.h"
#include "vl/low/map_file.h"

namespace plume::vl {
namespace {

constexpr char16_t kName[] = u"\\start.pls";
constexpr size_t kNameUnits = sizeof(kName) / sizeof(kName[0]) - 1;

// 0: not looked for yet, 1: there is none. Processes that open no file of an image never look.
constinit std::atomic<uintptr_t> g_record{0};

uintptr_t FindRecord(const VlState& vl) {
  char16_t name[512];
  const size_t size = vl.vm_folder.size() + kNameUnits;
  if (size > sizeof(name) / sizeof(name[0])) return 1;
  std::memcpy(name, vl.vm_folder.data(), vl.vm_folder.size() * sizeof(char16_t));
  std::memcpy(name + vl.vm_folder.size(), kName, kNameUnits * sizeof(char16_t));
  void* base;
  size_t bytes;
  if (!nt::Ok(MapFile(view::WView(name, size), true, &base, &bytes))) return 1;
  view::StartRecord record;
  // A damaged one stays mapped: it is of no use, and of no harm.
  return record.Attach(base, bytes) ? reinterpret_cast<uintptr_t>(base) : 1;
}

}  // namespace

void NoteTouch(const VlState& vl, uint16_t layer, uint32_t entry) {
  uintptr_t at = g_record.load(std::memory_order_acquire);
  if (at == 0) {
    // Two threads may both look: the second mapping is the same file.
    at = FindRecord(vl);
    g_record.store(at, std::memory_order_release);
  }
  if (at == 1) return;
  view::StartRecord record;
  if (record.Attach(reinterpret_cast<void*>(at), UINT64_MAX)) record.Touch(layer, entry);
}

}  // namespace plume::vl
