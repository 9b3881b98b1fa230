// Small text helpers of capture: folded comparison, patterns over names, parts of paths.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace plume::capture {

bool SameFolded(std::u16string_view a, std::u16string_view b);
// `path` is `prefix` or lies below it (by whole components).
bool IsWithin(std::u16string_view path, std::u16string_view prefix);
bool ContainsFolded(std::u16string_view text, std::u16string_view part);
bool EndsWithFolded(std::u16string_view text, std::u16string_view suffix);

// One name against a pattern of '*' (any run), '?' (one unit) and literal text.
bool MatchName(std::u16string_view pattern, std::u16string_view name);
// A path against a pattern, component by component; a component "**" stands for any number of them. True if
// the pattern matches the path or one of its ancestors: what is below a matched name is matched too.
bool MatchPath(std::u16string_view pattern, std::u16string_view path);

std::vector<std::u16string_view> SplitPath(std::u16string_view path);
std::u16string_view LastComponent(std::u16string_view path);  // "c" of "a\b\c"
std::u16string_view ParentPath(std::u16string_view path);     // "a\b" of "a\b\c"; "" of "a"
std::u16string_view Stem(std::u16string_view name);           // "x" of "x.exe"
std::u16string Join(std::u16string_view a,
                    std::u16string_view b);  // with one backslash, none if either is empty

// Folded for use as a map key.
std::u16string Folded(std::u16string_view text);

}  // namespace plume::capture
