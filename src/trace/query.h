// What people ask of a trace: a choice of calls, lines to read, JSON, a summary. Pure.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "trace/reader.h"

namespace plume::trace {

// Everything that is given must hold.
struct Filter {
  std::string call;     // "NtOpenFile", or a pattern: "NtOpen*"
  std::string path;     // pattern for the virtual or the real name; without * and ?: a part of it
  std::string process;  // process id, or a pattern for the program's file name
  std::optional<Space> space;
  std::optional<Layer> layer;
  std::string status;  // "", "ok", "failed", or a status: "c0000034"

  // kInvalid, naming the word that is not known.
  static Result<Space> SpaceFromName(std::string_view text);
  static Result<Layer> LayerFromName(std::string_view text);
  static Result<std::string> StatusFromText(std::string_view text);

  bool Matches(const Call& call) const;
};

// "*" any run, "?" one unit; upper and lower case are the same.
bool MatchesText(std::string_view text, std::string_view pattern);

// "  0.001234  240 a.exe  NtOpenFile  image  ok  C:\x = \??\...  [policy.toml:4]"
std::string Line(const Call& call);
std::string JsonLine(const Call& call);  // one object, without a line end
std::string StatusText(uint32_t status);
std::string_view FileName(std::string_view path);

// Counts while calls pass by.
class Summary {
 public:
  void Add(const Call& call);
  uint64_t calls() const { return calls_; }
  size_t processes() const { return processes_.size(); }
  std::string Text() const;
  std::string Json() const;

 private:
  struct Count {
    uint64_t calls = 0, failed = 0, duration = 0;
  };
  struct Process {
    std::string exe;
    uint32_t pid = 0;
    Count count;
  };
  static void Add(Count& count, const Call& call);

  uint64_t calls_ = 0, first_ = UINT64_MAX, last_ = 0;
  Count all_;
  std::map<std::string, Count, std::less<>> by_call_, by_name_, by_rule_;
  std::map<uint32_t, Process> processes_;
  Count by_space_[kSpaces], by_layer_[kLayers];
};

}  // namespace plume::trace
