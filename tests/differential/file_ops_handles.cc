// Operations on handles: open, read, write, change, rename, map.
#include <algorithm>

#include "file_ops_run.h"

namespace plume::differential {
namespace {

constexpr ULONG kSynchronous = 0x20, kDeleteOnClose = 0x1000;

const ACCESS_MASK kAccess[] = {GENERIC_READ,
                               GENERIC_READ,
                               GENERIC_READ,
                               FILE_READ_ATTRIBUTES,
                               GENERIC_WRITE,
                               GENERIC_READ | GENERIC_WRITE,
                               GENERIC_READ | GENERIC_WRITE | DELETE,
                               DELETE,
                               DELETE | GENERIC_READ,
                               FILE_APPEND_DATA,
                               FILE_WRITE_ATTRIBUTES,
                               FILE_READ_DATA | FILE_WRITE_ATTRIBUTES,
                               MAXIMUM_ALLOWED,
                               GENERIC_ALL,
                               READ_CONTROL,
                               FILE_WRITE_DATA,
                               GENERIC_EXECUTE,
                               FILE_LIST_DIRECTORY | FILE_ADD_FILE,
                               DELETE | GENERIC_WRITE};
const ULONG kShare[] = {7, 7, 7, 7, 3, 1, 0, 5, 6, 4};
const ULONG kDispositions[] = {1, 1, 1, 1, 3, 3, 3, 2, 2, 5, 5, 4, 0, 6};
const ULONG kOptions[] = {0,      0,      0x40,   0x40,     0x40,   1,    1, 0x1000,
                          0x1040, 0x1001, 0x4000, 0x200000, 0x4040, 0x41, 2};
const ULONG kAttributes[] = {0x80, 0x80, 0x80, 0, 1, 2, 0x20, 4};

// Could this open change the file, for a system that copies on write? (The same list as the one of the VM.)
bool IsWriteLike(ACCESS_MASK access, ULONG disposition, ULONG options) {
  constexpr ACCESS_MASK kWrites = GENERIC_WRITE | GENERIC_ALL | MAXIMUM_ALLOWED | DELETE | WRITE_DAC |
                                  WRITE_OWNER | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA |
                                  FILE_WRITE_ATTRIBUTES | FILE_DELETE_CHILD;
  return (access & kWrites) || (options & kDeleteOnClose) || disposition == 0 || disposition >= 4;
}

long Hex(NTSTATUS status) { return static_cast<long>(status); }

}  // namespace

void Runner::Create(Rng& rng, bool relative) {
  std::wstring path = pool_.AnyPath(rng);
  Opening o{rng.Pick(kAccess) | SYNCHRONIZE, rng.Pick(kShare), rng.Pick(kDispositions), rng.Pick(kAttributes),
            rng.Pick(kOptions) | kSynchronous};
  // Mostly combinations that are not refused at once.
  if (!rng.OneIn(10)) {
    if (o.options & kDeleteOnClose) o.access |= DELETE;
    if ((o.options & FILE_DIRECTORY_FILE) && (o.disposition == 0 || o.disposition > 3))
      o.disposition = 1 + rng.Below(3);
    const bool initial = pool_.IsInitial(path), folder = pool_.IsFolder(path);
    if (initial && o.disposition == FILE_CREATE && rng.Below(4)) o.disposition = FILE_OPEN;
    if (!initial && o.disposition == FILE_OPEN && rng.OneIn(2)) o.disposition = FILE_OPEN_IF;
    if (folder) o.options &= ~ULONG{FILE_NON_DIRECTORY_FILE};
    if (initial && !folder) o.options &= ~ULONG{FILE_DIRECTORY_FILE};
  }
  int slot = static_cast<int>(rng.Below(kSlots));
  const bool keep = rng.Below(10) < 7;
  std::wstring name = Spell(rng, path);
  HANDLE root = nullptr;
  if (relative) {
    const int folder = SlotFor(Want::kFolder);
    root = slots_[folder].handle;
    if (slot == folder) slot = (slot + 1) % kSlots;
    path = PathBelow(rng, slots_[folder], path, &name);
  } else {
    name = Nt(name);
  }
  std::fprintf(out_, "%s %s access=%lx share=%lx disposition=%lx options=%lx attributes=%lx slot=%d%s -> ",
               relative ? "relative" : "create", relative ? Narrow(name).c_str() : Shown(name).c_str(),
               o.access, o.share, o.disposition, o.options, o.attributes, slot, keep ? "" : " close");
  OpenInto(slot, path, name, root, o, keep);
}

bool Runner::OpenInto(int slot, const std::wstring& path, const std::wstring& name, HANDLE root,
                      const Opening& o, bool keep) {
  const bool write_like = IsWriteLike(o.access, o.disposition, o.options);
  if (keep) CloseSlot(slot);
  if ((write_like && !(o.options & kDeleteOnClose ? MayMove(path) : MayChange(path))) ||
      SharesChangedFolder(path, o.share)) {
    std::fprintf(out_, "left out");
    return false;
  }
  Attributes object(name, root);
  IO_STATUS_BLOCK io{};
  HANDLE file = nullptr;
  NTSTATUS status = pNtCreateFile(&file, o.access, object.get(), &io, nullptr, o.attributes, o.share,
                                  o.disposition, o.options, nullptr, 0);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status < 0) return false;
  const bool made = io.Information != FILE_OPENED;
  StandardInformation standard{};
  IO_STATUS_BLOCK other;
  pNtQueryInformationFile(file, &other, &standard, sizeof standard, 5);
  std::fprintf(out_, " info=%lx %s", static_cast<long>(io.Information),
               standard.directory ? "directory" : "file");
  if (write_like || made) Changed(path);
  // A folder that goes at its close is closed at once: in a VM it must have been empty at its open
  // (docs/nt-compat.md).
  if (!keep || (standard.directory && (o.options & kDeleteOnClose))) {
    pNtClose(file);
    return false;
  }
  slots_[slot].handle = file;
  slots_[slot].path = path;
  slots_[slot].directory = standard.directory;
  slots_[slot].access = o.access;
  slots_[slot].share = o.share;
  slots_[slot].may_write = write_like || made;
  return true;
}

