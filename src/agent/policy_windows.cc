#include "agent/policy_windows.h"

#include "view/name_rules.h"
#include "view/system_windows.h"

namespace plume::agent {

using view::Mode;

void AddSystemWindowRules(std::vector<PolicyNameRule>* rules) {
  for (const view::SystemWindow& w : view::kSystemWindows)
    rules->push_back({std::u16string(w.window_class), Mode::kMerge, std::string("system: ") + w.why});
}

const char* WindowModeName(Mode mode) { return mode == Mode::kMerge ? "seen" : ModeName(mode); }

const PolicyNameRule* FindWindowRule(const Policy& complete, std::u16string_view window_class) {
  for (const PolicyNameRule& rule : complete.windows)
    if (view::MatchesNamePattern(window_class, rule.pattern)) return &rule;
  return nullptr;
}

}  // namespace plume::agent
