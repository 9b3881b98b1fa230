#include "agent/win/vm_space.h"

#include <algorithm>

#include "agent/text.h"
#include "os/sha256.h"
#include "view/vm_index.h"

namespace plume::agent {
namespace {

using view::WView;

WView TextOf(const flatbuffers::Vector<uint16_t>* v) {
  return WView(reinterpret_cast<const char16_t*>(v->data()), v->size());
}

std::u16string DosOf(WView nt) { return std::u16string(nt.substr(0, 4) == u"\\??\\" ? nt.substr(4) : nt); }

// "C:\x" below the upper layer: "<upper>\C\x".
std::u16string UpperPath(const std::u16string& upper, WView canonical) {
  return upper + u"\\" + std::u16string(canonical.substr(0, 1)) + std::u16string(canonical.substr(2));
}

Result<os::Digest> HashFile(const os::Path& path) {
  os::FileSystem& files = os::SystemFiles();
  ASSIGN(const auto file, files.Open(path, os::OpenMode::kRead));
  os::Sha256 hash;
  std::vector<uint8_t> buffer(256 << 10);
  for (uint64_t at = 0;;) {
    ASSIGN(const size_t n, file->ReadAt(at, buffer));
    if (n == 0) return hash.Finish();
    hash.Update(std::span<const uint8_t>(buffer.data(), n));
    at += n;
  }
}

}  // namespace

Result<std::unique_ptr<OwnedPath>> OwnedPath::Parse(std::u16string_view canonical) {
  auto out = std::make_unique<OwnedPath>();
  out->storage_.resize(view::kMaxPathUnits);
  const view::NameKind kind =
      view::ParseCanonical(canonical, std::span<char16_t>(out->storage_), &out->path_);
  if (kind != view::NameKind::kDrivePath && kind != view::NameKind::kKeyPath) {
    return Error{Errc::kInvalid,
                 "reading '" + ToUtf8(canonical) +
                     "' failed: it is neither a path like C:\\X nor a key like HKCU\\Software\\X"};
  }
  return out;
}

Result<std::unique_ptr<VmSpace>> VmSpace::Open(const StatePaths& state, const std::u16string& vm_id,
                                               uint32_t workspace) {
  std::unique_ptr<VmSpace> s(new VmSpace);
  ASSIGN(s->view_file_,
         os::MappedFile::OpenRead(HostPath(state.WorkspaceFile(vm_id, workspace, u"view.plv"))));
  flatbuffers::Verifier verifier(s->view_file_.data(), s->view_file_.size());
  if (!wire::VerifyViewBuffer(verifier)) {
    return Error{Errc::kCorrupt,
                 "opening the VM failed: its compiled view is damaged (run the VM again to renew it)"};
  }
  s->view_ = wire::GetView(s->view_file_.data());
  s->upper_ = DosOf(TextOf(s->view_->upper()));
  s->registry_upper_ = std::u16string(TextOf(s->view_->registry_upper()));
  for (const wire::Rule* r : *s->view_->file_rules())
    s->file_rules_.push_back({TextOf(r->prefix()), static_cast<view::Mode>(r->mode())});
  for (const wire::Rule* r : *s->view_->key_rules())
    s->key_rules_.push_back({TextOf(r->prefix()), static_cast<view::Mode>(r->mode())});
  for (const wire::Layer* layer : *s->view_->layers()) {
    ASSIGN(os::MappedFile file, os::MappedFile::OpenRead(HostPath(DosOf(TextOf(layer->catalog())))));
    catalog::Reader reader;
    if (!reader.Attach(file.data(), static_cast<size_t>(file.size()))) {
      return Error{Errc::kCorrupt, "opening the VM failed: the catalog of " + layer->digest()->str() +
                                       " is damaged (run `plume cache repair`)"};
    }
    const uint16_t number = static_cast<uint16_t>(s->catalogs_.size());
    for (const wire::Mount* m : *layer->mounts()) {
      s->mounts_.push_back({TextOf(m->prefix()), m->root(), m->registry(), number});
      s->mount_real_.push_back(DosOf(TextOf(m->real())));
    }
    s->catalog_files_.push_back(std::move(file));
    s->catalogs_.push_back(reader);
  }
  bool created = false;
  ASSIGN(s->index_file_,
         os::MappedFile::OpenShared(HostPath(state.WorkspaceFile(vm_id, workspace, u"index.plx")),
                                    view::VmIndex::kFileBytes, &created));
  if (!s->index_.Attach(s->index_file_.data(), s->index_file_.size())) {
    return Error{Errc::kCorrupt,
                 "opening the VM failed: its index is damaged (`plume vm discard` starts it afresh)"};
  }
  s->space_ = {s->file_rules_, s->key_rules_, s->mounts_, s->catalogs_, &s->index_};
  return s;
}

std::string VmSpace::LayerDigest(int layer) const {
  return view_->layers()->Get(static_cast<flatbuffers::uoffset_t>(layer))->digest()->str();
}

std::string VmSpace::RuleOrigin(const view::Lookup& lookup, bool registry) const {
  const auto* rules = registry ? view_->key_rules() : view_->file_rules();
  if (lookup.rule < 0 || static_cast<size_t>(lookup.rule) >= rules->size()) return "built-in: host";
  const wire::Rule* r = rules->Get(static_cast<flatbuffers::uoffset_t>(lookup.rule));
  return r->origin() ? r->origin()->str() : std::string();
}

std::u16string VmSpace::ImagePath(int mount, const view::VPath& path) const {
  const WView prefix = mounts_[static_cast<size_t>(mount)].prefix;
  return mount_real_[static_cast<size_t>(mount)] + std::u16string(path.text.substr(prefix.size()));
}

uint32_t VmSpace::FindInImages(const view::VPath& path, bool registry, int* mount) const {
  for (size_t i = 0; i < mounts_.size(); ++i) {
    const view::MountPoint& m = mounts_[i];
    if (m.registry != registry || !view::HasPrefix(path, m.prefix)) continue;
    const catalog::Reader& reader = catalogs_[m.layer];
    uint32_t at = m.root;
    std::u16string_view rest = path.text.substr(m.prefix.size());
    while (at != catalog::kNone && !rest.empty()) {
      rest.remove_prefix(1);
      const size_t end = std::min(rest.find(u'\\'), rest.size());
      const WView name = rest.substr(0, end);
      if (registry)
        at = reader.Subkey(at, name);
      else
        at = (reader.entry(at).flags() & catalog::kDirectory) ? reader.Child(at, name) : catalog::kNone;
      rest.remove_prefix(end);
    }
    if (at == catalog::kNone) continue;
    *mount = static_cast<int>(i);
    return at;
  }
  return catalog::kNone;
}

Result<Located> VmSpace::LocateFile(std::u16string_view canonical) const {
  ASSIGN(const auto owned, OwnedPath::Parse(canonical));
  const view::VPath& path = owned->path();
  os::FileSystem& files = os::SystemFiles();
  Located out;
  out.lookup = view::LookUp(space_, path, false);
  if (out.lookup.mode == view::Mode::kDeny) return out;
  if (out.lookup.mode != view::Mode::kHost) {
    if (out.lookup.upper_possible) {
      const std::u16string real = UpperPath(upper_, path.text);
      if (auto info = files.Stat(HostPath(real)); info.ok()) {
        out.place = Place::kUpper;
        out.directory = info->directory;
        out.real = real;
        return out;
      }
    }
    if (out.lookup.mount >= 0) {
      const view::MountPoint& m = mounts_[static_cast<size_t>(out.lookup.mount)];
      out.place = Place::kImage;
      out.layer = m.layer;
      out.entry = out.lookup.entry;
      out.directory = (catalogs_[m.layer].entry(out.entry).flags() & catalog::kDirectory) != 0;
      out.real = ImagePath(out.lookup.mount, path);
      return out;
    }
    if (!out.lookup.host_visible) return out;
  }
  // A bare drive is the volume; its root directory is what can be asked.
  const std::u16string real(path.depth == 0 ? std::u16string(path.text) + u"\\" : std::u16string(path.text));
  if (auto info = files.Stat(HostPath(real)); info.ok()) {
    out.place = Place::kHost;
    out.directory = info->directory;
    out.real = real;
  }
  return out;
}

Result<Located> VmSpace::LocateKey(std::u16string_view canonical) const {
  ASSIGN(const auto owned, OwnedPath::Parse(canonical));
  const view::VPath& path = owned->path();
  Located out;
  out.lookup = view::LookUp(space_, path, true);
  if (out.lookup.mode == view::Mode::kDeny) return out;
  capture::KeyContent content;
  if (out.lookup.mode != view::Mode::kHost) {
    const WView user = TextOf(view_->user_key());
    const auto upper = capture::OpenUpperKeys(registry_upper_.substr(user.size() + 1));
    if (out.lookup.upper_possible && upper->Read(path.text, &content)) {
      out.place = Place::kUpper;
      out.real = registry_upper_ + u"\\" + std::u16string(path.text);
      return out;
    }
    if (out.lookup.mount >= 0) {
      out.place = Place::kImage;
      out.layer = mounts_[static_cast<size_t>(out.lookup.mount)].layer;
      out.entry = out.lookup.entry;
      out.real = ImagePath(out.lookup.mount, path);
      return out;
    }
    if (!out.lookup.host_visible) return out;
  }
  if (capture::OpenHostKeys()->Read(path.text, &content)) {
    out.place = Place::kHost;
    out.real = path.text;
  }
  return out;
}

std::vector<IndexRecord> VmSpace::Records() const {
  std::vector<IndexRecord> out;
  index_.ForEach([&](const view::VmIndex::Record& r) {
    out.push_back({std::u16string(r.Text()), r.flags.load(std::memory_order_acquire),
                   r.base.load(std::memory_order_acquire)});
  });
  return out;
}

std::vector<std::u16string> VmSpace::Whiteouts() const {
  std::vector<std::u16string> out;
  for (IndexRecord& r : Records())
    if (r.flags & view::VmIndex::kWhiteout) out.push_back(std::move(r.path));
  return out;
}

// Images and host below the upper layer, whiteouts not applied.
class VmSpace::Files : public LowerFiles {
 public:
  explicit Files(const VmSpace& s) : s_(s) {}

