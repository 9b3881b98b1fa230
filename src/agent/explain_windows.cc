#include "agent/explain_windows.h"

#include "agent/policy_windows.h"
#include "agent/text.h"
#include "view/name_rules.h"

namespace plume::agent {
namespace {

constexpr std::u16string_view kWindow = u"Window\\", kClipboard = u"Clipboard";

Json ExplainClass(const wire::View& view, const std::string& text, std::u16string_view window_class) {
  view::Mode mode = view::Mode::kPrivate;
  std::string rule = "none: windows outside the VM do not exist for it";
  if (const auto* rows = view.window_rules()) {
    for (const wire::NameRule* r : *rows) {
      const std::u16string pattern(r->pattern()->begin(), r->pattern()->end());
      if (!view::MatchesNamePattern(window_class, pattern)) continue;
      mode = static_cast<view::Mode>(r->mode() & 3);
      rule = r->origin() ? r->origin()->str() : "";
      break;
    }
  }
  return Json{{"path", text}, {"space", "window"}, {"mode", WindowModeName(mode)}, {"rule", rule}};
}

Json ExplainClipboard(const wire::View& view, const std::string& text) {
  static constexpr const char* kModes[] = {"isolated", "to-host", "from-host", "shared"};
  const wire::Clipboard* c = view.clipboard();
  std::string crosses;
  if (c && c->mode() != 0) {
    if (c->formats())
      for (const auto* f : *c->formats()) crosses += (crosses.empty() ? "" : ", ") + f->str();
    crosses = (crosses.empty() ? "every format" : crosses) + std::string(" may cross");
    if (c->max_bytes()) crosses += ", up to " + std::to_string(c->max_bytes()) + " bytes";
  }
  return Json{{"path", text},
              {"space", "clipboard"},
              {"mode", kModes[c ? c->mode() & 3 : 0]},
              {"rule", crosses.empty() ? "the VM has a clipboard of its own, nothing crosses" : crosses}};
}

}  // namespace

bool IsWindowText(std::u16string_view text) {
  return view::EqualFolded(text, kClipboard) ||
         (text.size() > kWindow.size() && view::EqualFolded(text.substr(0, kWindow.size()), kWindow));
}

std::optional<Json> ExplainWindow(const wire::View& view, const std::string& text) {
  const std::u16string wanted = ToUtf16(text);
  if (!IsWindowText(wanted)) return std::nullopt;
  if (view::EqualFolded(wanted, kClipboard)) return ExplainClipboard(view, text);
  return ExplainClass(view, text, std::u16string_view(wanted).substr(kWindow.size()));
}

}  // namespace plume::agent
