// Walking directories: one real directory, or everything that is visible in a merged one.
#include <cstring>

#include "vl/calls/file_space.h"

namespace plume::vl {

using view::WView;

namespace {

constexpr size_t kListBuffer = 32 << 10;

bool IsDots(WView name) { return name == WView(u".", 1) || name == WView(u"..", 2); }

}  // namespace

nt::NtStatus RealDirectory::Open(CallScratch& scratch, WView nt_name, WView mask) {
  if (!nt_name.data()) return status_ = nt::kNoMemory;
  OwnAttributes object(nt_name);
  nt::IoStatusBlock io;
  status_ = orig.NtOpenFile(&handle_, nt::kFileListDirectory | nt::kSynchronize, &object.attributes, &io,
                            nt::kShareAll,
                            nt::kDirectoryFile | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent);
  if (!nt::Ok(status_)) {
    handle_ = nullptr;
    return status_;
  }
  buffer_ = static_cast<uint8_t*>(scratch.Alloc(kListBuffer));
  if (!buffer_) return status_ = nt::kNoMemory;
  mask_.buffer = const_cast<char16_t*>(mask.data());
  mask_.length = mask_.maximum_length = static_cast<uint16_t>(mask.size() * 2);
  return status_;
}

nt::NtStatus RealDirectory::Borrow(CallScratch& scratch, nt::Handle handle) {
  handle_ = handle;
  borrowed_ = true;
  buffer_ = static_cast<uint8_t*>(scratch.Alloc(kListBuffer));
  return status_ = buffer_ ? nt::kSuccess : nt::kNoMemory;
}

RealDirectory::~RealDirectory() {
  if (handle_ && !borrowed_) orig.NtClose(handle_);
}

const nt::FileIdBothDirectoryInformation* RealDirectory::Next() {
  for (;;) {
    if (!nt::Ok(status_)) return nullptr;
    if (!next_) {
      nt::IoStatusBlock io{};
      status_ = orig.NtQueryDirectoryFile(handle_, nullptr, nullptr, nullptr, &io, buffer_, kListBuffer,
                                          nt::kFileIdBothDirectoryInformation, 0,
                                          first_ && mask_.length ? &mask_ : nullptr, first_);
      if (status_ == nt::kPending) {  // a borrowed asynchronous handle
        orig.NtWaitForSingleObject(handle_, 0, nullptr);
        status_ = io.status;
      }
      first_ = false;
      if (!nt::Ok(status_) || io.information == 0) {
        if (status_ == nt::kNoMoreFiles || status_ == nt::kNoSuchFile || nt::Ok(status_))
          status_ = nt::kNoMoreFiles;
        return nullptr;
      }
      next_ = reinterpret_cast<const nt::FileIdBothDirectoryInformation*>(buffer_);
    }
    const auto* entry = next_;
    next_ = entry->next_entry_offset ? reinterpret_cast<const nt::FileIdBothDirectoryInformation*>(
                                           reinterpret_cast<const uint8_t*>(entry) + entry->next_entry_offset)
                                     : nullptr;
    if (keep_dots_ || !IsDots(NameOf(*entry))) return entry;
  }
}

size_t FindByAnyName(CallScratch& scratch, WView nt_name, WView name, char16_t* long_name) {
  RealDirectory directory;
  if (!nt::Ok(directory.Open(scratch, nt_name, name))) return 0;
  const auto* entry = directory.Next();
  if (!entry) return 0;
  const WView is = NameOf(*entry);
  if (is.empty() || is.size() > 255) return 0;
  std::memcpy(long_name, is.data(), is.size() * sizeof(char16_t));
  return is.size();
}

nt::NtStatus ForEachChild(const VlState& vl, const view::VPath& path, VisitChild* visit, void* context) {
  CallScratch scratch;
  const view::Lookup found = view::LookUp(vl.space, path, false);
  const view::ChildFilter filter(vl.space, path, false, found);
  if (UpperMayHaveChildren(vl, path, found)) {
    RealDirectory upper;
    if (nt::Ok(upper.Open(scratch, UpperName(vl, scratch, path)))) {
      while (const auto* entry = upper.Next()) {
        if (!filter.ShowsUpper(NameOf(*entry))) continue;
        const nt::NtStatus s =
            visit(context, NameOf(*entry), (entry->file_attributes & nt::kAttrDirectory) != 0);
        if (!nt::Ok(s)) return s;
      }
      if (upper.status() != nt::kNoMoreFiles) return upper.status();
    } else if (upper.status() == nt::kSharingViolation) {
      // Somebody has it for himself alone. Whoever removes it will be told by the system whether it is empty.
    } else if (!IsMissing(upper.status()) && upper.status() != nt::kNotADirectory) {
      return upper.status();
    }
  }
  view::Contributor layer;
  while (view::NextContributor(vl.space, path, false, found, &layer)) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[layer.mount].layer];
    const catalog::Entry& directory = reader.entry(layer.entry);
    for (uint32_t i = 0; i < directory.child_count(); ++i) {
      const catalog::Entry& child = reader.entry(directory.first_child() + i);
      if (!filter.ShowsImage(reader.name(child))) continue;
      const nt::NtStatus s = visit(context, reader.name(child), (child.flags() & catalog::kDirectory) != 0);
      if (!nt::Ok(s)) return s;
    }
  }
  size_t at = 0;
  WView name;
  while (!found.lower_hidden && view::NextMountChild(vl.space, path, false, &at, &name)) {
    if (!filter.ShowsImage(name)) continue;
    const nt::NtStatus s = visit(context, name, true);
    if (!nt::Ok(s)) return s;
  }
  if (!filter.NeedsHost()) return nt::kSuccess;
  RealDirectory host;
  if (!nt::Ok(host.Open(scratch, HostName(scratch, path)))) {
    return IsMissing(host.status()) || host.status() == nt::kNotADirectory ? nt::kSuccess : host.status();
  }
  while (const auto* entry = host.Next()) {
    if (!filter.ShowsHost(NameOf(*entry))) continue;
    const nt::NtStatus s = visit(context, NameOf(*entry), (entry->file_attributes & nt::kAttrDirectory) != 0);
    if (!nt::Ok(s)) return s;
  }
  return host.status() == nt::kNoMoreFiles ? nt::kSuccess : host.status();
}

nt::NtStatus IsMergedEmpty(const VlState& vl, const view::VPath& path, bool* empty) {
  auto found_one = [](void*, WView, bool) -> nt::NtStatus { return nt::kDirectoryNotEmpty; };
  const nt::NtStatus s = ForEachChild(vl, path, found_one, nullptr);
  *empty = s != nt::kDirectoryNotEmpty;
  return *empty ? s : nt::kSuccess;
}

}  // namespace plume::vl
