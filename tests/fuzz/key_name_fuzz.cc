// Registry names as programs give them to the system.
#include <vector>

#include "canonical.h"
#include "input.h"
#include "view/path.h"

using namespace plume;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t choice = input.Byte();
  std::vector<char16_t> storage((choice & 1) != 0 ? input.Number() : view::kMaxPathUnits);
  std::u16string text = input.Rest();
  if ((choice & 2) != 0) text.insert(0, u"\\Registry\\User\\");
  const size_t cut = text.find(u'\0');
  view::VPath path;
  const view::NameKind kind = view::ParseKeyName(text.substr(0, cut), storage, &path);
  if (kind != view::NameKind::kKeyPath) return 0;
  fuzz::CheckCanonical(path, kind);
  if (cut == text.npos) return 0;
  std::vector<char16_t> longer(view::kMaxPathUnits);
  view::VPath child;
  if (view::ParseRelative(path, text.substr(cut + 1), longer, &child) != kind) return 0;
  fuzz::CheckCanonical(child, kind);
  fuzz::Require(view::HasPrefix(child, path.text), "relative names stay below");
  return 0;
}