void Runner::Read(Rng& rng) {
  const int slot = SlotFor(Want::kRead);
  LARGE_INTEGER offset;
  offset.QuadPart = rng.Below(3) ? 0 : rng.Below(6000);
  std::vector<uint8_t> buffer(rng.OneIn(3) ? 200'000 : rng.Below(5000));
  IO_STATUS_BLOCK io{};
  std::fprintf(out_, "read slot=%d offset=%lld size=%zu -> ", slot, static_cast<long long>(offset.QuadPart),
               buffer.size());
  if (!slots_[slot].handle) return;
  NTSTATUS status = pNtReadFile(slots_[slot].handle, nullptr, nullptr, nullptr, &io, buffer.data(),
                                static_cast<ULONG>(buffer.size()), &offset, nullptr);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status < 0) return;
  std::fprintf(out_, " info=%llu hash=%016llx", static_cast<unsigned long long>(io.Information),
               static_cast<unsigned long long>(HashBytes(buffer.data(), io.Information)));
}

void Runner::Write(Rng& rng) {
  const int slot = SlotFor(Want::kWrite);
  LARGE_INTEGER offset;
  offset.QuadPart = rng.OneIn(3) ? 0 : rng.OneIn(2) ? static_cast<int>(rng.Below(9000)) : -1;  // -1: the end
  std::vector<uint8_t> data = MakeData(DataKey(), 1 + rng.Below(3000));
  IO_STATUS_BLOCK io{};
  std::fprintf(out_, "write slot=%d offset=%lld size=%zu -> ", slot, static_cast<long long>(offset.QuadPart),
               data.size());
  if (!slots_[slot].handle) return;
  NTSTATUS status = pNtWriteFile(slots_[slot].handle, nullptr, nullptr, nullptr, &io, data.data(),
                                 static_cast<ULONG>(data.size()), &offset, nullptr);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status >= 0) std::fprintf(out_, " info=%llu", static_cast<unsigned long long>(io.Information));
}

