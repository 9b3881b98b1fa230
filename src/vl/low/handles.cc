#include "vl/low/handles.h"

#include <cstring>

#include "vl/low/memory.h"

namespace plume::vl {
namespace {

constinit HandleTable g_handles;

}  // namespace

HandleTable& Handles() { return g_handles; }

HandleInfo* NewHandleInfo(HandleKind kind, const view::VPath& path) {
  const size_t bytes = path.text.size() * sizeof(char16_t);
  void* at = HeapAlloc(sizeof(HandleInfo) + bytes);
  if (!at) return nullptr;
  auto* info = new (at) HandleInfo();
  info->kind = kind;
  info->depth = path.depth;
  info->hash = path.hash[path.depth];
  info->length_ = static_cast<uint32_t>(path.text.size());
  std::memcpy(static_cast<void*>(info + 1), path.text.data(), bytes);
  return info;
}

HandleInfo* NewHandleInfo(HandleKind kind) {
  auto* info = HeapNew<HandleInfo>();
  if (info) info->kind = kind;
  return info;
}

HandleInfo* CopyHandleInfo(const HandleInfo& from) {
  const size_t bytes = from.length_ * sizeof(char16_t);
  void* at = HeapAlloc(sizeof(HandleInfo) + bytes);
  if (!at) return nullptr;
  auto* info = new (at) HandleInfo();
  info->kind = from.kind;
  info->source = from.source;
  info->depth = from.depth;
  info->mount = from.mount;
  info->entry = from.entry;
  info->access = from.access;
  info->options = from.options;
  info->hash = from.hash;
  info->length_ = from.length_;
  std::memcpy(static_cast<void*>(info + 1), from.Path().data(), bytes);
  return info;
}

void* HandleInfo::SetExtension(void* mine, void (*destroy_extension)(void*)) {
  void* theirs = nullptr;
  {
    // `destroy` must be there when the pointer is: the same function for every contender of one kind of call.
    LockGuard guard(lock);
    theirs = extension.load(std::memory_order_relaxed);
    if (!theirs) {
      destroy = destroy_extension;
      extension.store(mine, std::memory_order_release);
      return mine;
    }
  }
  destroy_extension(mine);
  return theirs;
}

void HandleRef::Reset() {
  HandleInfo* info = info_;
  info_ = nullptr;
  if (!info || info->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  void* extension = info->extension.load(std::memory_order_acquire);
  if (extension && info->destroy) info->destroy(extension);
  HeapDelete(info);
}

void HandleTable::Insert(nt::Handle handle, HandleInfo* info) {
  if (!info) return;
  const uintptr_t key = Key(handle);
  const uint32_t hash = Hash(key);
  Shard& shard = shards_[(hash >> 8) % kShards];
  HandleRef dropped;  // released after the lock
  auto* node = static_cast<Node*>(HeapAlloc(sizeof(Node)));
  if (!node) {
    dropped = HandleRef(info);
    return;
  }
  Node* spare = nullptr;
  {
    LockGuard guard(shard.lock);
    Node** head = &shard.buckets[hash % kBuckets];
    Node* found = *head;
    while (found && found->key != key) found = found->next;
    if (found) {
      dropped = HandleRef(found->info);
      found->info = info;
      spare = node;
    } else {
      *node = Node{key, info, *head};
      *head = node;
      shard.count.fetch_add(1, std::memory_order_relaxed);
    }
  }
  HeapFree(spare);
}

HandleRef HandleTable::Find(nt::Handle handle) {
  const uintptr_t key = Key(handle);
  const uint32_t hash = Hash(key);
  Shard& shard = shards_[(hash >> 8) % kShards];
  if (shard.count.load(std::memory_order_relaxed) == 0) return HandleRef();
  LockGuard guard(shard.lock);
  for (Node* node = shard.buckets[hash % kBuckets]; node; node = node->next) {
    if (node->key != key) continue;
    node->info->references_.fetch_add(1, std::memory_order_relaxed);
    return HandleRef(node->info);
  }
  return HandleRef();
}

void HandleTable::Remove(nt::Handle handle) {
  const uintptr_t key = Key(handle);
  const uint32_t hash = Hash(key);
  Shard& shard = shards_[(hash >> 8) % kShards];
  if (shard.count.load(std::memory_order_relaxed) == 0) return;
  HandleRef dropped;
  Node* node = nullptr;
  {
    LockGuard guard(shard.lock);
    for (Node** at = &shard.buckets[hash % kBuckets]; *at; at = &(*at)->next) {
      if ((*at)->key != key) continue;
      node = *at;
      *at = node->next;
      dropped = HandleRef(node->info);
      shard.count.fetch_sub(1, std::memory_order_relaxed);
      break;
    }
  }
  HeapFree(node);
}

}  // namespace plume::vl