  LowerFile Find(std::u16string_view path) override {
    const auto owned = OwnedPath::Parse(path);
    if (!owned.ok()) return {};
    int mount = -1;
    const uint32_t entry = s_.FindInImages((*owned)->path(), false, &mount);
    if (entry != catalog::kNone) {
      const catalog::Entry& e = Reader(mount).entry(entry);
      return {true, (e.flags() & catalog::kDirectory) != 0, e.size(), e.attributes()};
    }
    if (!HostVisible((*owned)->path())) return {};
    const auto info = os::SystemFiles().Stat(HostPath(path));
    if (!info.ok()) return {};
    return {true, info->directory, info->size, info->attributes};
  }

  std::vector<std::u16string> List(std::u16string_view directory) override {
    std::vector<std::u16string> out;
    const auto owned = OwnedPath::Parse(directory);
    if (!owned.ok()) return out;
    auto add = [&](std::u16string name) {
      for (const std::u16string& n : out)
        if (view::EqualFolded(n, name)) return;
      out.push_back(std::move(name));
    };
    int mount = -1;
    const uint32_t entry = s_.FindInImages((*owned)->path(), false, &mount);
    if (entry != catalog::kNone) {
      const catalog::Entry& e = Reader(mount).entry(entry);
      for (uint32_t i = 0; i < e.child_count(); ++i)
        add(std::u16string(Reader(mount).name(Reader(mount).entry(e.first_child() + i))));
    }
    if (HostVisible((*owned)->path())) {
      if (const auto host = os::SystemFiles().List(HostPath(directory)); host.ok())
        for (const os::DirectoryEntry& e : *host) add(FromWide(e.name.wstring()));
    }
    return out;
  }