void Runner::SetEnd(Rng& rng) {
  const int slot = SlotFor(Want::kWrite);
  int64_t end = rng.OneIn(3) ? 0 : rng.Below(100'000);
  IO_STATUS_BLOCK io{};
  std::fprintf(out_, "setend slot=%d end=%lld -> ", slot, static_cast<long long>(end));
  if (!slots_[slot].handle) return;
  NTSTATUS status = pNtSetInformationFile(slots_[slot].handle, &io, &end, sizeof end, 20);
  std::fprintf(out_, "%08lx", Hex(status));
}

void Runner::QueryInformation(Rng& rng) {
  const int slot = SlotFor(Want::kAny);
  const ULONG kClasses[] = {4, 5, 9, 18, 34, 35, 14, 8, 16, 48, 21};
  const ULONG size_of_class = rng.OneIn(6) ? rng.Below(120) : 4096;
  const ULONG kind = rng.Pick(kClasses);
  std::fprintf(out_, "query slot=%d class=%lu size=%lu -> ", slot, kind, size_of_class);
  if (!slots_[slot].handle) return;
  alignas(8) uint8_t buffer[4096] = {};
  IO_STATUS_BLOCK io{};
  NTSTATUS status = pNtQueryInformationFile(slots_[slot].handle, &io, buffer, size_of_class, kind);
  std::fprintf(out_, "%08lx", Hex(status));
  auto name = [&](size_t at) {
    // A length and as much of the name as fits. Names are compared when whole: their lengths depend on the
    // folder.
    ULONG length = *reinterpret_cast<ULONG*>(buffer + at);
    if (at + 4 + length <= size_of_class) {
      std::fprintf(out_, " name=%s",
                   Shown(std::wstring(reinterpret_cast<wchar_t*>(buffer + at + 4), length / 2)).c_str());
    }
  };
  if (status < 0 && status != static_cast<NTSTATUS>(0x80000005)) return;
  if (kind == 4 || kind == 18) {
    auto* basic = reinterpret_cast<BasicInformation*>(buffer);
    std::fprintf(out_, " attr=%lx written=%s created=%s", basic->attributes, TimeText(basic->written).c_str(),
                 TimeText(basic->created).c_str());
  }
  if (kind == 5 || kind == 18) {
    auto* standard = reinterpret_cast<StandardInformation*>(buffer + (kind == 18 ? 40 : 0));
    std::fprintf(out_, " end=%lld links=%lu deleting=%d directory=%d",
                 standard->directory ? 0ll : static_cast<long long>(standard->end),
                 standard->directory ? 1 : standard->links, standard->deleting, standard->directory);
  }
  if (kind == 9 || kind == 48) name(0);
  if (kind == 18) name(96);
  if (kind == 34) {
    auto* open = reinterpret_cast<NetworkOpenInformation*>(buffer);
    std::fprintf(out_, " attr=%lx written=%s end=%lld", open->attributes, TimeText(open->written).c_str(),
                 open->attributes & FILE_ATTRIBUTE_DIRECTORY ? 0ll : static_cast<long long>(open->end));
  }
  if (kind == 35 || kind == 8 || kind == 16)
    std::fprintf(out_, " value=%lx", *reinterpret_cast<ULONG*>(buffer));
  if (kind == 14)
    std::fprintf(out_, " position=%lld", static_cast<long long>(*reinterpret_cast<int64_t*>(buffer)));
}

bool Runner::MayBeRead(const Slot& slot) {
  return (slot.share & FILE_SHARE_READ) || (slot.access & (GENERIC_READ | FILE_READ_DATA));
}

void Runner::SetBasic(Rng& rng) {
  const int slot = SlotFor(Want::kAttributes);
  BasicInformation basic{};
  if (rng.OneIn(2)) basic.written = TestTime(rng.Below(1000));
  if (rng.OneIn(3)) basic.created = TestTime(rng.Below(1000));
  basic.attributes = rng.OneIn(2) ? 0 : rng.Pick(kAttributes);
  std::fprintf(out_, "setbasic slot=%d written=%s attr=%lx -> ", slot, TimeText(basic.written).c_str(),
               basic.attributes);
  if (!slots_[slot].handle) return;
  // Wine does not look whether the handle may do that; then the handle may go on showing the file before its
  // copy.
  const bool may =
      (slots_[slot].access & (FILE_WRITE_ATTRIBUTES | GENERIC_WRITE | GENERIC_ALL | MAXIMUM_ALLOWED)) != 0;
  // Nor can a file be copied that nobody may read.
  if (!may && !(MayChange(slots_[slot].path, slot) && MayBeRead(slots_[slot]))) {
    std::fprintf(out_, "left out");
    return;
  }
  IO_STATUS_BLOCK io{};
  NTSTATUS status = pNtSetInformationFile(slots_[slot].handle, &io, &basic, sizeof basic, 4);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status >= 0 && !slots_[slot].may_write) {
    Changed(slots_[slot].path);
    CloseSlot(slot);
  }
}

void Runner::Disposition(Rng& rng) {
  const int slot = SlotFor(Want::kDelete);
  const bool extended = rng.OneIn(4), remove = rng.Below(5) != 0;
  std::fprintf(out_, "disposition slot=%d %s%d -> ", slot, extended ? "extended " : "", remove);
  if (!slots_[slot].handle) return;
  // Wine's own look into a folder moves the handle's position: a second one finds it empty.
  if (!MayMove(slots_[slot].path, slot) || (remove && slots_[slot].looked_into)) {
    std::fprintf(out_, "left out");
    return;
  }
  IO_STATUS_BLOCK io{};
  ULONG flags = remove;
  NTSTATUS status =
      pNtSetInformationFile(slots_[slot].handle, &io, &flags, extended ? 4 : 1, extended ? 64 : 13);
  std::fprintf(out_, "%08lx", Hex(status));
  slots_[slot].looked_into |= slots_[slot].directory && remove;
  if (status == static_cast<NTSTATUS>(0xc0000101)) CloseSlot(slot);
}

