#include "agent/quote.h"

#include <algorithm>

namespace plume::agent {
namespace {

bool IsBlank(char16_t c) { return c == u' ' || c == u'\t'; }

}  // namespace

std::u16string QuoteArgument(std::u16string_view argument) {
  if (!argument.empty() && argument.find_first_of(u" \t\n\v\"") == argument.npos)
    return std::u16string(argument);
  std::u16string out = u"\"";
  size_t backslashes = 0;
  for (const char16_t c : argument) {
    if (c == u'\\') {
      ++backslashes;
      continue;
    }
    // Backslashes are literal unless a quote follows: then each is doubled and the quote gets one of its own.
    out.append(c == u'"' ? 2 * backslashes + 1 : backslashes, u'\\');
    backslashes = 0;
    out += c;
  }
  out.append(2 * backslashes, u'\\');
  return out + u"\"";
}

std::u16string CommandLine(std::u16string_view program, const std::vector<std::u16string>& arguments) {
  std::u16string out = u"\"" + std::u16string(program) + u"\"";
  for (const std::u16string& a : arguments) out += u" " + QuoteArgument(a);
  return out;
}

std::u16string ShellCommandLine(std::u16string_view shell, const std::vector<std::u16string>& arguments) {
  std::u16string out = u"\"" + std::u16string(shell) + u"\"";
  size_t i = 0;
  bool command = false;
  for (; i < arguments.size() && !command; ++i) {
    const std::u16string& a = arguments[i];
    command = a.size() >= 2 && a[0] == u'/' && (a[1] == u'c' || a[1] == u'C' || a[1] == u'k' || a[1] == u'K');
    out += u" " + (command ? a : QuoteArgument(a));
  }
  if (i >= arguments.size()) return out;
  // With quotes around the whole, cmd removes exactly these and leaves every other one alone.
  out += u" \"";
  for (size_t first = i; i < arguments.size(); ++i) {
    const std::u16string& a = arguments[i];
    const bool alone = first + 1 == arguments.size();
    const bool spaced = a.empty() || (a.find_first_of(u" \t") != a.npos && a.find(u'"') == a.npos);
    if (i > first) out += u" ";
    out += !alone && spaced ? u"\"" + a + u"\"" : a;
  }
  return out + u"\"";
}

std::u16string ScriptCommandLine(std::u16string_view shell, std::u16string_view script,
                                 const std::vector<std::u16string>& arguments) {
  std::u16string out = u"\"" + std::u16string(shell) + u"\" /d /c \"\"" + std::u16string(script) + u"\"";
  for (const std::u16string& a : arguments) {
    const bool spaced = a.empty() || a.find_first_of(u" \t&|<>^()") != a.npos;
    out += u" " + (spaced && a.find(u'"') == a.npos ? u"\"" + a + u"\"" : a);
  }
  return out + u"\"";
}

std::vector<std::u16string> SplitCommandLine(std::u16string_view line) {
  std::vector<std::u16string> out;
  const auto skip_blanks = [&line] {
    while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
  };
  // The program's name ends at the next quote if it begins with one, else at a blank; nothing is escaped in
  // it.
  if (line.starts_with(u'"')) {
    const size_t end = std::min(line.find(u'"', 1), line.size());
    out.emplace_back(line.substr(1, end - 1));
    line.remove_prefix(std::min(end + 1, line.size()));
  } else {
    const size_t end = static_cast<size_t>(std::find_if(line.begin(), line.end(), IsBlank) - line.begin());
    out.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  for (skip_blanks(); !line.empty(); skip_blanks()) {
    std::u16string argument;
    int quotes = 0;  // 0 outside, 1 inside; a third one in a row stands for itself
    while (!line.empty() && (quotes > 0 || !IsBlank(line.front()))) {
      const size_t slashes = std::min(line.find_first_not_of(u'\\'), line.size());
      line.remove_prefix(slashes);
      if (!line.starts_with(u'"')) {
        argument.append(slashes, u'\\');
        if (slashes == 0) {
          argument += line.front();
          line.remove_prefix(1);
        }
        continue;
      }
      line.remove_prefix(1);
      argument.append(slashes / 2, u'\\');
      if (slashes % 2 != 0)
        argument += u'"';
      else
        ++quotes;
      for (; line.starts_with(u'"'); line.remove_prefix(1)) {
        if (++quotes < 3) continue;
        argument += u'"';
        quotes = 0;
      }
      if (quotes == 2) quotes = 0;
    }
    out.push_back(std::move(argument));
  }
  return out;
}

}  // namespace plume::agent
