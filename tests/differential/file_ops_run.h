// State and helpers shared by the operations.
#pragma once
#include <string>

#include "file_ops.h"
#include "file_ops_nt.h"

namespace plume::differential {

// A handle kept over several operations.
struct Slot {
  HANDLE handle = nullptr;
  std::wstring path;  // relative to the sequence's folder, long names
  bool directory = false;
  ACCESS_MASK access = 0;
  ULONG share = 0;
  bool may_write = false;    // opened so that a copy-on-write system has its own copy of the file
  bool name_is_old = false;  // the file was moved by another handle since
  bool looked_into = false;  // a folder that Wine has read through this handle to see whether it is empty
};

class Runner {
 public:
  Runner(uint64_t seed, std::wstring folder, FILE* out)
      : seed_(seed), folder_(std::move(folder)), pool_(seed), out_(out) {}
  ~Runner();
  void Run(int index);
  void CloseAll();

 private:
  static constexpr int kSlots = 4;
  enum class Want { kAny, kRead, kWrite, kAttributes, kDelete, kFolder };  // what a handle is wanted for
  struct Opening {
    ACCESS_MASK access;
    ULONG share, disposition, attributes, options;
  };

  // Operations by handle.
  void Create(Rng& rng, bool relative);
  void Read(Rng& rng);
  void Write(Rng& rng);
  void SetEnd(Rng& rng);
  void QueryInformation(Rng& rng);
  void SetBasic(Rng& rng);
  void Disposition(Rng& rng);
  void RenameOrLink(Rng& rng, bool link);
  void Close(Rng& rng);
  void Section(Rng& rng);
  void ObjectName(Rng& rng);
  void QueryDirectory(Rng& rng);
  // Operations by name.
  void QueryAttributes(Rng& rng);
  void DeleteByName(Rng& rng);
  void Win32(Rng& rng);
  void Enumerate(Rng& rng);

  std::wstring Full(const std::wstring& path) const {
    return path.empty() ? folder_ : folder_ + L"\\" + path;
  }
  std::wstring Nt(const std::wstring& path) const { return L"\\??\\" + Full(path); }
  // Another spelling of the same path: other case, short names, sometimes a trailing backslash.
  std::wstring Spell(Rng& rng, const std::wstring& path);
  std::wstring ShortNameOf(const std::wstring& path) const;
  // A name given by the system, with the sequence's folder replaced by "~".
  std::string Shown(std::wstring name) const;

  // Copy-on-write systems keep showing the old contents through a handle that was opened for reading before
  // somebody else's first write. Sequences that would show it are avoided: such an operation is left out,
  // bare and in a VM.
  bool IsOwn(const std::wstring& path) const;  // certainly no longer the initial file
  bool MayChange(const std::wstring& path, int self = -1) const;
  bool MayMove(const std::wstring& path, int self = -1) const;
  // Handles of a folder from before and after the first change below it do not see each other's sharing.
  bool SharesChangedFolder(const std::wstring& path, ULONG share) const;
  // May the folders on the way to `path` be listed, as far as that goes?
  bool MayLookThrough(const std::wstring& path) const;
  // Can what a slot shows be read, through it or in spite of it?
  static bool MayBeRead(const Slot& slot);
  void Changed(const std::wstring& path) { own_.insert(Key(path)); }
  // What was `path` has another name now; `self` knows it.
  void Moved(const std::wstring& path, int self = -1);
  static std::wstring Key(std::wstring path);
  static bool Below(const std::wstring& key, const std::wstring& folder_key);

  // A random slot, preferably one in use.
  int Used(Rng& rng) const;
  // A slot for an operation that wants such a handle: mostly one that fits (opened first if there is none, so
  // that the operation does something), sometimes any. Its choices do not depend on those of the operation
  // itself. Never `not_this`.
  int SlotFor(Want want, int not_this = -1);
  static bool Fits(const Slot& slot, Want want);
  // Opens `name` (of `path`) into a slot and prints the status; false: not open, or not to be kept.
  bool OpenInto(int slot, const std::wstring& path, const std::wstring& name, HANDLE root,
                const Opening& opening, bool keep);
  // `path` if it lies in the folder of a slot, else something that does, and its name relative to that
  // folder.
  std::wstring PathBelow(Rng& rng, const Slot& folder, const std::wstring& path, std::wstring* name) const;
  void CloseSlot(int i);
  uint64_t DataKey() const { return seed_ * 1000 + static_cast<uint64_t>(index_); }

  uint64_t seed_;
  std::wstring folder_;
  Pool pool_;
  FILE* out_;
  int index_ = 0;
  Slot slots_[kSlots];
  std::set<std::wstring> own_, own_trees_;
};

}  // namespace plume::differential
