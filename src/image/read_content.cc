#include "image/read_content.h"

#include <algorithm>
#include <utility>

#include "catalog/reader.h"
#include "image/inspect.h"

namespace plume::image {
namespace {

std::u16string Below(const std::u16string& path, catalog::WView name) {
  return (path.empty() ? std::u16string() : path + u"\\") + std::u16string(name.data(), name.size());
}

class Rows {
 public:
  Rows(const catalog::Reader& reader, Content* out) : reader_(reader), out_(out) {}

  void Run() {
    for (const catalog::Root* root : *reader_.raw().roots()) {
      root_ = root->name()->str();
      if (root->registry())
        Walk(
            root->index(), [&](uint32_t i) { return reader_.key(i); },
            [&](const auto&... a) { AddKey(a...); });
      else
        Walk(
            root->index(), [&](uint32_t i) { return reader_.entry(i); },
            [&](const auto&... a) { AddFile(a...); });
    }
  }

 private:
  // An explicit stack: a catalog may be deep.
  template <typename Node, typename Add>
  void Walk(uint32_t root, Node&& node, Add&& add) {
    std::vector<std::pair<uint32_t, std::u16string>> open = {{root, {}}};
    while (!open.empty()) {
      const auto [index, path] = std::move(open.back());
      open.pop_back();
      const auto item = node(index);
      if (!path.empty()) add(index, path);
      for (uint32_t i = item.child_count(); i-- > 0;) {
        const uint32_t child = item.first_child() + i;
        open.emplace_back(child, Below(path, reader_.name(node(child))));
      }
    }
  }

  void AddFile(uint32_t index, const std::u16string& path) {
    const catalog::Entry& entry = reader_.entry(index);
    FileItem item;
    item.root = root_;
    item.path = path;
    item.directory = (entry.flags() & catalog::kDirectory) != 0;
    // Made for the path of what is in it; it will be again.
    if (item.directory && entry.modified() == 0 && entry.child_count() > 0) return;
    item.attributes = entry.attributes();
    item.created = entry.created();
    item.modified = entry.modified();
    const catalog::WView short_name = reader_.short_name(entry);
    item.short_name.assign(short_name.data(), short_name.size());
    if (!item.directory) {
      item.kept = KeptBytes{index, entry.size(), {}};
      if (entry.content() != catalog::kNone) {
        const auto* bytes = reader_.raw().contents()->Get(entry.content())->bytes();
        std::copy(bytes->begin(), bytes->end(), item.kept->digest.begin());
      }
    }
    out_->files.push_back(std::move(item));
  }

  void AddKey(uint32_t index, const std::u16string& path) {
    const catalog::Key& key = reader_.key(index);
    if (key.value_count() == 0 && key.modified() == 0 && key.child_count() > 0) return;
    KeyItem item{root_, path, key.modified(), {}};
    for (uint32_t i = 0; i < key.value_count(); ++i) {
      const catalog::Value& value = reader_.value(key.first_value() + i);
      const catalog::WView name = reader_.name(value);
      const uint8_t* data = reader_.data(value);
      item.values.push_back(
          {std::u16string(name.data(), name.size()), value.type(), {data, data + value.data_size()}});
    }
    out_->keys.push_back(std::move(item));
  }

  const catalog::Reader& reader_;
  Content* out_;
  std::string root_;
};

}  // namespace

Result<Content> ReadContent(const Store& store, const std::string& manifest_digest) {
  ASSIGN(const Manifest manifest, store.ReadManifest(manifest_digest));
  Content out;
  out.base = manifest_digest;
  ASSIGN(out.config, store.ReadConfig(manifest));
  ASSIGN(const os::Bytes bytes, LoadCatalog(store, manifest));
  catalog::Reader reader;
  reader.Attach(bytes.data(), bytes.size());
  Rows(reader, &out).Run();
  return out;
}

}  // namespace plume::image
