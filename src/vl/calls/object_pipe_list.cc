// Listings of the devices of pipes and mailslots (\\.\pipe\*). Wine has none (docs/nt-compat.md): built for
// Windows.
#ifndef PLUME_WITHOUT_FILE_CALLS

#include "vl/calls/file_directory_state.h"
#include "vl/calls/object_file.h"
#include "vl/calls/object_space.h"

namespace plume::vl {

using view::WView;

HandleRef PipeDeviceInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  auto* path = scratch.New<view::VPath>();
  if (!path) return HandleRef();
  path->text = QueryRealName(scratch, handle);
  const view::ObjectName name = view::ParseObjectName(path->text, vl.session);
  const bool device = name.space == view::ObjectSpace::kPipe || name.space == view::ObjectSpace::kMailslot;
  if (!device || !name.container) return HandleRef();
  HandleInfo* info = NewHandleInfo(HandleKind::kPipeDevice, *path);
  if (!info) return HandleRef();
  info->access = nt::kFileListDirectory;  // the original query says whether it is allowed
  Handles().Insert(handle, info);
  return Handles().Find(handle);
}

nt::NtStatus BuildPipeListing(const VlState& vl, CallScratch& scratch, nt::Handle handle, WView device,
                              MergedListing** out) {
  constexpr nt::Ulong kRoom = 64 << 10;
  auto* buffer = static_cast<uint8_t*>(scratch.Alloc(kRoom));
  const size_t look_room = 2 * (device.size() + kRoom / 2 + view::kObjectPrefixUnits + 1);
  char16_t* look = scratch.Units(look_room);
  auto* merged = HeapNew<MergedListing>(vl, nullptr);
  nt::NtStatus s = buffer && look && merged ? nt::kSuccess : nt::kNoMemory;
  for (bool first = true; nt::Ok(s); first = false) {
    nt::IoStatusBlock io{};
    s = orig.NtQueryDirectoryFile(handle, nullptr, nullptr, nullptr, &io, buffer, kRoom,
                                  nt::kFileBothDirectoryInformation, 0, nullptr, first);
    if (s == nt::kPending) {
      orig.NtWaitForSingleObject(handle, 0, nullptr);
      s = io.status;
    }
    if (!nt::Ok(s) || io.information == 0) break;
    for (size_t at = 0;;) {
      const auto* e = reinterpret_cast<const nt::FileBothDirectoryInformation*>(buffer + at);
      view::DirEntry entry;
      entry.name = WView(e->file_name, e->file_name_length / 2);
      entry.attributes = e->file_attributes;
      entry.ea_size = e->ea_size;
      entry.created = e->creation_time;
      entry.accessed = e->last_access_time;
      entry.written = e->last_write_time;
      entry.changed = e->change_time;
      entry.size = static_cast<uint64_t>(e->end_of_file);
      entry.allocation = static_cast<uint64_t>(e->allocation_size);
      const view::EntryLook looks = view::LookOfEntry(device, entry.name, vl.session, vl.object_mark,
                                                      vl.object_rules, {look, look_room});
      if (looks == view::EntryLook::kWithoutMark)
        entry.name = view::Sub(entry.name, 0, entry.name.size() - view::kObjectMarkUnits);
      if (looks != view::EntryLook::kHidden && !merged->listing.Add(view::Source::kHost, entry))
        s = nt::kNoMemory;
      if (!nt::Ok(s) || e->next_entry_offset == 0) break;
      at += e->next_entry_offset;
    }
  }
  if (s == nt::kNoMoreFiles) s = nt::kSuccess;
  if (nt::Ok(s) && !merged->listing.Sort()) s = nt::kNoMemory;
  if (!nt::Ok(s)) {
    HeapDelete(merged);
    return s;
  }
  *out = merged;
  return s;
}

}  // namespace plume::vl

#endif
