// Guest <-> agent messages: only on a miss. One request and one reply per connection use; a connection may be
// kept. Freestanding, fixed size, little-endian. docs/formats/wire.md
#pragma once
#include <cstdint>

namespace plume::wire {

inline constexpr uint32_t kMagic = 0x31574c50;  // "PLW1"

enum class Op : uint32_t {
  kHydrate = 1,   // make the file layer/entry present and verified in the image's tree, then answer
  kPing = 2,      // answer at once with status 0: on another connection, by who has waited long for kHydrate
  kServices = 3,  // have the VM's service manager run, then answer; layer and entry are 0
};

struct Request {
  uint32_t magic;  // kMagic
  Op op;
  uint32_t layer;  // Layer.id of the view
  uint32_t entry;  // index into Catalog.entries
  uint32_t pid;    // of the guest, for messages to the user
  uint32_t reserved;
  char16_t vm_id[64];  // zero-terminated View.vm_id
};
static_assert(sizeof(Request) == 152);

struct Reply {
  uint32_t magic;
  uint32_t status;  // NTSTATUS to hand to the guest; 0 = done
};
static_assert(sizeof(Reply) == 8);

// The status of an open whose bytes are not here and cannot be had now (ERROR_FILE_OFFLINE).
inline constexpr uint32_t kStatusFileIsOffline = 0xC0000267;

}  // namespace plume::wire
