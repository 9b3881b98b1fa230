// Image keys become real keys when they are first touched: top-down, each complete before it has its name.
// The tree is shared by all VMs of the image and by racing processes; whoever is first wins, the others' work
// is thrown away.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

struct Filling {
  const catalog::Reader* reader;
  uint32_t key;
  CallScratch* scratch;
  Handle host;  // the machine's key of the same name, or null
};

NtStatus FillFromCatalog(void* context, Handle key) {
  const auto& filling = *static_cast<const Filling*>(context);
  const catalog::Reader& reader = *filling.reader;
  const catalog::Key& k = reader.key(filling.key);
  // The machine's values first: an application that adds a value to a key of the system (a font, a file
  // type's list of programs) leaves the others as they are. What the machine changes there later, the image's
  // key does not follow.
  if (filling.host) {
    const NtStatus status = CopyValues(*filling.scratch, filling.host, key);
    if (!nt::Ok(status)) return status;
  }
  for (uint32_t i = 0; i < k.value_count(); ++i) {
    const catalog::Value& value = reader.value(k.first_value() + i);
    const WView name = reader.name(value);
    nt::UnicodeString string{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                             const_cast<char16_t*>(name.data())};
    const NtStatus status = orig.NtSetValueKey(key, &string, 0, value.type(),
                                               reader.raw().data()->data() + value.data(), value.data_size());
    if (!nt::Ok(status)) return status;
  }
  return nt::kSuccess;
}

// The machine's key below an image's one, if the policy lets the VM see it.
NtStatus OpenHostBelow(const VlState& vl, CallScratch& scratch, const VPath& path, int components,
                       Handle* out) {
  *out = nullptr;
  VPath* prefix = Prefix(scratch, path, components);
  if (!prefix) return nt::kNoMemory;
  if (LookUp(vl, *prefix).mode != view::Mode::kMerge) return nt::kSuccess;
  const WView name = HostName(vl, scratch, *prefix, components);
  if (Failed(name)) return nt::kNoMemory;
  const NtStatus status = OpenReal(name, nt::kKeyRead | Native(), 0, out);
  if (!nt::Ok(status)) *out = nullptr;
  return status == nt::kObjectNameNotFound || status == nt::kAccessDenied ? nt::kSuccess : status;
}

bool Exists(WView name) {
  Handle handle = nullptr;
  if (!nt::Ok(OpenReal(name, nt::kKeyQueryValue | Native(), 0, &handle))) return false;
  orig.NtClose(handle);
  return true;
}

size_t LastSeparator(WView name) {
  size_t i = name.size();
  while (i > 0 && name[i - 1] != u'\\') --i;
  return i ? i - 1 : 0;
}

}  // namespace

NtStatus Materialise(const VlState& vl, CallScratch& scratch, const VPath& path, int mount) {
  const view::MountPoint& point = vl.space.mounts[mount];
  const catalog::Reader& reader = vl.space.catalogs[point.layer];
  const int first = MountDepth(vl, path, mount);
  // Upwards to the deepest ancestor that is there already.
  int have = path.depth - 1;
  for (; have >= first; --have) {
    const WView name = ImageName(vl, scratch, path, have, mount);
    if (Failed(name)) return nt::kNoMemory;
    if (Exists(name)) break;
  }
  if (have < first) {
    // The key above the mount's root ("...\Images\<digest>").
    const WView root = vl.mount_real[mount];
    const WView above = view::Sub(root, 0, LastSeparator(root));
    if (!Exists(above)) {
      const NtStatus status = CreateChain(scratch, above, vl.user_key.size() + 1);
      if (!nt::Ok(status)) return status;
    }
  }
  uint32_t entry = point.root;
  for (int i = first; i <= path.depth; ++i) {
    if (i > first) {
      const WView name = view::Sub(path.text, path.end[i - 1] + 1u, path.end[i] - path.end[i - 1] - 1u);
      entry = reader.Subkey(entry, name);
      if (entry == catalog::kNone) return nt::kObjectNameNotFound;
    }
    if (i <= have) continue;
    const WView place = ImageName(vl, scratch, path, i, mount);
    if (Failed(place)) return nt::kNoMemory;
    const size_t separator = LastSeparator(place);
    Filling filling{&reader, entry, &scratch, nullptr};
    KeyBuilder builder;
    builder.parent = view::Sub(place, 0, separator);
    builder.name = i == first ? view::Sub(place, separator + 1, place.size() - separator - 1)
                              : reader.name(reader.key(entry));
    if (reader.key(entry).value_count() != 0) {
      builder.fill = FillFromCatalog;
      builder.context = &filling;
      if (const NtStatus s = OpenHostBelow(vl, scratch, path, i, &filling.host); !nt::Ok(s)) return s;
    }
    const NtStatus status = BuildKey(vl, scratch, builder);
    if (filling.host) orig.NtClose(filling.host);
    if (!nt::Ok(status)) return status;
  }
  return nt::kSuccess;
}

}  // namespace plume::vl::key
