// What the user sees: text and JSON on stdout, messages and progress on stderr, all UTF-8. Windows.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/control.h"
#include "base/result.h"

namespace plume::cli {

void PrepareOutput();               // binary streams; once, at start
void Print(std::string_view text);  // stdout
void PrintLine(std::string_view text);
void PrintJson(const agent::Json& json);
void Warn(std::string_view text);  // "plume: ..." on stderr
int Fail(const Error& error);      // the one line of a failure; returns 125
void FlushOutput();

// Columns, each as wide as its widest cell.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string SizeText(uint64_t bytes);                             // "12.3 MB"
std::string TimeText(int64_t filetime);                           // "2026-01-31 12:00:00"
std::string Field(const agent::Json& json, const char* name);     // "" if missing
uint64_t NumberField(const agent::Json& json, const char* name);  // 0 if missing

// A bar on a terminal, once something takes more than a second; elsewhere a plain line every few seconds,
// where there is something to count. Main thread only.
class ProgressDisplay {
 public:
  ProgressDisplay();
  ~ProgressDisplay();
  void Show(const agent::Progress& progress);

 private:
  const bool terminal_;
  uint64_t begin_, last_ = 0;
  std::string what_;
};

}  // namespace plume::cli
