#include "cli/launcher/direct_arguments.h"

#include <algorithm>

namespace plume::launcher {
namespace {

struct Option {
  const char* name;
  std::string DirectStart::*text;               // takes a value, once
  std::vector<std::string> DirectStart::*list;  // takes one, may be repeated
  bool DirectStart::*flag;
  bool of_run, of_vm_run;
};
const Option kOptions[] = {
    {"--vm", &DirectStart::vm, nullptr, nullptr, true, false},
    {"--entry", &DirectStart::entry, nullptr, nullptr, true, false},
    {"--program", &DirectStart::program, nullptr, nullptr, true, false},
    {"--cwd", &DirectStart::cwd, nullptr, nullptr, true, true},
    {"--env", nullptr, &DirectStart::environment, nullptr, true, true},
    {"--image", nullptr, &DirectStart::images, nullptr, false, true},
    {"--rm", nullptr, nullptr, &DirectStart::remove, true, true},
    {"--offline", nullptr, nullptr, &DirectStart::offline, true, false},
};

}  // namespace

std::optional<DirectStart> ReadDirectStart(const std::vector<std::string>& arguments) {
  DirectStart out;
  auto at = arguments.begin();
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (at == dashes) return std::nullopt;
  if (*at == "vm" && ++at == dashes) return std::nullopt;
  out.application = at == arguments.begin();
  if (*at++ != "run") return std::nullopt;
  std::vector<std::string> words;
  for (; at != dashes; ++at) {
    if (at->empty() || at->front() != '-') {
      words.push_back(*at);
      continue;
    }
    const auto option = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const Option& o) {
      return *at == o.name && (out.application ? o.of_run : o.of_vm_run);
    });
    if (option == std::end(kOptions)) return std::nullopt;  // "--cwd=X", too
    if (option->flag != nullptr) {
      out.*option->flag = true;
      continue;
    }
    if (++at == dashes || at->empty() || at->front() == '-') return std::nullopt;
    if (option->list != nullptr) {
      (out.*option->list).push_back(*at);
    } else {
      if (!(out.*option->text).empty()) return std::nullopt;
      out.*option->text = *at;
    }
  }
  if (words.empty() || words.front().empty()) return std::nullopt;
  out.name = words.front();
  out.arguments.assign(words.begin() + 1, words.end());
  if (dashes != arguments.end()) out.arguments.insert(out.arguments.end(), dashes + 1, arguments.end());
  if (!out.application) {
    if (out.arguments.empty() || out.arguments.front().empty()) return std::nullopt;
    out.program = out.arguments.front();
    out.arguments.erase(out.arguments.begin());
  }
  return out;
}

}  // namespace plume::launcher
