#include "cli/terminal.h"

#include <fcntl.h>
#include <io.h>
#include <windows.h>

#include <algorithm>
#include <cstdio>

#include "agent/text.h"
#include "fmt/format.h"

namespace plume::cli {
namespace {

bool IsConsole(DWORD which) {
  DWORD mode = 0;
  return GetConsoleMode(GetStdHandle(which), &mode) != 0;
}

void Write(DWORD which, FILE* stream, std::string_view text) {
  if (IsConsole(which)) {
    // A console shows UTF-16 whatever its code page is.
    const std::wstring wide = agent::Wide(agent::ToUtf16(text));
    DWORD written = 0;
    for (size_t at = 0; at < wide.size(); at += 8192) {
      WriteConsoleW(GetStdHandle(which), wide.data() + at,
                    static_cast<DWORD>(std::min<size_t>(8192, wide.size() - at)), &written, nullptr);
    }
    return;
  }
  fwrite(text.data(), 1, text.size(), stream);
}

bool g_bar_drawn = false;  // on the last line of the terminal; whatever is written next takes its place

void ClearBar() {
  if (g_bar_drawn) Write(STD_ERROR_HANDLE, stderr, "\r" + std::string(78, ' ') + "\r");
  g_bar_drawn = false;
}

}  // namespace

void PrepareOutput() {
  _setmode(_fileno(stdout), _O_BINARY);
  _setmode(_fileno(stderr), _O_BINARY);
}

void Print(std::string_view text) {
  ClearBar();
  Write(STD_OUTPUT_HANDLE, stdout, text);
}
void PrintLine(std::string_view text) { Print(std::string(text) + "\n"); }
void PrintJson(const agent::Json& json) {
  PrintLine(json.dump(2, ' ', false, agent::Json::error_handler_t::replace));
}

void Warn(std::string_view text) {
  ClearBar();
  FlushOutput();
  std::string line = "plume: ";
  // One line, whatever the message came from.
  for (const char c : text) line += c == '\n' || c == '\r' ? ' ' : c;
  Write(STD_ERROR_HANDLE, stderr, line + "\n");
}

int Fail(const Error& error) {
  // "adding 'x': asking http://...: refused" names WHAT and WHY already; only the word is missing.
  std::string text = error.message;
  if (text.find(" failed") == std::string::npos) {
    const size_t colon = text.find(": ");
    if (colon == std::string::npos)
      text = "running the command failed: " + text;
    else
      text.insert(colon, " failed");
  }
  Warn(text);
  return 125;
}

void FlushOutput() {
  fflush(stdout);
  fflush(stderr);
}

void Table::Print() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    PrintLine(line);
  }
}

std::string SizeText(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1000 && unit < 4; ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string TimeText(int64_t filetime) {
  FILETIME utc = {static_cast<DWORD>(filetime & 0xffffffff), static_cast<DWORD>(filetime >> 32)};
  FILETIME local = {};
  SYSTEMTIME t = {};
  if (!FileTimeToLocalFileTime(&utc, &local) || !FileTimeToSystemTime(&local, &t)) return "?";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.wYear, t.wMonth, t.wDay, t.wHour, t.wMinute,
                     t.wSecond);
}

std::string Field(const agent::Json& json, const char* name) { return agent::OptionalString(json, name); }

uint64_t NumberField(const agent::Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_number() ? it->get<uint64_t>() : 0;
}

ProgressDisplay::ProgressDisplay() : terminal_(IsConsole(STD_ERROR_HANDLE)), begin_(GetTickCount64()) {}

ProgressDisplay::~ProgressDisplay() { ClearBar(); }

void ProgressDisplay::Show(const agent::Progress& p) {
  const uint64_t now = GetTickCount64();
  if (now - begin_ < 1000) return;
  if (!terminal_) {
    if (p.total == 0 || (p.what == what_ && now - last_ < 5000)) return;
    what_ = p.what;
    last_ = now;
    Warn(fmt::format("{}: {} of {}", p.what, p.done, p.total));
    return;
  }
  if (now - last_ < 100) return;
  last_ = now;
  std::string line = p.what.substr(0, 36);
  if (p.total > 0) {
    constexpr size_t kWidth = 28;
    const double part = std::min(1.0, static_cast<double>(p.done) / static_cast<double>(p.total));
    const size_t full = static_cast<size_t>(part * kWidth);
    line += " [" + std::string(full, '#') + std::string(kWidth - full, '.') +
            fmt::format("] {:3.0f} %", part * 100);
  } else {
    line += " ...";
  }
  line.resize(78, ' ');
  Write(STD_ERROR_HANDLE, stderr, "\r" + line);
  fflush(stderr);
  g_bar_drawn = true;
}

}  // namespace plume::cli
