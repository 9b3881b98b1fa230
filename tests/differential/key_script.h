// One differential sequence: operations drawn from a seed, run with NT calls, written down as transcript
// lines.
#pragma once
#include <array>
#include <set>
#include <string>

#include "key_nt.h"
#include "key_population.h"

namespace plume::difftest {

// Runs the sequence `seed` below the key `root` (absolute NT name). Every operation draws from a generator of
// its own (seed and number), so a dropped operation does not change the others: that is what makes sequences
// shrinkable.
class KeyScript {
 public:
  KeyScript(std::u16string root, uint64_t seed, std::string* out)
      : root_(std::move(root)), seed_(seed), out_(out) {}
  ~KeyScript();
  void Run(int operations, const std::set<int>& dropped);

 private:
  static constexpr int kSlots = 8;
  struct Slot {
    HANDLE handle = nullptr;
    HANDLE event = nullptr;  // of a notification asked for on this handle
    IO_STATUS_BLOCK iosb = {};
  };
  struct Target {
    HANDLE root;
    std::u16string name;
    std::string shown;
    ULONG attributes;
  };

  void Step(int number);
  Target PickTarget(Random& random, bool create);
  int PickSlot(Random& random);
  void Put(int slot, HANDLE handle);
  void Say(const std::string& line);
  void SayBytes(const std::string& what, NTSTATUS status, const uint8_t* data, ULONG given, ULONG returned,
                int time_at);

  void Open(Random& random);
  void Create(Random& random);
  void SetValue(Random& random);
  void SetLink(Random& random);
  void QueryValue(Random& random);
  void EnumerateKey(Random& random);
  void EnumerateValue(Random& random);
  void QueryKey(Random& random);
  void ListKeys(Random& random);
  void Rename(Random& random);
  bool RenameIsSafe(int slot, const std::u16string& to);
  void Notify(Random& random);
  void Poll(Random& random);
  void Duplicate(Random& random);
  void ObjectName(Random& random);

  std::u16string root_;
  uint64_t seed_;
  std::string* out_;
  int number_ = 0;
  std::array<Slot, kSlots> slots_;
};

// Writes the tree below `name` down: names, classes, values, optionally last-write times. Returns the number
// of keys.
int DumpTree(const std::u16string& name, bool times, std::string* out);

}  // namespace plume::difftest