  Result<bool> SameContent(std::u16string_view path, const os::Path& upper) override {
    ASSIGN(const auto owned, OwnedPath::Parse(path));
    int mount = -1;
    const uint32_t entry = s_.FindInImages(owned->path(), false, &mount);
    if (entry != catalog::kNone) {
      const catalog::Entry& e = Reader(mount).entry(entry);
      if (e.size() == 0) return true;
      ASSIGN(const os::Digest digest, HashFile(upper));
      const auto* bytes = Reader(mount).raw().contents()->Get(e.content())->bytes();
      return std::equal(digest.begin(), digest.end(), bytes->begin());
    }
    ASSIGN(const os::Digest mine, HashFile(upper));
    const auto theirs = HashFile(HostPath(path));
    if (!theirs.ok()) return false;  // the host's file went away meanwhile
    return mine == *theirs;
  }

 private:
  const catalog::Reader& Reader(int mount) const {
    return s_.catalogs_[s_.mounts_[static_cast<size_t>(mount)].layer];
  }
  bool HostVisible(const view::VPath& path) const {
    return view::LookUp(s_.space_, path, false).mode == view::Mode::kMerge;
  }
  const VmSpace& s_;
};

// The same for keys: an image's values over the machine's, as the layer makes image keys
// (vl/calls/key_image.cc); subkeys of all.
class VmSpace::Keys : public capture::KeySource {
 public:
  explicit Keys(const VmSpace& s) : s_(s), host_(capture::OpenHostKeys()) {}

