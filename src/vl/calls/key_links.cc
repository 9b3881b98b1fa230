// Symbolic links. A link's value is a virtual name, so the layer follows links itself: the system would
// follow them past the upper layer. Links made in the VM are known from the start (VmIndex::kLink); one of
// the host becomes known when something below it is first copied up.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

constexpr int kMaxHops = 32;
constexpr WView kLinkValue = u"SymbolicLinkValue";

enum class LinkKind : uint8_t { kNone, kLink, kDangling };

// What the key of the first `components` components is. `target` is the link's value.
NtStatus ReadLink(const VlState& vl, CallScratch& scratch, const VPath& path, int components, LinkKind* kind,
                  WView* target) {
  *kind = LinkKind::kNone;
  VPath* link = Prefix(scratch, path, components);
  if (!link) return nt::kNoMemory;
  view::Lookup look = LookUp(vl, *link);
  look.virtual_directory = false;
  Opened opened;
  NtStatus status = OpenTop(vl, scratch, *link, look, nt::kKeyQueryValue, nt::kObjOpenLink, &opened);
  if (!nt::Ok(status)) return nt::kSuccess;  // nothing there: the caller will find that out
  nt::UnicodeString name{kLinkValue.size() * 2, kLinkValue.size() * 2,
                         const_cast<char16_t*>(kLinkValue.data())};
  Ulong room = 1024, needed = 0;
  uint8_t* data = nullptr;
  for (int attempt = 0; attempt < 3; ++attempt) {
    data = static_cast<uint8_t*>(scratch.Alloc(room));
    if (!data) break;
    status = orig.NtQueryValueKey(opened.handle, &name, nt::kKeyValuePartialInformation, data, room, &needed);
    if (status != nt::kBufferOverflow && status != nt::kBufferTooSmall) break;
    room = needed;
  }
  orig.NtClose(opened.handle);
  if (!data) return nt::kNoMemory;
  const auto* value = reinterpret_cast<const nt::KeyValuePartialInformation*>(data);
  if (nt::Ok(status) && value->type == nt::kRegLink) {
    *target = WView(reinterpret_cast<const char16_t*>(value->data), value->data_length / 2);
    *kind = !target->empty() && (*target)[0] == u'\\' ? LinkKind::kLink : LinkKind::kDangling;
    return nt::kSuccess;
  }
  // A link without a target refuses to be opened as a key.
  status = OpenTop(vl, scratch, *link, look, nt::kKeyQueryValue, 0, &opened);
  if (nt::Ok(status)) {
    orig.NtClose(opened.handle);
  } else {
    *kind = LinkKind::kDangling;
  }
  return nt::kSuccess;
}

}  // namespace

void MarkLink(const VlState& vl, const VPath& path, int components) {
  // Best effort: a full index fails the next change anyway.
  (void)SetFlags(vl, path, components, VmIndex::kLink);
  (void)SetFlags(vl, path, 0, VmIndex::kLink);
}

NtStatus FollowLinks(const VlState& vl, CallScratch& scratch, VPath* path, bool follow_last) {
  for (int hops = 0; hops < kMaxHops; ++hops) {
    if ((vl.index.Flags(*path, 0) & VmIndex::kLink) == 0) return nt::kSuccess;
    bool followed = false;
    for (int i = 1; i <= path->depth - (follow_last ? 0 : 1) && !followed; ++i) {
      if ((vl.index.Flags(*path, i) & VmIndex::kLink) == 0) continue;
      LinkKind kind = LinkKind::kNone;
      WView target;
      if (NtStatus status = ReadLink(vl, scratch, *path, i, &kind, &target); !nt::Ok(status)) return status;
      if (kind == LinkKind::kNone) continue;
      if (kind == LinkKind::kDangling) return nt::kObjectNameNotFound;
      const WView whole =
          Join(scratch, {target, view::Sub(path->text, path->end[i], path->text.size() - path->end[i])});
      if (Failed(whole)) return nt::kNoMemory;
      const size_t units = whole.size() + 16;
      char16_t* storage = scratch.Units(units);
      if (!storage) return nt::kNoMemory;
      if (view::ParseKeyName(whole, {storage, units}, path) != view::NameKind::kKeyPath)
        return nt::kObjectNameNotFound;
      followed = true;
    }
    if (!followed) return nt::kSuccess;
  }
  return vl.is_wine ? nt::kInvalidParameter : nt::kObjectNameNotFound;
}

}  // namespace plume::vl::key
