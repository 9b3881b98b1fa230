// Object names as programs give them to the system: marking is undone exactly, and marks of two VMs never
// meet.
#include <vector>

#include "input.h"
#include "view/object_name.h"

using namespace plume;

namespace {

std::u16string Real(const std::u16string& full, const view::ObjectName& name, const view::ObjectMark& mark) {
  std::u16string out = full;
  return out.insert(name.mark, mark.View());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const view::ObjectMark mine = view::MakeObjectMark(u"mine"),
                                others = view::MakeObjectMark(u"others");
  static constexpr const char16_t* kPlaces[] = {u"",
                                                u"\\Sessions\\1\\BaseNamedObjects\\",
                                                u"\\BaseNamedObjects\\",
                                                u"\\??\\pipe\\",
                                                u"\\Device\\",
                                                u"\\??\\UNC\\",
                                                u"\\??\\GLOBALROOT",
                                                u"\\Sessions\\"};
  fuzz::Input input(data, size);
  const uint8_t choice = input.Byte();
  const uint32_t session = choice >> 6;
  std::u16string full = kPlaces[choice & 7] + input.Rest();
  const view::ObjectName name = view::ParseObjectName(full, session);
  if (name.space == view::ObjectSpace::kOther) return 0;
  fuzz::Require(name.begin <= name.mark && name.mark <= full.size(), "places");
  std::vector<char16_t> room(full.size() + view::kObjectPrefixUnits);
  const size_t n = view::WriteObjectName(full, name, name.mark, room);
  fuzz::Require(n > 0 && n <= room.size(), "canonical form");
  const view::NameRule host[] = {{u"*", view::Mode::kHost}};
  const view::WView canonical(room.data(), n);
  if (name.container) {
    fuzz::Require(view::DecideObject(name, canonical, {}) == view::ObjectAction::kPass, "containers pass");
    return 0;
  }
  const bool marked = view::IsMarked(view::Sub(full, name.begin, name.mark - name.begin));
  fuzz::Require(!marked || view::DecideObject(name, canonical, host) != view::ObjectAction::kPass,
                "marked names never pass");
  if (view::DecideObject(name, canonical, {}) != view::ObjectAction::kMark) return 0;
  const std::u16string real = Real(full, name, mine);
  const view::ObjectName again = view::ParseObjectName(real, session);
  fuzz::Require(again.space == name.space && again.begin == name.begin && again.session == name.session,
                "same place");
  size_t begin = 0;
  fuzz::Require(view::FindOwnMark(real, session, mine, &begin) && begin == name.mark, "found again");
  fuzz::Require(!view::FindOwnMark(real, session, others, &begin), "not another's");
  fuzz::Require(!view::FindOwnMark(Real(full, name, others), session, mine, &begin), "nor the other way");
  return 0;
}
