// Reader::Verify: everything that Reader and its users rely on without checking again.
#include "catalog/reader.h"

namespace plume::catalog {
namespace {

constexpr uint32_t kMaxValueName = 16383;
// Files may share runs of chunks, so a small hostile catalog could ask for endless work: this bounds it.
constexpr uint64_t kMaxChunkSteps = 1ull << 28;

bool InRange(uint64_t first, uint64_t count, uint64_t size) { return first <= size && count <= size - first; }

bool IsLegalKeyName(WView name) {
  if (name.empty() || name.size() > 255) return false;
  for (char16_t c : name) {
    if (c == u'\\') return false;
  }
  return true;
}

bool IsLegalShortName(WView name) { return view::IsLegalFileName(name) && name.size() <= 12; }

// Root names are folder names in the cache: letters and digits only.
bool IsLegalRootName(const flatbuffers::String* name) {
  if (name->size() == 0 || name->size() > 32) return false;
  for (uint32_t i = 0; i < name->size(); ++i) {
    const char c = name->c_str()[i];
    if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return true;
}

class Checker {
 public:
  explicit Checker(const Catalog* c)
      : names_(reinterpret_cast<const char16_t*>(c->names()->Data())),
        name_units_(c->names()->size()),
        entries_(reinterpret_cast<const Entry*>(c->entries()->Data())),
        entry_count_(c->entries()->size()),
        keys_(reinterpret_cast<const Key*>(c->keys()->Data())),
        key_count_(c->keys()->size()),
        c_(c) {}

  bool Run() {
    // FlatBuffers' verifier does not look at the alignment of structs in vectors.
    if (!Aligned(c_->entries()) || !Aligned(c_->keys()) || !Aligned(c_->values()) || !Aligned(c_->chunks()) ||
        !Aligned(c_->packs())) {
      return false;
    }
    return Entries() && Keys() && Values() && Chunks() && Roots();
  }

 private:
  // Checks node `i` of a tree stored breadth-wise: children follow their parent, lie together, point back to
  // it, and are sorted without equals. As a child's index is always greater than its parent's, no cycle can
  // exist.
  template <typename Node>
  bool TreeNode(const Node* nodes, uint32_t count, uint32_t i, bool may_have_children) const {
    const Node& n = nodes[i];
    if (!InRange(n.name(), n.name_length(), name_units_)) return false;
    if (n.parent() >= count) return false;
    if (n.parent() != i) {
      const Node& parent = nodes[n.parent()];
      if (i < parent.first_child() || i - parent.first_child() >= parent.child_count()) return false;
    }
    if (n.child_count() == 0) return true;
    if (!may_have_children || n.first_child() <= i || !InRange(n.first_child(), n.child_count(), count))
      return false;
    for (uint32_t c = n.first_child(); c < n.first_child() + n.child_count(); ++c) {
      if (nodes[c].parent() != i || !InRange(nodes[c].name(), nodes[c].name_length(), name_units_))
        return false;
      if (c > n.first_child() && view::CompareFolded(Name(nodes[c - 1]), Name(nodes[c])) >= 0) return false;
    }
    return true;
  }

  template <typename T>
  static bool Aligned(const flatbuffers::Vector<const T*>* v) {
    return v->size() == 0 || reinterpret_cast<uintptr_t>(v->Data()) % alignof(T) == 0;
  }

  template <typename Node>
  WView Name(const Node& n) const {
    return WView(names_ + n.name(), n.name_length());
  }

  bool Entries() {
    uint64_t steps = 0;
    for (uint32_t i = 0; i < entry_count_; ++i) {
      const Entry& e = entries_[i];
      const bool directory = (e.flags() & kDirectory) != 0;
      if ((e.flags() & ~(kDirectory | kPeFile)) != 0 || (directory && (e.flags() & kPeFile) != 0))
        return false;
      if (!TreeNode(entries_, entry_count_, i, directory)) return false;
      if (e.parent() == i ? !directory : !view::IsLegalFileName(Name(e))) return false;
      if (!InRange(e.short_name(), e.short_length(), name_units_)) return false;
      if (e.short_length() != 0 && !IsLegalShortName(WView(names_ + e.short_name(), e.short_length())))
        return false;
      if (directory ? !Contentless(e) : !File(e, &steps)) return false;
    }
    return true;
  }

  bool Contentless(const Entry& e) const {
    return e.size() == 0 && e.chunk_count() == 0 && e.content() == kNone;
  }

  bool File(const Entry& e, uint64_t* steps) const {
    if (e.size() == 0) return Contentless(e);
    if (e.size() >> 63 != 0 || e.content() >= c_->contents()->size()) return false;
    if (!InRange(e.first_chunk(), e.chunk_count(), c_->chunk_refs()->size())) return false;
    *steps += e.chunk_count();
    if (*steps > kMaxChunkSteps) return false;
    uint64_t bytes = 0;  // at most 2^32 chunks of less than 2^32 bytes: cannot overflow
    for (uint32_t r = e.first_chunk(); r < e.first_chunk() + e.chunk_count(); ++r) {
      const uint32_t chunk = c_->chunk_refs()->Get(r);
      if (chunk >= c_->chunks()->size()) return false;
      bytes += c_->chunks()->Get(chunk)->size();
    }
    return bytes == e.size();
  }

  bool Keys() const {
    for (uint32_t i = 0; i < key_count_; ++i) {
      const Key& k = keys_[i];
      if (!TreeNode(keys_, key_count_, i, true)) return false;
      if (k.parent() != i && !IsLegalKeyName(Name(k))) return false;
      if (!InRange(k.first_value(), k.value_count(), c_->values()->size())) return false;
    }
    return true;
  }

  bool Values() const {
    for (uint32_t i = 0; i < c_->values()->size(); ++i) {
      const Value& v = *c_->values()->Get(i);
      if (!InRange(v.name(), v.name_length(), name_units_) || v.name_length() > kMaxValueName) return false;
      if (!InRange(v.data(), v.data_size(), c_->data()->size())) return false;
    }
    return true;
  }

  bool Chunks() const {
    for (uint32_t i = 0; i < c_->chunks()->size(); ++i) {
      const Chunk& chunk = *c_->chunks()->Get(i);
      if (chunk.size() == 0 || chunk.stored() == 0 || chunk.pack() >= c_->packs()->size()) return false;
      if (!InRange(chunk.offset(), chunk.stored(), c_->packs()->Get(chunk.pack())->size())) return false;
    }
    return true;
  }

  // Every tree belongs to exactly one root, and root names differ.
  bool Roots() const {
    const auto& roots = *c_->roots();
    uint64_t file_roots = 0, key_roots = 0;
    for (uint32_t i = 0; i < roots.size(); ++i) {
      const Root& r = *roots.Get(i);
      if (!IsLegalRootName(r.name())) return false;
      if (r.index() >= (r.registry() ? key_count_ : entry_count_)) return false;
      if ((r.registry() ? keys_[r.index()].parent() : entries_[r.index()].parent()) != r.index())
        return false;
      ++(r.registry() ? key_roots : file_roots);
      for (uint32_t j = 0; j < i; ++j) {
        const Root& other = *roots.Get(j);
        if (other.index() == r.index() && other.registry() == r.registry()) return false;
        if (SameRootName(*other.name(), *r.name())) return false;
      }
      if (i >= 64) return false;
    }
    for (uint32_t i = 0; i < entry_count_; ++i) file_roots -= entries_[i].parent() == i;
    for (uint32_t i = 0; i < key_count_; ++i) key_roots -= keys_[i].parent() == i;
    return file_roots == 0 && key_roots == 0;
  }

  static bool SameRootName(const flatbuffers::String& a, const flatbuffers::String& b) {
    if (a.size() != b.size()) return false;
    for (uint32_t i = 0; i < a.size(); ++i) {
      if (view::Upcase(static_cast<unsigned char>(a.c_str()[i])) !=
          view::Upcase(static_cast<unsigned char>(b.c_str()[i]))) {
        return false;
      }
    }
    return true;
  }

  const char16_t* names_;
  uint32_t name_units_;
  const Entry* entries_;
  uint32_t entry_count_;
  const Key* keys_;
  uint32_t key_count_;
  const Catalog* c_;
};

}  // namespace

bool Reader::Verify(const void* data, size_t size) {
  if (data == nullptr || reinterpret_cast<uintptr_t>(data) % 8 != 0) return false;
  if (size < 16 || size >= FLATBUFFERS_MAX_BUFFER_SIZE) return false;
  flatbuffers::Verifier verifier(static_cast<const uint8_t*>(data), size);
  if (!VerifyCatalogBuffer(verifier)) return false;
  const Catalog* catalog = GetCatalog(data);
  return catalog->version() == kVersion && Checker(catalog).Run();
}

}  // namespace plume::catalog