void Runner::RenameOrLink(Rng& rng, bool link) {
  const int slot = SlotFor(link ? Want::kRead : Want::kDelete);
  std::wstring target = pool_.AnyPath(rng);
  const bool replace = rng.OneIn(2), relative = rng.OneIn(4);
  std::wstring name = Spell(rng, target);
  RenameInformation info{};
  info.replace = replace;
  if (relative) {
    const int folder = SlotFor(Want::kFolder, slot);
    info.root = slots_[folder].handle;
    target = PathBelow(rng, slots_[folder], target, &name);
  } else {
    name = Nt(name);
  }
  std::fprintf(out_, "%s slot=%d to=%s replace=%d%s -> ", link ? "link" : "rename", slot,
               relative ? Narrow(name).c_str() : Shown(name).c_str(), replace, relative ? " relative" : "");
  Slot& source = slots_[slot];
  if (!source.handle) return;
  // Windows refuses to rename through a handle without DELETE access, Wine does not look.
  bool may = link || (source.access & (DELETE | GENERIC_ALL | MAXIMUM_ALLOWED));
  // Wine removes the target before it finds that a folder cannot move into itself.
  may = may && !Below(Key(target), Key(source.path));
  // Wine removes the target of a link before it finds that the file has another name now.
  may = may && !(source.name_is_old && replace);
  // A link through a handle for reading copies the file first, if it may be read.
  may = may && (source.may_write || MayBeRead(source));
  if (!may || !MayMove(source.path, slot) || !MayMove(target, slot)) {
    std::fprintf(out_, "left out");
    return;
  }
  info.length = static_cast<ULONG>(name.size() * 2);
  std::copy(name.begin(), name.end(), info.name);
  IO_STATUS_BLOCK io{};
  NTSTATUS status = pNtSetInformationFile(source.handle, &io, &info,
                                          static_cast<ULONG>(offsetof(RenameInformation, name)) + info.length,
                                          link ? 11 : 10);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status == 0) {
    Changed(target);
    if (link) {
      // A handle for reading may now be the only one that still shows the file before it was copied.
      if (!source.may_write) CloseSlot(slot);
    } else {
      Moved(source.path, slot);
      if (source.directory && Key(target) != Key(source.path))
        own_trees_.insert({Key(target), Key(source.path)});
      source.path = target;
    }
  }
}

void Runner::Close(Rng& rng) {
  const int slot = Used(rng);
  std::fprintf(out_, "close slot=%d", slot);
  CloseSlot(slot);
}

void Runner::Section(Rng& rng) {
  const int slot = SlotFor(Want::kRead);
  const bool write = rng.OneIn(2);
  std::fprintf(out_, "section slot=%d %s -> ", slot, write ? "write" : "read");
  if (!slots_[slot].handle) return;
  HANDLE section =
      CreateFileMappingW(slots_[slot].handle, nullptr, write ? PAGE_READWRITE : PAGE_READONLY, 0, 0, nullptr);
  if (!section) {
    std::fprintf(out_, "error=%lu", GetLastError());
    return;
  }
  LARGE_INTEGER size{};
  GetFileSizeEx(slots_[slot].handle, &size);
  auto* view = static_cast<uint8_t*>(MapViewOfFile(section, write ? FILE_MAP_WRITE : FILE_MAP_READ, 0, 0, 0));
  if (!view) {
    std::fprintf(out_, "map error=%lu", GetLastError());
  } else {
    std::fprintf(out_, "hash=%016llx",
                 static_cast<unsigned long long>(HashBytes(view, static_cast<size_t>(size.QuadPart))));
    if (write && size.QuadPart > 0) view[DataKey() % static_cast<uint64_t>(size.QuadPart)] ^= 0x5a;
    UnmapViewOfFile(view);
  }
  CloseHandle(section);
}

void Runner::ObjectName(Rng& rng) {
  const int slot = SlotFor(Want::kAny);
  std::fprintf(out_, "objectname slot=%d -> ", slot);
  if (!slots_[slot].handle) return;
  alignas(8) uint8_t buffer[4096];
  ULONG length = 0;
  NTSTATUS status = pNtQueryObject(slots_[slot].handle, 1, buffer, sizeof buffer, &length);
  std::fprintf(out_, "%08lx", Hex(status));
  if (status < 0) return;
  auto* name = reinterpret_cast<UNICODE_STRING*>(buffer);
  std::fprintf(out_, " length=%lu name=%s", length,
               Shown(std::wstring(name->Buffer, name->Length / 2)).c_str());
}

}  // namespace plume::differential
