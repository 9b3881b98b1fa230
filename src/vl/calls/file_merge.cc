// Making merged listings, and what has changed since in one that is being handed out.
#include <cstring>

#include "view/listing.h"
#include "view/short_name.h"
#include "vl/calls/file_directory_state.h"
#include "vl/calls/file_space.h"

namespace plume::vl {

using view::VPath;
using view::WView;

ListingArena::~ListingArena() {
  while (blocks_) {
    Block* next = blocks_->next;
    HeapFree(blocks_);
    blocks_ = next;
  }
}

void* ListingArena::Alloc(void* context, size_t bytes) {
  auto& self = *static_cast<ListingArena*>(context);
  constexpr size_t kHead = 32, kFirst = 16 << 10, kMost = 1 << 20;
  bytes = (bytes + 15) & ~size_t{15};
  if (!self.blocks_ || self.blocks_->size - self.blocks_->used < bytes) {
    size_t size = self.blocks_ ? self.blocks_->size * 2 : kFirst;
    if (size > kMost) size = kMost;
    if (size < bytes + kHead) size = bytes + kHead;
    auto* block = static_cast<Block*>(HeapAlloc(size));
    if (!block) return nullptr;
    *block = Block{self.blocks_, size, kHead};
    self.blocks_ = block;
  }
  void* at = reinterpret_cast<uint8_t*>(self.blocks_) + self.blocks_->used;
  self.blocks_->used += bytes;
  return at;
}

namespace {

view::DirEntry FromReal(const nt::FileIdBothDirectoryInformation& e) {
  view::DirEntry out;
  out.name = NameOf(e);
  out.short_name = WView(e.short_name, static_cast<uint8_t>(e.short_name_length) / 2);
  out.attributes = e.file_attributes;
  out.ea_size = e.ea_size;
  out.created = e.creation_time;
  out.accessed = e.last_access_time;
  out.written = e.last_write_time;
  out.changed = e.change_time;
  out.size = static_cast<uint64_t>(e.end_of_file);
  out.allocation = static_cast<uint64_t>(e.allocation_size);
  out.id = static_cast<uint64_t>(e.file_id);
  return out;
}

view::DirEntry FromInformation(WView name, const nt::FileNetworkOpenInformation& info, uint64_t id) {
  view::DirEntry out;
  out.name = name;
  out.attributes = info.file_attributes;
  out.created = info.creation_time;
  out.accessed = info.last_access_time;
  out.written = info.last_write_time;
  out.changed = info.change_time;
  out.size = static_cast<uint64_t>(info.end_of_file);
  out.allocation = static_cast<uint64_t>(info.allocation_size);
  out.id = id;
  return out;
}

void TakeFacts(const view::DirEntry& from, view::DirEntry* to) {
  to->attributes = from.attributes;
  to->created = from.created;
  to->accessed = from.accessed;
  to->written = from.written;
  to->changed = from.changed;
  to->size = from.size;
  to->allocation = from.allocation;
}

// The facts of a directory, if they are known better than by the host's.
bool DirectoryFacts(const VlState& vl, CallScratch& scratch, const VPath& path,
                    nt::FileNetworkOpenInformation* info) {
  const view::Lookup found = view::LookUp(vl.space, path, false);
  if (!found.upper_possible && found.mount < 0) return false;
  Located at;
  if (!nt::Ok(Locate(vl, scratch, path, found, &at)) || !at.directory()) return false;
  *info = at.info;
  return at.place == Place::kUpper || at.place == Place::kImage;
}

bool IsParent(WView name) { return name == WView(u"..", 2); }

constexpr bool SameLayer(view::Source a, Source b) {
  return a == view::Source::kUpper ? b == Source::kUpper : a == view::Source::kHost && b == Source::kHost;
}

// One listing in the making.
struct Builder {
  const VlState& vl;
  CallScratch& scratch;
  const VPath& path;
  const view::Lookup& found;
  const view::ChildFilter& filter;
  view::Listing& listing;
  nt::Handle handle;     // the one that is listed,
  Source handle_source;  // and its layer

