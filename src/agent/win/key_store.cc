#include "agent/key_store.h"

#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/nt_key.h"
#include "agent/win/registry.h"

namespace plume::agent {
namespace {

constexpr std::u16string_view kLinkValue = u"SymbolicLinkValue";
constexpr uint32_t kRegLink = 6;

// Where a canonical path really is: below one key, or in the machine's own hives.
class Store : public KeyStore {
 public:
  explicit Store(std::u16string root) : root_(std::move(root)) {}

  Status Read(std::u16string_view path, KeyNode* node, std::vector<std::u16string>* subkeys) override {
    ASSIGN(const NtKey key, NtKey::Open(Real(path), NtKey::kRead | READ_CONTROL));
    if (subkeys != nullptr) {
      ASSIGN(*subkeys, key.Subkeys());
      std::erase_if(*subkeys, [](const std::u16string& name) { return IsTemporaryKey(name); });
    }
    if (node == nullptr) return Ok();
    *node = {};
    ASSIGN(NtKey::Info info, key.Query());
    node->class_name = std::move(info.class_name);
    node->volatile_key = info.volatile_key;
    ASSIGN(std::vector<NtKey::Value> values, key.Values());
    for (NtKey::Value& v : values) {
      if (v.type == kRegLink && v.name == kLinkValue) node->link = true;
      node->values.push_back({std::move(v.name), v.type, std::move(v.data)});
    }
    node->access = key.OwnAccess();
    return Ok();
  }

  Status Create(std::u16string_view path, const KeyNode& node) override {
    const NtKey::Options options{node.class_name, node.link, node.volatile_key};
    auto key = NtKey::Create(Real(path), options);
    if (!key.ok() && key.error().code == Errc::kNotFound) {
      TRY(MakeParents(path));
      key = NtKey::Create(Real(path), options);
    }
    if (!key.ok()) return key.error();
    for (const image::ValueItem& v : node.values) TRY(key->SetValue(v.name, v.type, v.data));
    return node.access.empty() ? Ok() : key->SetAccess(node.access);
  }

  Status SetValue(std::u16string_view path, const image::ValueItem& value) override {
    ASSIGN(const NtKey key, NtKey::Open(Real(path), KEY_SET_VALUE | KEY_WOW64_64KEY));
    return key.SetValue(value.name, value.type, value.data);
  }

  Status DeleteValue(std::u16string_view path, std::u16string_view name) override {
    ASSIGN(const NtKey key, NtKey::Open(Real(path), KEY_SET_VALUE | KEY_WOW64_64KEY));
    return key.DeleteValue(name);
  }

  Status Rename(std::u16string_view path, std::u16string_view new_name) override {
    const size_t slash = path.rfind(u'\\');
    if (slash == path.npos) return Error{Errc::kInvalid, "renaming a key failed: it is a root"};
    const std::u16string parent = Real(path.substr(0, slash));
    if (NtKey::Open(parent + u"\\" + std::u16string(new_name), NtKey::kRead).ok()) {
      return Error{Errc::kExists,
                   "renaming the key " + ToUtf8(path) + " failed: " + ToUtf8(new_name) + " is there already"};
    }
    ASSIGN(const NtKey key, NtKey::Open(Real(path), NtKey::kChange));
    // Wine's NtRenameKey overwrites the next sibling when the key's place among its siblings stays the same;
    // one made for the moment right behind it keeps it from that.
    NtKey spacer;
    if (RunningOnWine()) {
      auto made = NtKey::Create(Real(path) + u"\x01", {});
      if (made.ok()) spacer = std::move(*made);
    }
    Status renamed = key.Rename(new_name);
    if (spacer.get() != nullptr) TRY(spacer.Delete());
    return renamed.ok() ? Ok() : Status(Error(renamed.error()).In("renaming the key " + ToUtf8(path)));
  }

  Status RemoveTree(std::u16string_view path) override { return RemoveNtKeyTree(Real(path)); }

  Status Flush() override {
    ASSIGN(const NtKey key, NtKey::Open(root_.empty() ? CurrentUserKey() : root_, NtKey::kRead));
    return key.Flush();
  }

 private:
  std::u16string Real(std::u16string_view path) const {
    if (!root_.empty()) return path.empty() ? root_ : root_ + u"\\" + std::u16string(path);
    const bool machine = !path.empty() && (path[0] == u'M' || path[0] == u'm');
    return (machine ? u"\\REGISTRY\\MACHINE" : u"\\REGISTRY\\USER") + std::u16string(path.substr(1));
  }

  Status MakeParents(std::u16string_view path) {
    for (size_t slash = path.find(u'\\'); slash != path.npos; slash = path.find(u'\\', slash + 1)) {
      const auto made = NtKey::Create(Real(path.substr(0, slash)), {});
      if (!made.ok() && made.error().code != Errc::kExists && made.error().code != Errc::kDenied)
        return made.error();
    }
    return Ok();
  }

  const std::u16string root_;  // empty: the machine's
};

}  // namespace

std::unique_ptr<KeyStore> OpenKeyStore(const std::u16string& key) {
  return std::make_unique<Store>(CurrentUserKey() + u"\\" + key);
}

std::unique_ptr<KeyStore> OpenHostKeyStore() { return std::make_unique<Store>(u""); }

}  // namespace plume::agent
