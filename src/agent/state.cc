#include "agent/state.h"

#include <cstdint>
#include <vector>

#include "agent/text.h"
#include "view/path.h"

namespace plume::agent {
namespace {

// Not view::HashRoot: the names derived from this hash are on users' disks and must never change.
std::u16string FoldedHash(std::u16string_view text) {
  uint64_t h = 0xcbf29ce484222325ull;
  auto add = [&h](uint8_t byte) { h = (h ^ byte) * 0x100000001b3ull; };
  for (char16_t c : text) {
    const char16_t up = view::Upcase(c);
    add(static_cast<uint8_t>(up & 0xFF));
    add(static_cast<uint8_t>(up >> 8));
  }
  std::u16string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += u"0123456789abcdef"[(h >> shift) & 15];
  return out;
}

bool IsLetter(char16_t c) { return (c >= u'A' && c <= u'Z') || (c >= u'a' && c <= u'z'); }

}  // namespace

Result<std::u16string> CleanPath(std::u16string_view path) {
  if (path.substr(0, 4) == u"\\\\?\\" || path.substr(0, 4) == u"\\??\\") path.remove_prefix(4);
  if (path.size() < 2 || !IsLetter(path[0]) || path[1] != u':' ||
      (path.size() > 2 && path[2] != u'\\' && path[2] != u'/')) {
    return Error{Errc::kInvalid,
                 "reading the path '" + ToUtf8(path) +
                     "' failed: it does not start with a drive (write it like C:\\folder\\name)"};
  }
  std::vector<std::u16string_view> parts;
  for (size_t begin = 2; begin < path.size();) {
    size_t end = path.find_first_of(u"\\/", begin);
    if (end == path.npos) end = path.size();
    const std::u16string_view part = path.substr(begin, end - begin);
    if (part == u"..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != u".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::u16string out{static_cast<char16_t>(path[0] & ~0x20), u':'};
  for (std::u16string_view part : parts) (out += u'\\') += part;
  return out;
}

std::u16string NtPath(std::u16string_view dos_path) { return u"\\??\\" + std::u16string(dos_path); }

Status CheckName(std::string_view what, std::string_view name) {
  bool good = !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-';
  for (char c : name) {
    good = good && ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-');
  }
  if (good) return Ok();
  return Error{Errc::kInvalid,
               "naming the " + std::string(what) + " '" + std::string(name) +
                   "' failed: a name is 1 to 64 letters, digits, '.', '_' or '-' (choose another)"};
}

bool SameName(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (size_t i = 0; i < a.size(); ++i)
    if (fold(a[i]) != fold(b[i])) return false;
  return true;
}

StatePaths::StatePaths(std::u16string root) : root_(std::move(root)), hash_(FoldedHash(root_)) {}

std::u16string StatePaths::WorkspaceName(uint32_t number) { return u"w" + ToUtf16(std::to_string(number)); }

uint32_t StatePaths::WorkspaceNumber(std::u16string_view name) {
  uint64_t number = 0;
  if (name.size() < 2 || name[0] != u'w' || name[1] == u'0') return 0;
  for (const char16_t c : name.substr(1)) {
    if (c < u'0' || c > u'9' || number > 0xffffffff) return 0;
    number = number * 10 + (c - u'0');
  }
  return number > 0xffffffff ? 0 : static_cast<uint32_t>(number);
}

}  // namespace plume::agent