  nt::NtStatus AddReal(view::Source source, WView name);
  nt::NtStatus AddImages();
  nt::NtStatus AddMounts();
  bool AddDots(int mount, uint32_t entry);
};

nt::NtStatus Builder::AddReal(view::Source source, WView name) {
  RealDirectory directory;
  nt::NtStatus s = directory.Open(scratch, name);
  if (s == nt::kSharingViolation && SameLayer(source, handle_source)) s = directory.Borrow(scratch, handle);
  // A layer that does not have the directory, or has a file of that name, has nothing to show.
  if (!nt::Ok(s)) return IsMissing(s) || s == nt::kNotADirectory ? nt::kSuccess : s;
  if (path.depth > 0) directory.KeepDots();
  while (const auto* entry = directory.Next()) {
    view::DirEntry e = FromReal(*entry);
    nt::FileNetworkOpenInformation info;
    if (source == view::Source::kHost && IsParent(e.name) && ParentFacts(vl, scratch, path, &info)) {
      TakeFacts(FromInformation(e.name, info, 0), &e);
    }
    if (!listing.Add(source, e)) return nt::kNoMemory;
  }
  return directory.status() == nt::kNoMoreFiles ? nt::kSuccess : directory.status();
}

// "." and ".." of an image directory, as its catalog has them.
bool Builder::AddDots(int mount, uint32_t entry) {
  if (path.depth == 0) return true;
  const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[mount].layer];
  nt::FileNetworkOpenInformation above;
  if (!ParentFacts(vl, scratch, path, &above))
    above = EntryInformation(vl, mount, reader.entry(entry).parent());
  return listing.Add(view::Source::kImage, FromInformation(WView(u".", 1), EntryInformation(vl, mount, entry),
                                                           path.hash[path.depth])) &&
         listing.Add(view::Source::kImage,
                     FromInformation(WView(u"..", 2), above, path.hash[path.depth - 1]));
}

nt::NtStatus Builder::AddImages() {
  view::Contributor layer;
  while (view::NextContributor(vl.space, path, false, found, &layer)) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[layer.mount].layer];
    const catalog::Entry& directory = reader.entry(layer.entry);
    if (!AddDots(layer.mount, layer.entry)) return nt::kNoMemory;
    for (uint32_t i = 0; i < directory.child_count(); ++i) {
      const uint32_t child = directory.first_child() + i;
      const WView name = reader.name(reader.entry(child));
      view::DirEntry e = FromInformation(name, EntryInformation(vl, layer.mount, child),
                                         view::HashAppend(path.hash[path.depth], name));
      e.attributes = AttributesByName(vl, name, e.attributes);
      view::ShortName made;
      e.short_name = reader.short_name(reader.entry(child));
      if (e.short_name.empty() && vl.is_wine) {
        made = view::WineShortName(name);
        e.short_name = made.View();
      }
      if (!listing.Add(view::Source::kImage, e)) return nt::kNoMemory;
    }
  }
  return nt::kSuccess;
}

// Directories that exist because something is mounted in them.
nt::NtStatus Builder::AddMounts() {
  nt::FileNetworkOpenInformation info{};
  info.file_attributes = nt::kAttrDirectory;
  size_t at = 0;
  WView name;
  while (!found.lower_hidden && view::NextMountChild(vl.space, path, false, &at, &name)) {
    if (!listing.Add(view::Source::kImage,
                     FromInformation(name, info, view::HashAppend(path.hash[path.depth], name)))) {
      return nt::kNoMemory;
    }
  }
  return nt::kSuccess;
}

}  // namespace

bool ParentFacts(const VlState& vl, CallScratch& scratch, const VPath& path,
                 nt::FileNetworkOpenInformation* info) {
  const VPath* above = path.depth > 0 ? ParentPath(scratch, path) : nullptr;
  return above && DirectoryFacts(vl, scratch, *above, info);
}

nt::NtStatus BuildListing(const VlState& vl, CallScratch& scratch, const VPath& path,
                          const view::Lookup& found, nt::Handle handle, Source handle_source,
                          MergedListing** out) {
  const view::ChildFilter filter(vl.space, path, false, found);
  auto* merged = HeapNew<MergedListing>(vl, &filter);
  if (!merged) return nt::kNoMemory;
  Builder builder{vl, scratch, path, found, filter, merged->listing, handle, handle_source};
  nt::NtStatus s = nt::kSuccess;
  if (UpperMayHaveChildren(vl, path, found))
    s = builder.AddReal(view::Source::kUpper, UpperName(vl, scratch, path));
  if (nt::Ok(s)) s = builder.AddImages();
  // The host before the mounts: a real directory says more about itself.
  if (nt::Ok(s) && filter.NeedsHost()) s = builder.AddReal(view::Source::kHost, HostName(scratch, path));
  if (nt::Ok(s)) s = builder.AddMounts();
  if (nt::Ok(s) && !merged->listing.Sort()) s = nt::kNoMemory;
  if (!nt::Ok(s)) {
    HeapDelete(merged);
    return s;
  }
  *out = merged;
  return s;
}

