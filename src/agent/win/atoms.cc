#include "agent/win/atoms.h"

#include <windows.h>

#include <string_view>

#include "agent/text.h"
#include "view/atom_mark.h"

namespace plume::agent {
namespace {

constexpr UINT kFirst = 0xc000, kLast = 0xffff, kMaxAtomUnits = 255, kMaxReferences = 0xffff;
// The system gives the lowest number that is free: so many in a row that nobody has are the end.
constexpr UINT kGap = 1024;

std::u16string MarkOf(const std::u16string& id) { return view::kAtomMark + id + view::kAtomMark; }

// Each program that added it may have a reference.
void Remove(ATOM atom, const std::u16string& name) {
  for (UINT i = 0; i < kMaxReferences && GlobalFindAtomW(Wide(name).c_str()) == atom; ++i)
    GlobalDeleteAtom(atom);
}

}  // namespace

void RemoveAtoms(const std::set<std::u16string>& vm_ids) {
  std::set<std::u16string> marks;
  for (const std::u16string& id : vm_ids)
    if (const std::u16string mark = MarkOf(id); GlobalFindAtomW(Wide(mark).c_str())) marks.insert(mark);
  if (marks.empty()) return;
  for (UINT atom = kFirst, free = 0; atom <= kLast && free < kGap; ++atom) {
    wchar_t text[kMaxAtomUnits + 1];
    const UINT units = GlobalGetAtomNameW(static_cast<ATOM>(atom), text, kMaxAtomUnits + 1);
    const std::u16string name(text, text + units);
    free = name.empty() ? free + 1 : 0;
    if (name.empty() || name[0] != view::kAtomMark) continue;
    const size_t end = name.find(view::kAtomMark, 1);
    // The marks themselves last, so that what is left after a crash is found again.
    if (end != name.npos && end + 1 < name.size() && marks.contains(name.substr(0, end + 1)))
      Remove(static_cast<ATOM>(atom), name);
  }
  for (const std::u16string& mark : marks) Remove(GlobalFindAtomW(Wide(mark).c_str()), mark);
}

}  // namespace plume::agent
