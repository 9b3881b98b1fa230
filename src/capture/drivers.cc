#include "capture/drivers.h"

#include <algorithm>

#include "base/utf16.h"
#include "capture/text.h"
#include "catalog/keys.h"

namespace plume::capture {
namespace {

constexpr uint8_t kDriverTypes = 1 | 2 | 8;  // kernel, file system, recogniser

bool IsDriverFile(const image::FileItem& item) {
  return !item.directory && item.root == "C" && EndsWithFolded(item.path, u".sys") &&
         IsWithin(item.path, u"Windows\\System32");
}

bool IsDriverService(const image::KeyItem& key) {
  if (key.root != "M" || SplitPath(key.path).size() != 4 ||
      !MatchPath(u"System\\*ControlSet*\\Services\\*", key.path))
    return false;
  return std::any_of(key.values.begin(), key.values.end(), [](const image::ValueItem& value) {
    return SameFolded(value.name, u"Type") && value.type == catalog::kRegDword && !value.data.empty() &&
           (value.data[0] & kDriverTypes) != 0;
  });
}

}  // namespace

std::vector<std::string> FindDrivers(const image::Content& content) {
  std::vector<std::string> out;
  for (const image::KeyItem& key : content.keys) {
    if (IsDriverService(key)) out.push_back(ToUtf8(LastComponent(key.path)));
  }
  for (const image::FileItem& item : content.files) {
    if (IsDriverFile(item)) out.push_back("C:\\" + ToUtf8(item.path));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void DropDrivers(image::Content* content) {
  std::vector<std::u16string> services;
  for (const image::KeyItem& key : content->keys) {
    if (IsDriverService(key)) services.push_back(key.path);
  }
  std::erase_if(content->files, IsDriverFile);
  std::erase_if(content->keys, [&](const image::KeyItem& key) {
    return key.root == "M" && std::any_of(services.begin(), services.end(),
                                          [&](const std::u16string& s) { return IsWithin(key.path, s); });
  });
}

}  // namespace plume::capture