nt::NtStatus BuildFromHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle,
                             MergedListing** out) {
  auto* merged = HeapNew<MergedListing>(vl, nullptr);
  if (!merged) return nt::kNoMemory;
  RealDirectory directory;
  nt::NtStatus s = directory.Borrow(scratch, handle);
  directory.KeepDots();
  while (const auto* entry = nt::Ok(s) ? directory.Next() : nullptr) {
    if (!merged->listing.Add(view::Source::kHost, FromReal(*entry))) s = nt::kNoMemory;
  }
  if (nt::Ok(s) && directory.status() != nt::kNoMoreFiles) s = directory.status();
  if (nt::Ok(s) && !merged->listing.Sort()) s = nt::kNoMemory;
  if (!nt::Ok(s)) {
    HeapDelete(merged);
    return s;
  }
  *out = merged;
  return s;
}

namespace {

// A name that was given up at some time may since have been taken again. A system that remembers names has
// forgotten one that came back in another spelling.
nt::NtStatus FindAgain(const VlState& vl, CallScratch& scratch, WView upper_directory,
                       view::DirEntry* entry) {
  RealDirectory directory;
  nt::NtStatus s = directory.Open(scratch, upper_directory, entry->name);
  if (!nt::Ok(s)) return s;
  while (const auto* now = directory.Next()) {
    const WView name = NameOf(*now);
    if (vl.is_wine ? name != entry->name : !view::EqualFolded(name, entry->name)) continue;
    TakeFacts(FromReal(*now), entry);
    return nt::kSuccess;
  }
  return IsMissing(directory.status()) || directory.status() == nt::kNoMoreFiles ? nt::kObjectNameNotFound
                                                                                 : directory.status();
}

}  // namespace

bool ListingRefresh::Still(void* context, view::DirEntry* entry) {
  const auto& self = *static_cast<ListingRefresh*>(context);
  const VlState& vl = self.vl;
  if (entry->name == WView(u".", 1) || IsParent(entry->name)) {
    CallScratch scratch;
    nt::FileNetworkOpenInformation info;
    const bool known = IsParent(entry->name) ? ParentFacts(vl, scratch, self.path, &info)
                                             : DirectoryFacts(vl, scratch, self.path, &info);
    if (known) TakeFacts(FromInformation(entry->name, info, 0), entry);
    return true;
  }
  const view::VmIndex::Record* record = vl.index.FindChild(self.path, entry->name);
  const uint32_t flags = record ? record->flags.load(std::memory_order_acquire) : 0;
  const bool was_upper = entry->source == view::Source::kUpper;
  const bool given_up = (flags & view::VmIndex::kWhiteout) != 0;
  // A directory that was renamed took what lower layers had in it along into the upper one.
  const bool lower_shows = entry->source == view::Source::kHost    ? self.filter.ShowsHost(entry->name)
                           : entry->source == view::Source::kImage ? self.filter.ShowsImage(entry->name)
                                                                   : false;
  if ((!lower_shows || (flags & view::VmIndex::kUpper)) && self.filter.ShowsUpper(entry->name)) {
    // What is in the upper layer and was never opened to be removed is still there.
    if (was_upper && !given_up && !self.facts_too) return true;
    CallScratch scratch;
    const WView directory = UpperName(vl, scratch, self.path);
    const WView slash(u"\\", 1);
    const WView name = given_up ? directory : Concat(scratch, directory, slash, entry->name);
    if (!name.data()) return true;
    nt::NtStatus s;
    if (given_up) {
      s = FindAgain(vl, scratch, directory, entry);
    } else {
      OwnAttributes object(name);
      nt::FileNetworkOpenInformation info;
      s = orig.NtQueryFullAttributesFile(&object.attributes, &info);
      if (nt::Ok(s)) TakeFacts(FromInformation(entry->name, info, 0), entry);
    }
    if (!IsMissing(s)) return true;
  }
  return lower_shows;
}

}  // namespace plume::vl
