#include "catalog/writer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf16.h"
#include "catalog/reader.h"
#include "view/path.h"

namespace plume::catalog {
namespace {

constexpr size_t kMaxKeyName = 255, kMaxValueName = 16383;

Error Bad(const std::string& what, const std::string& why) {
  return Error{Errc::kInvalid, "writing the catalog: " + what + " " + why};
}

std::string Shown(const std::string& root, std::u16string_view path) { return root + "\\" + ToUtf8(path); }

std::u16string Fold(std::u16string_view text) {
  std::u16string out(text);
  for (char16_t& c : out) c = view::Upcase(c);
  return out;
}

bool IsLegalKeyName(std::u16string_view name) { return !name.empty() && name.size() <= kMaxKeyName; }

bool IsLegalRoot(const std::string& root) {
  return !root.empty() && root.size() <= 32 && std::all_of(root.begin(), root.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

// A tree of named nodes, from full paths to the breadth-wise order in which children lie together. T:
// FileNode or KeyNode.
template <typename T>
struct Tree {
  struct Node {
    std::u16string name;
    uint32_t parent = 0;
    const T* source = nullptr;                    // null: made for the path of another
    std::map<std::u16string, uint32_t> children;  // by folded name
  };
  std::vector<Node> nodes;
  std::map<std::string, uint32_t> roots;
};

// Sorted so that a directory comes before what is below it, whatever order the input has.
template <typename T>
std::vector<const T*> Sorted(const std::vector<T>& items) {
  struct Row {
    std::u16string folded;
    const T* item;
  };
  std::vector<Row> rows;
  rows.reserve(items.size());
  for (const T& item : items) rows.push_back({Fold(item.path), &item});
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    if (a.item->root != b.item->root) return a.item->root < b.item->root;
    if (a.folded != b.folded) return a.folded < b.folded;
    return a.item->path < b.item->path;
  });
  std::vector<const T*> out;
  out.reserve(rows.size());
  for (const Row& row : rows) out.push_back(row.item);
  return out;
}

// `is_leaf` says that nothing may be below the node; `is_legal` judges one name.
template <typename T, typename Leaf, typename Legal>
Result<Tree<T>> Plant(const std::vector<T>& items, Leaf&& is_leaf, Legal&& is_legal) {
  Tree<T> tree;
  for (const T* item : Sorted(items)) {
    if (!IsLegalRoot(item->root)) return Bad("the root \"" + item->root + "\"", "has an illegal name");
    const auto [root, is_new] = tree.roots.try_emplace(item->root, static_cast<uint32_t>(tree.nodes.size()));
    if (is_new) tree.nodes.push_back({u"", root->second, nullptr, {}});
    uint32_t at = root->second;
    int depth = 0;
    for (std::u16string_view rest = item->path; !rest.empty();) {
      const size_t slash = rest.find(u'\\');
      const std::u16string_view name = rest.substr(0, slash);
      rest = slash == std::u16string_view::npos ? std::u16string_view() : rest.substr(slash + 1);
      if (!is_legal(name) || (slash != std::u16string_view::npos && rest.empty())) {
        return Bad(Shown(item->root, item->path), "has an illegal name in its path");
      }
      if (++depth > view::kMaxDepth - 2 || item->path.size() > view::kMaxPathUnits / 2) {
        return Bad(Shown(item->root, item->path), "is too long or too deep");
      }
      const typename Tree<T>::Node& here = tree.nodes[at];
      if (here.source && is_leaf(*here.source)) return Bad(Shown(item->root, item->path), "is below a file");
      const auto [child, made] =
          tree.nodes[at].children.try_emplace(Fold(name), static_cast<uint32_t>(tree.nodes.size()));
      const uint32_t next = child->second;
      if (made) tree.nodes.push_back({std::u16string(name), at, nullptr, {}});
      at = next;
    }
    typename Tree<T>::Node& node = tree.nodes[at];
    if (node.source) {
      return Bad(Shown(item->root, item->path),
                 "is there twice (names that differ in case only are one name)");
    }
    node.source = item;
  }
  return tree;
}

struct Placed {
  uint32_t node;    // index into Tree::nodes
  uint32_t parent;  // position in the order
  uint32_t first_child = 0, child_count = 0;
};

// Breadth-wise from every root in turn: the children of a node lie together, sorted by folded name
// (std::map), after it.
template <typename T>
std::vector<Placed> Order(const Tree<T>& tree, std::map<std::string, uint32_t>* root_positions) {
  std::vector<Placed> order;
  order.reserve(tree.nodes.size());
  for (const auto& [name, node] : tree.roots) {
    (*root_positions)[name] = static_cast<uint32_t>(order.size());
    size_t next = order.size();
    order.push_back({node, static_cast<uint32_t>(next)});
    for (; next < order.size(); ++next) {
      const auto& children = tree.nodes[order[next].node].children;
      if (children.empty()) continue;
      order[next].first_child = static_cast<uint32_t>(order.size());
      order[next].child_count = static_cast<uint32_t>(children.size());
      for (const auto& [folded, child] : children) order.push_back({child, static_cast<uint32_t>(next)});
    }
  }
  return order;
}

class Writer {
 public:
  explicit Writer(const Input& input) : input_(input) {}

