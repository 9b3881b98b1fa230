// Rules for names that form no tree of prefixes: kernel objects, devices, window classes. Pure and
// freestanding.
#pragma once
#include <span>

#include "view/lookup.h"
#include "view/path.h"

namespace plume::view {

// Patterns: "*" any run of units, backslashes included, "?" one unit; compared folded. Text lives with the
// view.
struct NameRule {
  WView pattern;
  Mode mode = Mode::kPrivate;
};

bool MatchesNamePattern(WView name, WView pattern);

// The first rule that matches; null if none does (private).
const NameRule* FindNameRule(std::span<const NameRule> rules, WView name);

inline Mode NameMode(std::span<const NameRule> rules, WView name) {
  const NameRule* r = FindNameRule(rules, name);
  return r ? r->mode : Mode::kPrivate;
}

}  // namespace plume::view
