// The state of a running sequence, and which operation is next.
#include "file_ops_run.h"

namespace plume::differential {

void RunSequence(uint64_t seed, const std::wstring& folder, int ops, const std::set<int>& only, FILE* out) {
  Runner runner(seed, folder, out);
  for (int i = 0; i < ops; ++i) {
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
  if (in(30)) Create(rng, false);
  else if (in(6)) Create(rng, true);
  else if (in(6)) Read(rng);
  else if (in(8)) Write(rng);
  else if (in(3)) SetEnd(rng);
  else if (in(8)) QueryInformation(rng);
  else if (in(5)) SetBasic(rng);
  else if (in(5)) Disposition(rng);
  else if (in(8)) RenameOrLink(rng, false);
  else if (in(3)) RenameOrLink(rng, true);
  else if (in(7)) Close(rng);
  else if (in(3)) Section(rng);
  else if (in(2)) ObjectName(rng);
  else if (in(6)) QueryDirectory(rng);
  else if (in(5)) QueryAttributes(rng);
  else if (in(2)) DeleteByName(rng);
  else if (in(9)) Win32(rng);
  else Enumerate(rng);
  std::fputc('\n', out_);
}

int Runner::Used(Rng& rng) const {
  int i = static_cast<int>(rng.Below(kSlots));
  for (int k = 0; k < kSlots && !slots_[i].handle; ++k) i = (i + 1) % kSlots;
  return i;
}

int Runner::UsedFolder(Rng& rng) const {
  int i = static_cast<int>(rng.Below(kSlots));
  for (int k = 0; k < kSlots && !slots_[i].directory; ++k) i = (i + 1) % kSlots;
  return i;
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

std::wstring Runner::ShortNameOf(const std::wstring& path) const {
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
      if (bits >> (i % 61) & 1) CharUpperBuffW(&c, 1);
      else if (bits >> (i % 53 + 7) & 1) CharLowerBuffW(&c, 1);
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