  Result<std::vector<uint8_t>> Run() {
    TRY(Files());
    TRY(Keys());
    TRY(Chunks());
    return Finish();
  }

 private:
  uint32_t Name(std::u16string_view text) {
    if (text.empty()) return 0;
    const auto [found, is_new] =
        name_offsets_.try_emplace(std::u16string(text), static_cast<uint32_t>(names_.size()));
    if (is_new) names_.insert(names_.end(), text.begin(), text.end());
    return found->second;
  }

  Status Files() {
    ASSIGN(const Tree<FileNode> tree,
           Plant(
               input_.files, [](const FileNode& f) { return !f.directory; }, view::IsLegalFileName));
    FileNode implicit;  // a directory that only the paths of others mention
    implicit.directory = true;
    implicit.attributes = 0x10;
    for (const Placed& at : Order(tree, &file_roots_)) {
      const Tree<FileNode>::Node& node = tree.nodes[at.node];
      const FileNode& file = node.source ? *node.source : implicit;
      if (at.parent == entries_.size() && !file.directory) return Bad("the root " + file.root, "is a file");
      if (file.short_name.size() > 12 ||
          (!file.short_name.empty() && !view::IsLegalFileName(file.short_name))) {
        return Bad(Shown(file.root, file.path), "has an illegal short name");
      }
      uint32_t content = kNone, first_chunk = 0, chunk_count = 0;
      if (!file.directory) TRY(Contents(file, &content, &first_chunk, &chunk_count));
      const uint16_t flags = file.directory ? kDirectory : file.pe ? kPeFile : 0;
      const uint32_t name = Name(node.name), short_name = Name(file.short_name);
      entries_.emplace_back(name, static_cast<uint16_t>(node.name.size()), flags, file.attributes, at.parent,
                            at.first_child, at.child_count, first_chunk, chunk_count, content,
                            file.directory ? 0 : file.size, file.created, file.modified, short_name,
                            static_cast<uint16_t>(file.short_name.size()), uint16_t{0});
    }
    return Ok();
  }

  // Equal files share their digest and their run of chunk references.
  Status Contents(const FileNode& file, uint32_t* content, uint32_t* first_chunk, uint32_t* chunk_count) {
    uint64_t bytes = 0;
    for (const uint32_t chunk : file.chunks) {
      if (chunk >= input_.chunks.size()) return Bad(Shown(file.root, file.path), "refers to a missing chunk");
      bytes += input_.chunks[chunk].size;
    }
    if (bytes != file.size)
      return Bad(Shown(file.root, file.path), "has chunks of another size than its own");
    if (file.size == 0) return Ok();
    const auto [found, is_new] = content_indices_.try_emplace(
        file.content,
        std::pair(static_cast<uint32_t>(contents_.size()), static_cast<uint32_t>(chunk_refs_.size())));
    if (is_new) {
      contents_.emplace_back(flatbuffers::make_span(file.content));
      chunk_refs_.insert(chunk_refs_.end(), file.chunks.begin(), file.chunks.end());
    }
    *content = found->second.first;
    *first_chunk = found->second.second;
    *chunk_count = static_cast<uint32_t>(file.chunks.size());
    return Ok();
  }

  Status Keys() {
    ASSIGN(const Tree<KeyNode> tree, Plant(
                                         input_.keys, [](const KeyNode&) { return false; }, IsLegalKeyName));
    for (const Placed& at : Order(tree, &key_roots_)) {
      const Tree<KeyNode>::Node& node = tree.nodes[at.node];
      const uint32_t first_value = static_cast<uint32_t>(values_.size());
      if (node.source) TRY(Values(*node.source));
      keys_.emplace_back(Name(node.name), static_cast<uint16_t>(node.name.size()), uint16_t{0}, at.parent,
                         at.first_child, at.child_count, first_value,
                         static_cast<uint32_t>(values_.size()) - first_value, 0u,
                         node.source ? node.source->modified : 0);
    }
    return Ok();
  }

