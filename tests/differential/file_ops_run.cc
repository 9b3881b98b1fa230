// The state of a running sequence, and which operation is next.
#include "file_ops_run.h"

namespace plume::differential {

void RunSequence(uint64_t seed, const std::wstring& folder, int from, int to, const std::set<int>& only,
                 FILE* out) {
  Runner runner(seed, folder, out);
  for (int i = from; i < to; ++i) {
    if (only.empty() || only.count(i)) runner.Run(i);
  }
}

Runner::~Runner() { CloseAll(); }

void Runner::CloseAll() {
  for (int i = 0; i < kSlots; ++i) CloseSlot(i);
}

void Runner::CloseSlot(int i) {
  if (slots_[i].handle) pNtClose(slots_[i].handle);
  slots_[i] = Slot();
}

void Runner::Run(int index) {
  index_ = index;
  Rng rng(seed_, static_cast<uint64_t>(index));
  std::fprintf(out_, "%02d ", index);
  uint32_t kind = rng.Below(120);
  auto in = [&kind](uint32_t weight) {
    if (kind < weight) return true;
    kind -= weight;
    return false;
  };
  if (in(30))
    Create(rng, false);
  else if (in(6))
    Create(rng, true);
  else if (in(6))
    Read(rng);
  else if (in(8))
    Write(rng);
  else if (in(3))
    SetEnd(rng);
  else if (in(8))
    QueryInformation(rng);
  else if (in(5))
    SetBasic(rng);
  else if (in(5))
    Disposition(rng);
  else if (in(8))
    RenameOrLink(rng, false);
  else if (in(3))
    RenameOrLink(rng, true);
  else if (in(7))
    Close(rng);
  else if (in(3))
    Section(rng);
  else if (in(2))
    ObjectName(rng);
  else if (in(6))
    QueryDirectory(rng);
  else if (in(5))
    QueryAttributes(rng);
  else if (in(2))
    DeleteByName(rng);
  else if (in(9))
    Win32(rng);
  else
    Enumerate(rng);
  std::fputc('\n', out_);
}

int Runner::Used(Rng& rng) const {
  int i = static_cast<int>(rng.Below(kSlots));
  for (int k = 0; k < kSlots && !slots_[i].handle; ++k) i = (i + 1) % kSlots;
  return i;
}

bool Runner::Fits(const Slot& slot, Want want) {
  if (!slot.handle) return false;
  switch (want) {
    case Want::kRead:
      return !slot.directory && (slot.access & (GENERIC_READ | GENERIC_ALL | FILE_READ_DATA));
    case Want::kWrite:
      return !slot.directory && (slot.access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA));
    case Want::kAttributes:
      return (slot.access & (FILE_WRITE_ATTRIBUTES | GENERIC_WRITE | GENERIC_ALL)) != 0;
    case Want::kDelete:
      return (slot.access & (DELETE | GENERIC_ALL)) != 0;
    case Want::kFolder:
      return slot.directory && (slot.access & (GENERIC_READ | GENERIC_ALL | FILE_LIST_DIRECTORY));
    default:
      return true;
  }
}

int Runner::SlotFor(Want want, int not_this) {
  Rng rng(seed_, static_cast<uint64_t>(index_) + (not_this < 0 ? 100'000u : 200'000u));
  const bool any = rng.OneIn(8), fresh = rng.OneIn(4);
  int i = Used(rng);
  if (any && i != not_this) return i;
  for (int k = 0; k < kSlots; ++k, i = (i + 1) % kSlots) {
    if (!fresh && i != not_this && Fits(slots_[i], want)) return i;
  }
  if (i == not_this) i = (i + 1) % kSlots;
  for (int tries = 0; tries < 3; ++tries) {
    const bool folder =
        want == Want::kFolder || (want != Want::kRead && want != Want::kWrite && rng.OneIn(3));
    const std::wstring path = folder ? pool_.AnyDirectory(rng) : pool_.AnyFile(rng);
    Opening opening{FILE_READ_ATTRIBUTES, 7, FILE_OPEN, 0, ULONG{FILE_SYNCHRONOUS_IO_NONALERT}};
    switch (want) {
      case Want::kRead:
        opening.access = rng.OneIn(2) ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE;
        break;
      case Want::kWrite:
        opening.access = rng.OneIn(2) ? GENERIC_WRITE : GENERIC_READ | GENERIC_WRITE;
        break;
      case Want::kAttributes:
        opening.access = rng.OneIn(2) ? FILE_WRITE_ATTRIBUTES : GENERIC_READ | GENERIC_WRITE;
        break;
      case Want::kDelete:
        opening.access = rng.OneIn(2) ? DELETE : DELETE | GENERIC_READ | GENERIC_WRITE;
        break;
      case Want::kFolder:
        opening.access = GENERIC_READ;
        break;
      default:
        opening.access = rng.OneIn(2) ? FILE_READ_ATTRIBUTES : GENERIC_READ;
        break;
    }
    opening.access |= SYNCHRONIZE;
    if (folder) opening.options |= FILE_DIRECTORY_FILE;
    const std::wstring name = Nt(Spell(rng, path));
    std::fprintf(out_, "[open %s access=%lx slot=%d -> ", Shown(name).c_str(), opening.access, i);
    const bool open = OpenInto(i, path, name, nullptr, opening, true);
    std::fprintf(out_, "] ");
    if (open) break;
  }
  return i;
}

