#include "view/listing.h"

#include <new>

namespace plume::view {
namespace {

bool IsDots(WView name) { return name == u"." || name == u".."; }

uint64_t SortKey(WView name) {
  uint64_t key = 0;
  for (size_t i = 0; i < 4; ++i) key = key << 16 | (i < name.size() ? uint64_t{Upcase(name[i])} : 0u);
  return key;
}

}  // namespace

template <typename T>
T* Listing::New(size_t n) {
  auto* memory = static_cast<T*>(allocator_.alloc(allocator_.context, n * sizeof(T)));
  for (size_t i = 0; memory != nullptr && i < n; ++i) new (memory + i) T();
  return memory;
}

bool Listing::Shows(Source source, WView name) const {
  if (filter_ == nullptr || IsDots(name)) return true;
  switch (source) {
    case Source::kUpper:
      return filter_->ShowsUpper(name);
    case Source::kImage:
      return filter_->ShowsImage(name);
    case Source::kHost:
      return filter_->ShowsHost(name);
  }
  return false;
}

Listing::Taken* Listing::FindTaken(uint64_t hash, WView name) const {
  if (table_size_ == 0) return nullptr;
  for (size_t i = hash & (table_size_ - 1); table_[i].name.data() != nullptr;
       i = (i + 1) & (table_size_ - 1)) {
    if (table_[i].hash == hash && EqualFolded(table_[i].name, name)) return &table_[i];
  }
  return nullptr;
}

bool Listing::Take(uint64_t hash, WView name, DirEntry* short_of) {
  if ((taken_ + 1) * 2 > table_size_ && !Grow()) return false;
  size_t i = hash & (table_size_ - 1);
  while (table_[i].name.data() != nullptr) i = (i + 1) & (table_size_ - 1);
  table_[i] = {hash, name, short_of};
  ++taken_;
  return true;
}

// Doubles the table of names. The old one stays behind in the arena; together they are less than the new one.
bool Listing::Grow() {
  Taken* const old = table_;
  const size_t old_size = table_size_, size = old_size == 0 ? 256 : old_size * 2;
  Taken* const table = New<Taken>(size);
  if (table == nullptr) return false;
  table_ = table;
  table_size_ = size;
  for (size_t i = 0; i < old_size; ++i) {
    if (old[i].name.data() == nullptr) continue;
    size_t to = old[i].hash & (size - 1);
    while (table[to].name.data() != nullptr) to = (to + 1) & (size - 1);
    table[to] = old[i];
  }
  return true;
}

WView Listing::Copy(WView text) {
  if (text.empty()) return WView();
  auto* units = static_cast<char16_t*>(allocator_.alloc(allocator_.context, text.size() * sizeof(char16_t)));
  if (units == nullptr) return WView();
  for (size_t i = 0; i < text.size(); ++i) units[i] = text[i];
  return WView(units, text.size());
}

bool Listing::Add(Source source, const DirEntry& entry) {
  if (entry.name.empty()) return true;
  const uint64_t hash = HashRoot(entry.name);
  Taken* const taken = FindTaken(hash, entry.name);
  if ((taken != nullptr && taken->short_of == nullptr) || !Shows(source, entry.name)) return true;
  if (count_ % kBlock == 0) {
    const size_t block = count_ / kBlock;
    if (block == block_slots_) {
      const size_t slots = block_slots_ == 0 ? 16 : block_slots_ * 2;
      auto** blocks = New<DirEntry*>(slots);
      if (blocks == nullptr) return false;
      for (size_t i = 0; i < block_slots_; ++i) blocks[i] = blocks_[i];
      blocks_ = blocks;
      block_slots_ = slots;
    }
    blocks_[block] = New<DirEntry>(kBlock);
    if (blocks_[block] == nullptr) return false;
  }
  DirEntry& mine = blocks_[count_ / kBlock][count_ % kBlock];
  mine = entry;
  mine.source = source;
  mine.name = Copy(entry.name);
  mine.short_name = WView();
  if (mine.name.empty()) return false;
  if (taken != nullptr) {
    // A look-up finds a long name before any short one, so nobody can have it as his short one.
    taken->short_of->short_name = WView();
    taken->short_of = nullptr;
  } else if (!Take(hash, mine.name, nullptr)) {
    return false;
  }
  if (!entry.short_name.empty() && entry.short_name.size() <= 12) {
    const uint64_t short_hash = HashRoot(entry.short_name);
    const bool unique = short_names_ == ShortNames::kUnique;
    if (!unique || FindTaken(short_hash, entry.short_name) == nullptr) {
      mine.short_name = Copy(entry.short_name);
      if (mine.short_name.empty() || (unique && !Take(short_hash, mine.short_name, &mine))) return false;
    }
  }
  ++count_;
  if (source == Source::kUpper) ++upper_count_;
  return true;
}

size_t Listing::After(WView name) const {
  DirEntry entry;
  entry.name = name;
  const Sortable last{SortKey(name), &entry};
  size_t low = 0, high = count_;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (Less(last, sorted_[middle])) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

bool Listing::Less(const Sortable& a, const Sortable& b) {
  const bool dots_a = IsDots(a.entry->name), dots_b = IsDots(b.entry->name);
  if (dots_a != dots_b) return dots_a;
  if (a.key != b.key) return a.key < b.key;
  return CompareFolded(a.entry->name, b.entry->name) < 0;
}

// A merge sort that uses the order that is there: systems list directories sorted, so the entries are mostly
// one sorted run per source, and this is then one pass over them.
bool Listing::Sort() {
  const size_t n = count_ == 0 ? 1 : count_;
  auto* from = New<Sortable>(n);
  auto* to = New<Sortable>(n);
  auto* ends = New<size_t>(n + 1);  // ends[i]: where the i-th run ends
  if (from == nullptr || to == nullptr || ends == nullptr) return false;
  size_t runs = 0;
  for (size_t i = 0; i < count_; ++i) {
    const DirEntry* entry = &blocks_[i / kBlock][i % kBlock];
    from[i] = {SortKey(entry->name), entry};
    if (i > 0 && Less(from[i], from[i - 1])) ends[runs++] = i;
  }
  ends[runs++] = count_;
  while (runs > 1) {
    size_t merged = 0, start = 0;
    for (size_t run = 0; run < runs; run += 2) {
      const size_t middle = ends[run], end = run + 1 < runs ? ends[run + 1] : middle;
      Merge(from + start, from + middle, from + end, to + start);
      ends[merged++] = start = end;
    }
    runs = merged;
    Sortable* const swap = from;
    from = to;
    to = swap;
  }
  sorted_ = from;
  return true;
}

// Merges the sorted [a, b) and [b, end) into `out`.
void Listing::Merge(const Sortable* a, const Sortable* b, const Sortable* end, Sortable* out) {
  const Sortable* const middle = b;
  while (a != middle && b != end) *out++ = Less(*b, *a) ? *b++ : *a++;
  while (a != middle) *out++ = *a++;
  while (b != end) *out++ = *b++;
}

}  // namespace plume::view
