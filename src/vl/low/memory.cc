#include "vl/low/memory.h"

#include <atomic>

#include "vl/low/lock.h"

namespace plume::vl {
namespace {

// --- Heap
// -----------------------------------------------------------------------------------------------------------
// Every block has a 16-byte header in front that names its class; free blocks are linked through their
// bodies.
constexpr size_t kHeader = 16, kSlab = 64 << 10;
constexpr uint32_t kClasses = 11;  // 32 bytes << class, header included: up to 32 KiB
constexpr uint32_t kLarge = 0xffffffff;

struct Header {
  uint32_t size_class;
  uint32_t magic;
  size_t pages;  // kLarge: bytes taken from the system
};
static_assert(sizeof(Header) <= kHeader);
constexpr uint32_t kMagic = 0x6b6c4250;

struct FreeBlock {
  FreeBlock* next;
};
struct SizeClass {
  Lock lock;
  FreeBlock* free = nullptr;
  uint8_t* fresh = nullptr;  // not yet carved part of the newest slab
  size_t fresh_bytes = 0;
};
constinit SizeClass g_classes[kClasses];

uint8_t* TakeBlock(uint32_t size_class) {
  SizeClass& c = g_classes[size_class];
  const size_t size = size_t{32} << size_class;
  for (;;) {
    {
      LockGuard guard(c.lock);
      if (c.free) {
        auto* block = reinterpret_cast<uint8_t*>(c.free) - kHeader;
        c.free = c.free->next;
        return block;
      }
      if (c.fresh_bytes >= size) {
        uint8_t* block = c.fresh;
        c.fresh += size;
        c.fresh_bytes -= size;
        return block;
      }
    }
    // The system is asked without the lock; a slab that loses the race is given back.
    auto* slab = static_cast<uint8_t*>(PagesAlloc(kSlab));
    if (!slab) return nullptr;
    bool used = false;
    {
      LockGuard guard(c.lock);
      if (c.fresh_bytes < size) {
        c.fresh = slab;
        c.fresh_bytes = kSlab;
        used = true;
      }
    }
    if (!used) PagesFree(slab, kSlab);
  }
}

}  // namespace

void* HeapAlloc(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const size_t need = bytes + kHeader;
  uint32_t size_class = 0;
  while (size_class < kClasses && (size_t{32} << size_class) < need) ++size_class;
  uint8_t* block;
  size_t pages = 0;
  if (size_class == kClasses) {
    pages = (need + kSlab - 1) & ~(kSlab - 1);
    size_class = kLarge;
    block = static_cast<uint8_t*>(PagesAlloc(pages));
  } else {
    block = TakeBlock(size_class);
  }
  if (!block) return nullptr;
  new (block) Header{size_class, kMagic, pages};
  return block + kHeader;
}

void HeapFree(void* body) {
  if (!body) return;
  auto* header = reinterpret_cast<Header*>(static_cast<uint8_t*>(body) - kHeader);
  if (header->magic != kMagic) __builtin_trap();  // damaged or freed twice
  if (header->size_class == kLarge) {
    PagesFree(header, header->pages);
    return;
  }
  header->magic = 0;
  SizeClass& c = g_classes[header->size_class];
  auto* block = static_cast<FreeBlock*>(body);
  LockGuard guard(c.lock);
  block->next = c.free;
  c.free = block;
}

// --- Call scratch
// --------------------------------------------------------------------------------------------------- Free
// contexts form a stack. Its head packs the context's address (64 KiB-aligned, below 2^48) with a counter
// that changes on every pop, so that a stale compare-and-swap cannot succeed. Contexts are never given back
// to the system: a racing pop may still read `next` of one that is in use.
struct CallScratch::Context {
  std::atomic<Context*> next;
  size_t used;
};
struct CallScratch::Extra {
  Extra* next;
  size_t bytes;
};

namespace {

constexpr size_t kContext = 256 << 10, kAlign = 64;
constinit std::atomic<uint64_t> g_head{0};

void* Unpack(uint64_t head) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>((head & 0xffffffff) << 16));
}
uint64_t Pack(const void* context, uint64_t tag) {
  return (tag << 32) | (static_cast<uint64_t>(reinterpret_cast<uintptr_t>(context)) >> 16);
}

}  // namespace

CallScratch::CallScratch() {
  uint64_t head = g_head.load(std::memory_order_acquire);
  while (auto* top = static_cast<Context*>(Unpack(head))) {
    const uint64_t rest = Pack(top->next.load(std::memory_order_relaxed), (head >> 32) + 1);
    if (g_head.compare_exchange_weak(head, rest, std::memory_order_acquire)) {
      context_ = top;
      break;
    }
  }
  if (!context_) {
    void* pages = PagesAlloc(kContext);
    if (!pages) return;  // Alloc then answers null
    context_ = new (pages) Context{};
  }
  context_->used = kAlign;
}

CallScratch::~CallScratch() {
  while (extra_) {
    Extra* next = extra_->next;
    PagesFree(extra_, extra_->bytes);
    extra_ = next;
  }
  if (!context_) return;
  uint64_t head = g_head.load(std::memory_order_relaxed);
  do {
    context_->next.store(static_cast<Context*>(Unpack(head)), std::memory_order_relaxed);
  } while (!g_head.compare_exchange_weak(head, Pack(context_, head >> 32), std::memory_order_release,
                                         std::memory_order_relaxed));
}

void* CallScratch::Alloc(size_t bytes, size_t align) {
  static_assert(sizeof(Context) <= kAlign && sizeof(Extra) <= kAlign);
  if (!context_ || bytes > SIZE_MAX / 2) return nullptr;
  const size_t at = (context_->used + align - 1) & ~(align - 1);
  if (bytes <= kContext - at && at <= kContext) {
    context_->used = at + bytes;
    return reinterpret_cast<uint8_t*>(context_) + at;
  }
  const size_t pages = (bytes + kAlign + kSlab - 1) & ~(kSlab - 1);
  auto* extra = static_cast<Extra*>(PagesAlloc(pages));
  if (!extra) return nullptr;
  new (extra) Extra{extra_, pages};
  extra_ = extra;
  return reinterpret_cast<uint8_t*>(extra) + kAlign;
}

}  // namespace plume::vl
