// The file differential test, guest side: seeded random sequences of file operations and a canonical
// transcript. A sequence is a pure function of its seed; an operation's parameters are a pure function of
// (seed, index), so that operations can be left out (--only) without changing the others. Everything printed
// is the same in every place where files behave alike: no ids, no allocation sizes, and times only where the
// test itself set them.
#pragma once
#include <windows.h>
#include <winternl.h>

#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

namespace plume::differential {

// SplitMix64: tiny, seedable from (seed, index).
class Rng {
 public:
  Rng(uint64_t seed, uint64_t stream)
      : state_(seed * 0x9e3779b97f4a7c15ull ^ (stream + 1) * 0xd1342543de82ef95ull) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(Next() % n); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  template <typename T, size_t N>
  const T& Pick(const T (&list)[N]) {
    return list[Below(N)];
  }

 private:
  uint64_t state_;
};

uint64_t HashBytes(const void* data, size_t size);
// Bytes of a test file: a pure function of the key.
std::vector<uint8_t> MakeData(uint64_t key, size_t size);
// The k-th time of the test, as FILETIME: well in the past, so that "now" never looks like one.
int64_t TestTime(uint32_t k);
// "t17" style text for a test time, "*" for any other.
std::string TimeText(int64_t time);
std::string Narrow(const std::wstring& text);

// The names of one sequence. All paths are relative to the sequence's folder, without a leading backslash.
struct Pool {
  explicit Pool(uint64_t seed);
  struct Item {
    std::wstring path;
    bool directory;
    uint32_t size, attributes, time;
  };
  std::vector<Item> initial;  // parents first
  std::vector<std::wstring> directories;
  std::vector<std::wstring> names;       // last components used by new names
  std::wstring AnyPath(Rng& rng) const;  // an initial path, a new name, or nonsense
  std::wstring AnyDirectory(Rng& rng) const;
  bool IsInitial(const std::wstring& path) const;
  bool IsFolder(const std::wstring& path) const;
  std::wstring AnyFile(Rng& rng) const;  // an initial file, sometimes a new name
};

// Makes the initial tree of `seed` below `folder` (an absolute Win32 path). False on any error.
bool Populate(uint64_t seed, const std::wstring& folder);
// Prints the whole tree below `folder`.
void Dump(const std::wstring& folder, FILE* out);
// Runs the operations from..to-1 (only those in `only`, if not empty) and prints one line for each.
void RunSequence(uint64_t seed, const std::wstring& folder, int from, int to, const std::set<int>& only,
                 FILE* out);

}  // namespace plume::differential
