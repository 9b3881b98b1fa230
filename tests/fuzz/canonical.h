// What must hold for every path a parser accepted.
#pragma once
#include <vector>

#include "input.h"
#include "view/path.h"

namespace plume::fuzz {

inline void CheckCanonical(const view::VPath& path, view::NameKind kind) {
  Require(!path.text.empty() && path.text.size() <= view::kMaxPathUnits, "length");
  Require(path.depth <= view::kMaxDepth, "depth");
  Require(path.end[path.depth] == path.text.size(), "last end");
  uint64_t hash = view::HashRoot(path.Prefix(0));
  Require(hash == path.hash[0], "hash of the root");
  for (int i = 1; i <= path.depth; ++i) {
    Require(path.end[i] > path.end[i - 1] + 1 && path.text[path.end[i - 1]] == u'\\', "components");
    const view::WView name = view::Sub(path.text, path.end[i - 1] + 1u, path.end[i] - path.end[i - 1] - 1u);
    hash = view::HashAppend(hash, name);
    Require(hash == path.hash[i], "hash");
    Require(kind != view::NameKind::kDrivePath || view::IsLegalFileName(name), "legal name");
    Require(view::HasPrefix(path, path.Prefix(i)), "prefix");
  }
  Require(hash == view::HashRoot(path.text), "hash of the whole text");
  std::vector<char16_t> storage(path.text.size());
  view::VPath again;
  Require(view::ParseCanonical(path.text, storage, &again) == kind, "canonical text parses again");
  Require(again.text == path.text && again.depth == path.depth, "and is the same");
}

}  // namespace plume::fuzz