std::wstring Runner::PathBelow(Rng& rng, const Slot& folder, const std::wstring& path,
                               std::wstring* name) const {
  const std::wstring prefix = folder.path.empty() ? L"" : folder.path + L"\\";
  const std::wstring other = pool_.names[rng.Below(static_cast<uint32_t>(pool_.names.size()))];
  const std::wstring key = Key(path), folder_key = Key(folder.path);
  if (key == folder_key) {
    *name = L"";
    return path;
  }
  *name = Below(key, folder_key) ? path.substr(prefix.size()) : other;
  return prefix + *name;
}

std::wstring Runner::Key(std::wstring path) {
  while (!path.empty() && path.back() == L'\\') path.pop_back();
  CharUpperBuffW(path.data(), static_cast<DWORD>(path.size()));
  return path;
}

bool Runner::Below(const std::wstring& key, const std::wstring& folder_key) {
  if (folder_key.empty()) return !key.empty();
  return key.size() > folder_key.size() && key[folder_key.size()] == L'\\' &&
         key.compare(0, folder_key.size(), folder_key) == 0;
}

bool Runner::IsOwn(const std::wstring& path) const {
  std::wstring key = Key(path);
  if (own_.count(key)) return true;
  for (const auto& tree : own_trees_) {
    if (key == tree || Below(key, tree)) return true;
  }
  return false;
}

bool Runner::MayChange(const std::wstring& path, int self) const {
  std::wstring key = Key(path);
  if (IsOwn(path)) return true;
  for (int i = 0; i < kSlots; ++i) {
    const Slot& slot = slots_[i];
    if (slot.handle && i != self && !slot.may_write && Key(slot.path) == key) return false;
  }
  return true;
}

bool Runner::MayMove(const std::wstring& path, int self) const {
  if (!MayChange(path, self)) return false;
  std::wstring key = Key(path);
  for (int i = 0; i < kSlots; ++i) {
    const Slot& slot = slots_[i];
    if (!slot.handle || i == self) continue;
    if (Below(Key(slot.path), key) || (slot.directory && Key(slot.path) == key)) return false;
  }
  return true;
}

void Runner::Moved(const std::wstring& path, int self) {
  const std::wstring key = Key(path);
  for (int i = 0; i < kSlots; ++i) {
    const std::wstring slot = Key(slots_[i].path);
    if (i != self && (slot == key || Below(slot, key))) slots_[i].name_is_old = true;
  }
}

bool Runner::SharesChangedFolder(const std::wstring& path, ULONG share) const {
  constexpr ULONG kAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const std::wstring key = Key(path);
  for (const Slot& slot : slots_) {
    if (!slot.directory || Key(slot.path) != key || (share == kAll && slot.share == kAll)) continue;
    for (const std::wstring& own : own_) {
      if (own == key || Below(own, key)) return true;
    }
  }
  return false;
}

bool Runner::MayLookThrough(const std::wstring& path) const {
  for (size_t end = 0; end != std::wstring::npos; end = path.find(L'\\', end + 1)) {
    if (SharesChangedFolder(path.substr(0, end), FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE))
      return false;
  }
  return true;
}

std::wstring Runner::ShortNameOf(const std::wstring& path) const {
  if (!MayLookThrough(path)) return L"";
  WIN32_FIND_DATAW found;
  HANDLE find = FindFirstFileW(Full(path).c_str(), &found);
  if (find == INVALID_HANDLE_VALUE) return L"";
  FindClose(find);
  // Asked by its short name, Wine does not call a name that begins with a dot hidden: docs/nt-compat.md.
  return found.cFileName[0] == L'.' ? L"" : found.cAlternateFileName;
}

std::wstring Runner::Spell(Rng& rng, const std::wstring& path) {
  const uint32_t style = rng.Below(100);
  const bool backslash = rng.OneIn(40);
  uint64_t bits = rng.Next();
  std::wstring out;
  if (style < 55) {
    out = path;
  } else if (style < 88) {
    for (size_t i = 0; i < path.size(); ++i) {
      wchar_t c = path[i];
      if (bits >> (i % 61) & 1)
        CharUpperBuffW(&c, 1);
      else if (bits >> (i % 53 + 7) & 1)
        CharLowerBuffW(&c, 1);
      out += c;
    }
  } else {
    // Short names of the components that have one (of another component than the last, or of all).
    std::wstring done;
    size_t begin = 0;
    while (begin <= path.size() && !path.empty()) {
      size_t end = path.find(L'\\', begin);
      bool last = end == std::wstring::npos;
      std::wstring component = path.substr(begin, last ? end : end - begin);
      done += (done.empty() ? L"" : L"\\") + component;
      std::wstring name = last && (bits & 1) ? L"" : ShortNameOf(done);
      out += (out.empty() ? L"" : L"\\") + (name.empty() ? component : name);
      if (last) break;
      begin = end + 1;
    }
  }
  return backslash ? out + L"\\" : out;
}

std::string Runner::Shown(std::wstring name) const {
  auto upper = [](std::wstring text) {
    CharUpperBuffW(text.data(), static_cast<DWORD>(text.size()));
    return text;
  };
  // The folder itself without its drive: file names by handle begin at the volume.
  std::wstring folder = folder_.substr(2);
  size_t at = upper(name).find(upper(folder));
  if (at != std::wstring::npos) name.replace(at, folder.size(), L"~");
  return Narrow(name);
}

}  // namespace plume::differential