  bool Read(std::u16string_view path, capture::KeyContent* out) const override {
    *out = {};
    const auto owned = OwnedPath::Parse(path);
    if (!owned.ok()) return false;
    int mount = -1;
    const uint32_t index = s_.FindInImages((*owned)->path(), true, &mount);
    capture::KeyContent host;
    const view::Mode mode = view::LookUp(s_.space_, (*owned)->path(), true).mode;
    const bool on_host = mode == view::Mode::kMerge && host_->Read(path, &host);
    if (index == catalog::kNone) {
      if (on_host) *out = std::move(host);
      return on_host;
    }
    const catalog::Reader& reader = s_.catalogs_[s_.mounts_[static_cast<size_t>(mount)].layer];
    const catalog::Key& key = reader.key(index);
    out->modified = key.modified();
    for (uint32_t i = 0; i < key.value_count(); ++i) {
      const catalog::Value& v = reader.value(key.first_value() + i);
      const uint8_t* data = reader.raw().data()->data() + v.data();
      out->values.push_back({std::u16string(reader.name(v)), v.type(), {data, data + v.data_size()}});
    }
    const auto image_values = static_cast<ptrdiff_t>(out->values.size());
    for (image::ValueItem& value : host.values) {
      const bool known = std::any_of(out->values.begin(), out->values.begin() + image_values,
                                     [&](const auto& v) { return view::EqualFolded(v.name, value.name); });
      if (!known) out->values.push_back(std::move(value));
    }
    for (uint32_t i = 0; i < key.child_count(); ++i)
      out->subkeys.emplace_back(reader.name(reader.key(key.first_child() + i)));
    const size_t own = out->subkeys.size();
    for (std::u16string& name : host.subkeys) {
      const bool known = std::any_of(out->subkeys.begin(), out->subkeys.begin() + static_cast<ptrdiff_t>(own),
                                     [&](const std::u16string& n) { return view::EqualFolded(n, name); });
      if (!known) out->subkeys.push_back(std::move(name));
    }
    return true;
  }

 private:
  const VmSpace& s_;
  std::unique_ptr<capture::KeySource> host_;
};

Result<std::vector<Change>> VmSpace::ComputeDiff() const {
  Files files(*this);
  Keys keys(*this);
  const WView user = TextOf(view_->user_key());
  const auto upper_keys = capture::OpenUpperKeys(registry_upper_.substr(user.size() + 1));
  DiffInput input;
  input.records = Records();
  input.files = &os::SystemFiles();
  input.upper = HostPath(upper_);
  input.lower_files = &files;
  input.upper_keys = upper_keys.get();
  input.lower_keys = &keys;
  return Diff(input);
}

}  // namespace plume::agent
