#include "capture/product.h"

#include "base/upcase.h"
#include "base/utf16.h"
#include "capture/environment.h"
#include "capture/rules.h"
#include "capture/text.h"

namespace plume::capture {
namespace {

std::u16string Text(const image::KeyItem& key, std::u16string_view name) {
  for (const auto& value : key.values) {
    if (SameFolded(value.name, name)) return ValueText(value);
  }
  return {};
}

bool IsSet(const image::KeyItem& key, std::u16string_view name) {
  for (const auto& value : key.values) {
    if (!SameFolded(value.name, name)) continue;
    for (const uint8_t byte : value.data) {
      if (byte != 0) return true;
    }
  }
  return false;
}

}  // namespace

std::u16string Letters(std::u16string_view text) {
  std::u16string out;
  for (const char16_t c : text) {
    const char16_t up = NtUpcase(c);
    if ((up >= u'0' && up <= u'9') || (up >= u'A' && up <= u'Z') || up >= 0xC0) out.push_back(up);
  }
  return out;
}

std::u16string ProgramOfCommand(std::u16string_view command) {
  while (!command.empty() && command.front() == u' ') command.remove_prefix(1);
  if (command.empty()) return {};
  if (command.front() == u'"') {
    const size_t end = command.find(u'"', 1);
    return std::u16string(command.substr(1, end == std::u16string_view::npos ? end : end - 1));
  }
  for (size_t i = 0; i + 4 <= command.size(); ++i) {
    if (SameFolded(command.substr(i, 4), u".exe") && (i + 4 == command.size() || command[i + 4] == u' ')) {
      return std::u16string(command.substr(0, i + 4));
    }
  }
  return std::u16string(command.substr(0, command.find(u' ')));
}

Product FindProduct(const std::vector<image::KeyItem>& keys, std::string_view image_name) {
  Product best;
  int best_score = -1;
  const std::u16string wanted = Letters(FromUtf8Lossy(image_name));
  std::vector<std::u16string> uninstallers;
  for (const auto& key : keys) {
    if (!IsUninstallKey(key.path)) continue;
    for (const auto name : {u"UninstallString", u"QuietUninstallString"}) {
      const std::u16string program = ProgramOfCommand(Text(key, name));
      if (!program.empty()) uninstallers.push_back(program);
    }
    Product product;
    product.display_name = Text(key, u"DisplayName");
    if (product.display_name.empty()) continue;
    product.version = Text(key, u"DisplayVersion");
    product.publisher = Text(key, u"Publisher");
    product.icon = Text(key, u"DisplayIcon");
    product.location = Text(key, u"InstallLocation");
    if (const size_t comma = product.icon.rfind(u','); comma != std::u16string::npos)
      product.icon.resize(comma);
    std::erase(product.icon, u'"');
    std::erase(product.location, u'"');
    // Parts of a suite and patches register too, marked as parts.
    int score = IsSet(key, u"SystemComponent") || !Text(key, u"ParentKeyName").empty() ? 0 : 10;
    const std::u16string letters = Letters(product.display_name);
    if (!wanted.empty() && letters.find(wanted) != std::u16string::npos) score += 5;
    if (!wanted.empty() && letters == wanted) score += 5;
    if (score > best_score) {
      best_score = score;
      best = std::move(product);
    }
  }
  best.uninstallers = std::move(uninstallers);
  return best;
}

}  // namespace plume::capture
