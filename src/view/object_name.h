// Names of kernel objects, pipes, mailslots and ports: what a full NT name means, who has it, and how a VM's
// own is told apart from everybody else's. Pure and freestanding.
//
// A private name is a real name with the VM's mark behind its first component (behind the whole of it for
// pipes and mailslots, whose backslashes are ordinary units):
//   \Sessions\1\BaseNamedObjects\Foo       ->  \Sessions\1\BaseNamedObjects\Foo~plume~0123456789abcdef
//   \Sessions\1\BaseNamedObjects\Dir\Foo   ->  \Sessions\1\BaseNamedObjects\Dir~plume~0123456789abcdef\Foo
// A name that carries a mark already, its own or another VM's, is marked again: no name that a guest can
// write leads to an object that another VM, or its own layer, made. The mark is put behind a name, so case
// rules stay the system's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "view/name_rules.h"
#include "view/path.h"

namespace plume::view {

// Canonical forms, as policies and people write them (docs/formats/policy.md).
enum class ObjectSpace : uint8_t {
  kOther,     // no name of this space: drives, devices, keys; passed on
  kLocal,     // Local\x        the session's base named objects
  kGlobal,    // Global\x       the machine's (in session 0 also the session's)
  kSession,   // Session\2\x    another session's
  kPipe,      // Pipe\a\b
  kMailslot,  // Mailslot\a\b
  kPort,      // Port\x         \RPC Control
  kRemote,    // Remote\server\pipe\x   a pipe or mailslot that is reached through the network redirector
  kRoot,      // Root\x         anything else in the object manager's root directory
};

struct ObjectName {
  ObjectSpace space = ObjectSpace::kOther;
  bool container = false;  // the directory itself, e.g. \BaseNamedObjects: nothing in it is named
  uint32_t session = 0;    // kSession
  size_t begin = 0;        // where the name begins in the parsed text ("Foo")
  size_t mark = 0;         // where its mark goes
  // The rest is empty or begins with a backslash.
};

// Parses a full name ("\BaseNamedObjects\x", "\??\pipe\x", ...; any case, the links that every system has are
// followed). `session`: the caller's own.
ObjectName ParseObjectName(WView full, uint32_t session);

// Writes the canonical form of the first `length` units of `full` into `out`; 0 if it does not fit or is
// kOther. REQUIRES name = ParseObjectName(full), name.begin <= length.
size_t WriteObjectName(WView full, const ObjectName& name, size_t length, std::span<char16_t> out);
// Room that WriteObjectName needs besides the text.
inline constexpr size_t kObjectPrefixUnits = 24;

// The mark of one VM.
inline constexpr size_t kObjectMarkUnits = 23;
struct ObjectMark {
  char16_t text[kObjectMarkUnits];
  WView View() const { return WView(text, kObjectMarkUnits); }
};
// `vm_key`: names the VM on the whole machine (the key of its upper layer).
ObjectMark MakeObjectMark(WView vm_key);
// True if `component` ends with a mark, of whatever VM.
bool IsMarked(WView component);
// True if it ends with this one.
bool HasMark(WView component, const ObjectMark& mark);

enum class ObjectAction : uint8_t { kPass, kMark, kRefuse };
// What happens to a name. `rules`: the VM's; `canonical`: WriteObjectName up to name.mark, which alone
// decides: a directory takes what is in it along. `rule` (may be null) gets the rule, null if none matched.
ObjectAction DecideObject(const ObjectName& name, WView canonical, std::span<const NameRule> rules,
                          const NameRule** rule = nullptr);

// A real full name as the guest calls it: if it is one of the VM's own, the place of the mark in it.
// Returns false if nothing is to be cut out.
bool FindOwnMark(WView real, uint32_t session, const ObjectMark& mark, size_t* begin);

// How an entry of a directory looks to a guest. `scratch` needs room for `directory`, `entry` and
// kObjectPrefixUnits, twice.
enum class EntryLook : uint8_t { kAsIs, kWithoutMark, kHidden };
EntryLook LookOfEntry(WView directory, WView entry, uint32_t session, const ObjectMark& mark,
                      std::span<const NameRule> rules, std::span<char16_t> scratch);

// May a symbolic link of a guest lead to `target`, for which DecideObject said `action`? Only to something
// that has a name of its own in this space: a link to a directory full of other people's names would be a way
// around the marks.
bool MayBeLinkTarget(const ObjectName& target, ObjectAction action);

}  // namespace plume::view
