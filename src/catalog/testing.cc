#include "catalog/testing.h"

#include <cstring>
#include <deque>
#include <map>
#include <memory>

namespace plume::catalog::testing {
namespace {

struct Less {
  bool operator()(const std::u16string& a, const std::u16string& b) const {
    return view::CompareFolded(a, b) < 0;
  }
};

// A tree of names with the user's item where there is one.
template <typename Item>
struct Node {
  std::map<std::u16string, std::unique_ptr<Node>, Less> children;
  std::u16string name;
  const Item* item = nullptr;
  uint32_t index = 0, parent = 0, first_child = 0;
};

template <typename Item>
std::map<std::string, std::unique_ptr<Node<Item>>> MakeTrees(const std::vector<Item>& items) {
  std::map<std::string, std::unique_ptr<Node<Item>>> roots;
  for (const Item& item : items) {
    auto& root = roots[item.root];
    if (!root) root = std::make_unique<Node<Item>>();
    Node<Item>* at = root.get();
    for (size_t pos = 0; pos < item.path.size();) {
      size_t end = item.path.find(u'\\', pos);
      if (end == std::u16string::npos) end = item.path.size();
      const std::u16string name = item.path.substr(pos, end - pos);
      auto& child = at->children[name];
      if (!child) {
        child = std::make_unique<Node<Item>>();
        child->name = name;
      }
      at = child.get();
      pos = end + 1;
    }
    at->item = &item;
  }
  return roots;
}

// Numbers the nodes breadth-first, so that children lie together and after their directory.
template <typename Item>
std::vector<Node<Item>*> Number(const std::map<std::string, std::unique_ptr<Node<Item>>>& roots) {
  std::vector<Node<Item>*> order;
  for (const auto& [name, root] : roots) {
    root->index = root->parent = static_cast<uint32_t>(order.size());
    order.push_back(root.get());
  }
  for (size_t i = 0; i < order.size(); ++i) {
    order[i]->first_child = static_cast<uint32_t>(order.size());
    for (const auto& [name, child] : order[i]->children) {
      child->index = static_cast<uint32_t>(order.size());
      child->parent = order[i]->index;
      order.push_back(child.get());
    }
  }
  return order;
}

Sha256 TestDigest(uint64_t n) {
  uint8_t bytes[32] = {};
  std::memcpy(bytes, &n, sizeof(n));
  return Sha256(flatbuffers::span<const uint8_t, 32>(bytes));
}

uint32_t AddName(const std::u16string& name, Parts* parts) {
  const auto at = static_cast<uint32_t>(parts->names.size());
  parts->names += name;
  return at;
}

}  // namespace

Buffer::Buffer(const std::vector<uint8_t>& bytes) : words_((bytes.size() + 7) / 8), size_(bytes.size()) {
  if (!bytes.empty()) std::memcpy(words_.data(), bytes.data(), bytes.size());
}

Parts Collect(const std::vector<TestEntry>& entries, const std::vector<TestKey>& keys) {
  Parts p;
  uint64_t pack_bytes = 0;
  const auto files = MakeTrees(entries);
  for (const auto& [name, root] : files) {
    p.roots.push_back({name, static_cast<uint32_t>(p.roots.size()), false});
  }
  for (const Node<TestEntry>* n : Number(files)) {
    const bool directory =
        n->item == nullptr || n->item->directory || !n->children.empty() || n->index == n->parent;
    const uint64_t size = directory ? 0 : n->item->size;
    const std::u16string short_name = n->item ? n->item->short_name : u"";
    uint32_t content = kNone;
    const auto first_chunk = static_cast<uint32_t>(p.chunk_refs.size());
    if (size > 0) {
      content = static_cast<uint32_t>(p.contents.size());
      p.contents.push_back(TestDigest(content));
      p.chunk_refs.push_back(static_cast<uint32_t>(p.chunks.size()));
      p.chunks.push_back(Chunk(TestDigest(1000 + content), static_cast<uint32_t>(size),
                               static_cast<uint32_t>(size), pack_bytes, 0, 0));
      pack_bytes += size;
    }
    const uint32_t attributes = directory ? 0x10 : n->item->attributes;
    const int64_t modified = n->item ? n->item->modified : 0;
    p.entries.push_back(Entry(AddName(n->name, &p), static_cast<uint16_t>(n->name.size()),
                              directory ? kDirectory : 0, attributes, n->parent, n->first_child,
                              static_cast<uint32_t>(n->children.size()), first_chunk, size > 0 ? 1 : 0,
                              content, size, modified, modified, AddName(short_name, &p),
                              static_cast<uint16_t>(short_name.size()), 0));
  }
  if (pack_bytes > 0) p.packs.push_back(Pack(TestDigest(1), pack_bytes));
  const auto trees = MakeTrees(keys);
  uint32_t key_root = 0;
  for (const auto& [name, root] : trees) p.roots.push_back({name, key_root++, true});
  for (const Node<TestKey>* n : Number(trees)) {
    const auto first_value = static_cast<uint32_t>(p.values.size());
    if (n->item != nullptr) {
      for (const TestValue& v : n->item->values) {
        p.values.push_back(Value(AddName(v.name, &p), static_cast<uint16_t>(v.name.size()), 0, v.type,
                                 static_cast<uint32_t>(p.data.size()), static_cast<uint32_t>(v.data.size())));
        p.data.insert(p.data.end(), v.data.begin(), v.data.end());
      }
    }
    p.keys.push_back(Key(AddName(n->name, &p), static_cast<uint16_t>(n->name.size()), 0, n->parent,
                         n->first_child, static_cast<uint32_t>(n->children.size()), first_value,
                         static_cast<uint32_t>(p.values.size()) - first_value, 0, 0));
  }
  return p;
}

Buffer Write(const Parts& p) {
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<Root>> roots;
  for (const Parts::RootRow& r : p.roots) {
    roots.push_back(CreateRoot(b, b.CreateString(r.name), r.index, r.registry));
  }
  const auto names = b.CreateVector(reinterpret_cast<const uint16_t*>(p.names.data()), p.names.size());
  const auto entries = b.CreateVectorOfStructs(p.entries);
  const auto keys = b.CreateVectorOfStructs(p.keys);
  const auto values = b.CreateVectorOfStructs(p.values);
  const auto data = b.CreateVector(p.data);
  const auto contents = b.CreateVectorOfStructs(p.contents);
  const auto refs = b.CreateVector(p.chunk_refs);
  const auto chunks = b.CreateVectorOfStructs(p.chunks);
  const auto packs = b.CreateVectorOfStructs(p.packs);
  const auto root_rows = b.CreateVector(roots);
  FinishCatalogBuffer(b, CreateCatalog(b, p.version, names, entries, keys, values, data, contents, refs,
                                       chunks, packs, root_rows));
  return Buffer(std::vector<uint8_t>(b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize()));
}

}  // namespace plume::catalog::testing
