// File names as programs give them to the system: any text, absolute and relative.
#include <vector>

#include "canonical.h"
#include "input.h"
#include "view/path.h"

using namespace plume;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t choice = input.Byte();
  std::vector<char16_t> storage((choice & 1) != 0 ? input.Number() : view::kMaxPathUnits);
  static constexpr view::NameTable::Volume kVolumes[] = {{u"\\Device\\HarddiskVolume1", u'C'},
                                                         {u"\\??\\Volume{1}", u'D'}};
  const view::NameTable table = {u"C:\\windows", kVolumes};
  // One relative name below what the absolute one gave, separated by a NUL.
  const std::u16string text = input.Rest();
  const size_t cut = (choice & 2) != 0 ? text.find(u'\0') : text.npos;
  view::VPath path;
  const view::NameKind kind = view::ParseFileName(text.substr(0, cut), table, storage, &path);
  if (kind != view::NameKind::kDrivePath) return 0;
  fuzz::CheckCanonical(path, kind);
  if (cut == text.npos) return 0;
  std::vector<char16_t> longer(view::kMaxPathUnits);
  view::VPath child;
  if (view::ParseRelative(path, text.substr(cut + 1), longer, &child) != view::NameKind::kDrivePath) return 0;
  fuzz::CheckCanonical(child, view::NameKind::kDrivePath);
  fuzz::Require(view::HasPrefix(child, path.text), "relative names stay below");
  return 0;
}
