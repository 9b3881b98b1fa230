// Real keys: opening, building and reading them. Nothing here decides which layer is meant, except OpenTop.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

std::atomic<uint32_t> g_temporary{0};

AccessMask BuildAccess() { return nt::kKeyAllAccess | Native(); }

struct Named {
  nt::UnicodeString string;
  nt::ObjectAttributes attributes;
  bool Set(WView name, Handle root, Ulong flags) {
    if (name.size() > 0x7ffe) return false;
    string.length = string.maximum_length = static_cast<uint16_t>(name.size() * 2);
    string.buffer = const_cast<char16_t*>(name.data());
    attributes = {sizeof(attributes), root, &string, flags, nullptr, nullptr};
    return true;
  }
};

NtStatus Create(WView name, Handle root, WView class_name, Ulong options, Handle* out) {
  Named named;
  if (!named.Set(name, root, nt::kObjCaseInsensitive)) return nt::kObjectNameInvalid;
  nt::UnicodeString class_string{static_cast<uint16_t>(class_name.size() * 2),
                                 static_cast<uint16_t>(class_name.size() * 2),
                                 const_cast<char16_t*>(class_name.data())};
  Ulong disposition = 0;
  return orig.NtCreateKey(out, BuildAccess(), &named.attributes, 0,
                          class_name.empty() ? nullptr : &class_string, options, &disposition);
}

// "\uffff\uffff" and 16 hexadecimal digits of process and number.
WView TemporaryName(const VlState& vl, char16_t (&text)[18]) {
  const uint32_t number = g_temporary.fetch_add(1, std::memory_order_relaxed);
  const uint64_t id = static_cast<uint64_t>(vl.pid) << 32 | number;
  text[0] = text[1] = kTemporaryMark;
  for (int i = 0; i < 16; ++i) text[2 + i] = u"0123456789abcdef"[(id >> (60 - 4 * i)) & 15];
  return WView(text, 18);
}

}  // namespace

NtStatus OpenReal(WView name, AccessMask access, Ulong attributes, Handle* out) {
  Named named;
  if (!named.Set(name, nullptr, attributes | nt::kObjCaseInsensitive)) return nt::kObjectNameInvalid;
  *out = nullptr;
  return orig.NtOpenKey(out, access, &named.attributes);
}

AccessMask LowerAccess(AccessMask wanted) {
  AccessMask access =
      wanted & (nt::kKeyQueryValue | nt::kKeyEnumerateSubKeys | nt::kKeyNotify | nt::kReadControl);
  if (wanted & (nt::kGenericRead | nt::kGenericExecute | nt::kGenericAll | nt::kMaximumAllowed))
    access |= nt::kKeyRead;
  if (wanted & nt::kGenericWrite) access |= nt::kReadControl;
  if (!access && (wanted & ~kWow64Rights)) access = nt::kReadControl;
  return access | Native();
}

bool Grants(AccessMask wanted, AccessMask right) {
  if (wanted & (nt::kMaximumAllowed | nt::kGenericAll)) return true;
  if (wanted & (nt::kGenericRead | nt::kGenericExecute)) wanted |= nt::kKeyRead;
  if (wanted & nt::kGenericWrite) wanted |= nt::kKeyWrite;
  return (wanted & right) == right;
}

NtStatus OpenTop(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                 AccessMask access, Ulong attributes, Opened* out) {
  if (look.mode == view::Mode::kDeny) return nt::kObjectNameNotFound;
  out->direct = look.mode == view::Mode::kHost;
  if (look.upper_possible) {
    const WView name = UpperName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    const NtStatus status = OpenReal(name, UpperAccess(access), attributes, &out->handle);
    out->source = Source::kUpper;
    if (status != nt::kObjectNameNotFound) return status;
  }
  if (look.lower_hidden) return nt::kObjectNameNotFound;
  // An image's key without values of its own is there for its subkeys (every ancestor of an image's key is
  // such a one): the machine's key of that name keeps its values.
  const bool only_subkeys =
      look.mount >= 0 && look.host_visible &&
      vl.space.catalogs[vl.space.mounts[look.mount].layer].key(look.entry).value_count() == 0;
  if (only_subkeys) {
    const WView name = HostName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    out->source = Source::kHost;
    const NtStatus status = OpenReal(name, LowerAccess(access), attributes, &out->handle);
    if (status != nt::kObjectNameNotFound) return status;
  }
  if (look.mount >= 0) {
    const WView name = ImageName(vl, scratch, path, path.depth, look.mount);
    if (Failed(name)) return nt::kNoMemory;
    out->source = Source::kImage;
    out->mount = look.mount;
    NtStatus status = OpenReal(name, LowerAccess(access), attributes, &out->handle);
    if (status != nt::kObjectNameNotFound) return status;
    status = Materialise(vl, scratch, path, look.mount);
    return nt::Ok(status) ? OpenReal(name, LowerAccess(access), attributes, &out->handle) : status;
  }
  NtStatus status = nt::kObjectNameNotFound;
  if (look.host_visible) {
    const WView name = HostName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    out->source = Source::kHost;
    status = OpenReal(name, out->direct ? access : LowerAccess(access), attributes, &out->handle);
  }
  if (status != nt::kObjectNameNotFound || !look.virtual_directory) return status;
  // Only a mount further down makes this key exist: an empty upper key stands for it.
  status = CopyUp(vl, scratch, path, path.depth);
  if (!nt::Ok(status)) return status;
  const WView name = UpperName(vl, scratch, path, path.depth);
  out->source = Source::kUpper;
  return Failed(name) ? nt::kNoMemory : OpenReal(name, UpperAccess(access), attributes, &out->handle);
}

