// A guest's environment: the caller's, then the image's, then what was asked for on the command line. Pure.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/content.h"

namespace plume::agent {

// Names compare by NT's upcase rules, as the system does; the first spelling is kept.
class Environment {
 public:
  // A block of zero-terminated "NAME=VALUE" ending with an empty one; hidden "=C:=..." entries are kept.
  static Environment FromBlock(const char16_t* block);

  const std::u16string* Find(std::u16string_view name) const;
  void Set(std::u16string_view name, std::u16string_view value);
  void Remove(std::u16string_view name);
  // Applies an image's variable: a joined one is put before the local value, items already there are dropped.
  // %NAME% in the value is expanded from this environment and from `variables` first.
  void Apply(const image::EnvVar& variable,
             const std::vector<std::pair<std::u16string, std::u16string>>& variables);
  // Replaces %NAME%; unknown names stay as written.
  std::u16string Expand(std::u16string_view text,
                        const std::vector<std::pair<std::u16string, std::u16string>>& variables) const;
  // Sorted as CreateProcess wants it, with both terminating zeros.
  std::u16string Block() const;

 private:
  struct Variable {
    std::u16string name, value;
  };
  std::vector<Variable> variables_;
};

}  // namespace plume::agent
