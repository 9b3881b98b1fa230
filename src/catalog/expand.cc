#include "catalog/expand.h"

#include <algorithm>

#include "base/utf16_bytes.h"
#include "catalog/keys.h"
#include "catalog/writer.h"

namespace plume::catalog {
namespace {

DigestBytes Bytes(const Sha256& digest) {
  DigestBytes out;
  std::copy(digest.bytes()->begin(), digest.bytes()->end(), out.begin());
  return out;
}

std::u16string Joined(std::u16string_view above, WView name) {
  std::u16string out(above);
  if (!out.empty()) out += u'\\';
  return out.append(name.data(), name.size());
}

class Copier {
 public:
  Copier(const Reader& source, const Replacements& replacements)
      : source_(source), replacements_(replacements) {}

  Result<std::vector<uint8_t>> Run() {
    const Catalog& raw = source_.raw();
    for (const Chunk* chunk : *raw.chunks())
      out_.chunks.push_back(
          {Bytes(chunk->digest()), chunk->size(), chunk->stored(), chunk->offset(), chunk->pack()});
    for (const Pack* pack : *raw.packs()) out_.packs.push_back({Bytes(pack->digest()), pack->size()});
    for (const Root* root : *raw.roots()) {
      if (root->registry()) {
        Keys(root->name()->str(), root->index());
      } else {
        Files(root->name()->str(), root->index());
      }
    }
    return Write(out_);
  }

 private:
  // Nodes of a tree follow their parents, so their paths are known when they come: no recursion, however
  // deep.
  template <typename Node, typename Visit>
  void Walk(uint32_t root, const Node& node_at, Visit&& visit) {
    std::vector<std::pair<uint32_t, std::u16string>> rest = {{root, u""}};
    while (!rest.empty()) {
      const auto [index, path] = std::move(rest.back());
      rest.pop_back();
      visit(index, path);
      const auto& node = node_at(index);
      for (uint32_t i = 0; i < node.child_count(); ++i) {
        const uint32_t child = node.first_child() + i;
        rest.emplace_back(child, Joined(path, source_.name(node_at(child))));
      }
    }
  }

  void Files(const std::string& root, uint32_t top) {
    Walk(
        top, [this](uint32_t i) -> const Entry& { return source_.entry(i); },
        [&](uint32_t i, const std::u16string& path) {
          const Entry& e = source_.entry(i);
          FileNode node;
          node.root = root;
          node.path = path;
          node.directory = (e.flags() & kDirectory) != 0;
          node.pe = (e.flags() & kPeFile) != 0;
          node.attributes = e.attributes();
          node.created = e.created();
          node.modified = e.modified();
          const WView short_name = source_.short_name(e);
          node.short_name.assign(short_name.data(), short_name.size());
          node.size = e.size();
          if (e.content() != kNone) node.content = Bytes(*source_.raw().contents()->Get(e.content()));
          for (uint32_t c = 0; c < e.chunk_count(); ++c)
            node.chunks.push_back(source_.raw().chunk_refs()->Get(e.first_chunk() + c));
          out_.files.push_back(std::move(node));
        });
  }

  void Keys(const std::string& root, uint32_t top) {
    Walk(
        top, [this](uint32_t i) -> const Key& { return source_.key(i); },
        [&](uint32_t i, std::u16string path) {
          const Key& k = source_.key(i);
          ReplaceAll(replacements_, &path);
          KeyNode node{root, std::move(path), k.modified(), {}};
          for (uint32_t v = k.first_value(); v < k.first_value() + k.value_count(); ++v) {
            const Value& value = source_.value(v);
            const WView name = source_.name(value);
            node.values.push_back({std::u16string(name.data(), name.size()), value.type(), Data(value)});
          }
          out_.keys.push_back(std::move(node));
        });
  }

  std::vector<uint8_t> Data(const Value& value) const {
    const uint8_t* data = source_.data(value);
    std::vector<uint8_t> bytes(data, data + value.data_size());
    const bool text = value.type() == kRegSz || value.type() == kRegExpandSz || value.type() == kRegMultiSz ||
                      value.type() == kRegLink;
    if (!text || bytes.size() % 2 != 0) return bytes;
    std::u16string units = UnitsOf(bytes);
    return ReplaceAll(replacements_, &units) ? BytesOf(units) : bytes;
  }

  const Reader& source_;
  const Replacements& replacements_;
  Input out_;
};

}  // namespace

bool ReplaceAll(const Replacements& replacements, std::u16string* text) {
  std::u16string out;
  bool found = false;
  for (size_t i = 0; i < text->size();) {
    const auto match = std::find_if(replacements.begin(), replacements.end(), [&](const auto& r) {
      return !r.first.empty() && text->compare(i, r.first.size(), r.first) == 0;
    });
    if (match == replacements.end()) {
      out.push_back((*text)[i++]);
      continue;
    }
    out += match->second;
    i += match->first.size();
    found = true;
  }
  if (found) *text = std::move(out);
  return found;
}

Result<std::vector<uint8_t>> Expand(const Reader& source, const Replacements& replacements) {
  return Copier(source, replacements).Run();
}

}  // namespace plume::catalog