NtStatus QueryWhole(CallScratch& scratch, Handle handle, int64_t index,
                    nt::KeyInformationClass information_class, uint8_t** data, Ulong* size) {
  Ulong room = 1024;
  for (int attempt = 0; attempt < 4; ++attempt) {
    *data = static_cast<uint8_t*>(scratch.Alloc(room));
    if (!*data) return nt::kNoMemory;
    Ulong needed = 0;
    const NtStatus status = index < 0 ? orig.NtQueryKey(handle, information_class, *data, room, &needed)
                                      : orig.NtEnumerateKey(handle, static_cast<Ulong>(index),
                                                            information_class, *data, room, &needed);
    *size = needed;
    if (status != nt::kBufferOverflow && status != nt::kBufferTooSmall) return status;
    room = needed + 256;
  }
  return nt::kInternalError;
}

NtStatus RealNameOf(CallScratch& scratch, Handle handle, WView* name) {
  uint8_t* data = nullptr;
  Ulong size = 0;
  const NtStatus status = QueryWhole(scratch, handle, -1, nt::kKeyNameInformation, &data, &size);
  if (!nt::Ok(status)) return status;
  const auto* information = reinterpret_cast<const nt::KeyNameInformation*>(data);
  *name = WView(information->name, information->name_length / 2);
  return status;
}

NtStatus CopyValues(CallScratch& scratch, Handle from, Handle to, view::KeyStamp* stamp) {
  size_t room = 4096;
  auto* data = static_cast<uint8_t*>(scratch.Alloc(room));
  if (!data) return nt::kNoMemory;
  for (Ulong index = 0;; ++index) {
    Ulong needed = 0;
    NtStatus status = orig.NtEnumerateValueKey(from, index, nt::kKeyValueFullInformation, data,
                                               static_cast<Ulong>(room), &needed);
    if (status == nt::kNoMoreEntries) return nt::kSuccess;
    if (status == nt::kBufferOverflow || status == nt::kBufferTooSmall) {
      // Somebody may be enlarging the value: ask again with room to spare.
      room = size_t{needed} + 4096;
      data = static_cast<uint8_t*>(scratch.Alloc(room));
      if (!data) return nt::kNoMemory;
      --index;
      continue;
    }
    if (!nt::Ok(status)) return status;
    auto* value = reinterpret_cast<nt::KeyValueFullInformation*>(data);
    if (stamp)
      stamp->Add(WView(value->name, value->name_length / 2), value->type, data + value->data_offset,
                 value->data_length);
    if (!to) continue;
    nt::UnicodeString name{static_cast<uint16_t>(value->name_length),
                           static_cast<uint16_t>(value->name_length), value->name};
    status = orig.NtSetValueKey(to, &name, value->title_index, value->type, data + value->data_offset,
                                value->data_length);
    if (!nt::Ok(status)) return status;
  }
}

NtStatus BuildKey(const VlState& vl, CallScratch& scratch, const KeyBuilder& builder) {
  char16_t text[18];
  const bool at_once = !builder.fill && builder.class_name.empty() && builder.options == 0;
  const WView name = Join(scratch, {builder.parent, u"\\", at_once ? builder.name : TemporaryName(vl, text)});
  if (Failed(name)) return nt::kNoMemory;
  Handle key = nullptr;
  NtStatus status = Create(name, nullptr, builder.class_name, builder.options, &key);
  if (!nt::Ok(status)) return status;
  if (at_once) {
    orig.NtClose(key);
    return nt::kSuccess;
  }
  if (builder.fill) status = builder.fill(builder.context, key);
  if (nt::Ok(status)) {
    nt::UnicodeString final_name{static_cast<uint16_t>(builder.name.size() * 2),
                                 static_cast<uint16_t>(builder.name.size() * 2),
                                 const_cast<char16_t*>(builder.name.data())};
    status = orig.NtRenameKey(key, &final_name);
    if (!nt::Ok(status)) {
      // Another process was first? Then its key is complete.
      orig.NtDeleteKey(key);
      const WView place = Join(scratch, {builder.parent, u"\\", builder.name});
      Handle other = nullptr;
      if (!Failed(place) &&
          nt::Ok(OpenReal(place, nt::kKeyQueryValue | Native(), nt::kObjOpenLink, &other))) {
        orig.NtClose(other);
        status = nt::kSuccess;
      }
    }
  } else {
    orig.NtDeleteKey(key);
  }
  orig.NtClose(key);
  return status;
}

NtStatus CreateChain(CallScratch& scratch, WView name, size_t from) {
  for (size_t i = from; i <= name.size(); ++i) {
    if (i < name.size() && name[i] != u'\\') continue;
    Handle key = nullptr;
    const NtStatus status = Create(view::Sub(name, 0, i), nullptr, {}, 0, &key);
    if (!nt::Ok(status)) return status;
    orig.NtClose(key);
  }
  return nt::kSuccess;
}

}  // namespace plume::vl::key