  Status Values(const KeyNode& key) {
    std::map<std::u16string, const ValueNode*> sorted;
    for (const ValueNode& value : key.values) {
      if (value.name.size() > kMaxValueName)
        return Bad("a value of " + Shown(key.root, key.path), "has too long a name");
      if (!sorted.emplace(Fold(value.name), &value).second) {
        return Bad("the value \"" + ToUtf8(value.name) + "\" of " + Shown(key.root, key.path),
                   "is there twice");
      }
    }
    for (const auto& [folded, value] : sorted) {
      values_.emplace_back(Name(value->name), static_cast<uint16_t>(value->name.size()), uint16_t{0},
                           value->type, static_cast<uint32_t>(data_.size()),
                           static_cast<uint32_t>(value->data.size()));
      data_.insert(data_.end(), value->data.begin(), value->data.end());
    }
    return Ok();
  }

  Status Chunks() {
    for (const ChunkNode& chunk : input_.chunks) {
      const bool placed = chunk.pack < input_.packs.size() && chunk.stored <= input_.packs[chunk.pack].size &&
                          chunk.offset <= input_.packs[chunk.pack].size - chunk.stored;
      if (!placed || chunk.size == 0 || chunk.stored == 0) return Bad("a chunk", "lies outside its pack");
      chunks_.emplace_back(Sha256(flatbuffers::make_span(chunk.digest)), chunk.size, chunk.stored,
                           chunk.offset, chunk.pack, 0u);
    }
    for (const PackNode& pack : input_.packs) {
      packs_.emplace_back(Sha256(flatbuffers::make_span(pack.digest)), pack.size);
    }
    return Ok();
  }

  Result<std::vector<uint8_t>> Finish() {
    if (names_.size() * 2 + data_.size() + entries_.size() * sizeof(Entry) + keys_.size() * sizeof(Key) +
            values_.size() * sizeof(Value) + contents_.size() * 32 + chunk_refs_.size() * 4 +
            chunks_.size() * sizeof(Chunk) >
        (1u << 30)) {
      return Bad("it", "would be larger than 1 GiB (split the application)");
    }
    flatbuffers::FlatBufferBuilder builder(1 << 20);
    std::vector<flatbuffers::Offset<Root>> roots;
    for (const auto& [name, index] : file_roots_)
      roots.push_back(CreateRoot(builder, builder.CreateString(name), index, false));
    for (const auto& [name, index] : key_roots_)
      roots.push_back(CreateRoot(builder, builder.CreateString(name), index, true));
    const auto names = builder.CreateVector(names_);
    const auto entries = builder.CreateVectorOfStructs(entries_);
    const auto keys = builder.CreateVectorOfStructs(keys_);
    const auto values = builder.CreateVectorOfStructs(values_);
    const auto data = builder.CreateVector(data_);
    const auto contents = builder.CreateVectorOfStructs(contents_);
    const auto chunk_refs = builder.CreateVector(chunk_refs_);
    const auto chunks = builder.CreateVectorOfStructs(chunks_);
    const auto packs = builder.CreateVectorOfStructs(packs_);
    const auto root_vector = builder.CreateVector(roots);
    FinishCatalogBuffer(builder, CreateCatalog(builder, kVersion, names, entries, keys, values, data,
                                               contents, chunk_refs, chunks, packs, root_vector));
    std::vector<uint8_t> out(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    // What is written is what readers accept: anything else is a defect here, and must not be published.
    if (!Reader::Verify(out.data(), out.size())) {
      return Error{Errc::kInternal, "writing the catalog: the result does not pass its own check"};
    }
    return out;
  }

  const Input& input_;
  std::vector<uint16_t> names_;
  std::map<std::u16string, uint32_t> name_offsets_;
  std::vector<Entry> entries_;
  std::vector<Key> keys_;
  std::vector<Value> values_;
  std::vector<uint8_t> data_;
  std::vector<Sha256> contents_;
  std::map<DigestBytes, std::pair<uint32_t, uint32_t>> content_indices_;
  std::vector<uint32_t> chunk_refs_;
  std::vector<Chunk> chunks_;
  std::vector<Pack> packs_;
  std::map<std::string, uint32_t> file_roots_, key_roots_;
};

}  // namespace

Result<std::vector<uint8_t>> Write(const Input& input) { return Writer(input).Run(); }

}  // namespace plume::catalog
