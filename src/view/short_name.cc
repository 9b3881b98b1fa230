#include "view/short_name.h"

namespace plume::view {
namespace {

// Units that a short name has no place for.
bool IsForbidden(char16_t c) {
  if (c > 0x7f) return true;
  for (char16_t bad : WView(u"*?<>|\"+=,;[] ")) {
    if (c == bad) return true;
  }
  return false;
}

char16_t Printable(char16_t c) { return IsForbidden(c) || c == u'~' || c == u'.' ? u'_' : Upcase(c); }

char16_t Digit32(unsigned v) {
  v &= 31;
  return static_cast<char16_t>(v < 26 ? u'A' + v : u'0' + (v - 26));
}

// Where the extension's dot is: the last one that is neither the first nor the last unit. name.size() = none.
size_t ExtensionDot(WView name) {
  size_t dot = name.size();
  for (size_t i = 1; i + 1 < name.size(); ++i) {
    if (name[i] == u'.') dot = i;
  }
  return dot;
}

// 16 bits over all units in lower case, each mixed together with its successor.
unsigned Hash(WView name) {
  uint16_t h = 0xbeef;
  for (size_t i = 0; i < name.size(); ++i) {
    const unsigned unit = NtDowncase(name[i]);
    const unsigned next = i + 1 < name.size() ? NtDowncase(name[i + 1]) : 0u;
    h = static_cast<uint16_t>((h << 3) ^ (h >> 5) ^ unit ^ (next << 8));
  }
  return h;
}

}  // namespace

bool IsLegal8Dot3(WView name) {
  if (name.empty() || name.size() > 12) return false;
  if (name[0] == u'.') return name.size() == 1 || (name.size() == 2 && name[1] == u'.');
  size_t dot = name.size();
  for (size_t i = 0; i < name.size(); ++i) {
    if (IsForbidden(name[i])) return false;
    if (name[i] != u'.') continue;
    if (dot != name.size()) return false;
    dot = i;
  }
  if (dot == name.size()) return name.size() <= 8;
  const size_t extension = name.size() - dot - 1;
  return dot <= 8 && extension >= 1 && extension <= 3;
}

ShortName WineShortName(WView name) {
  ShortName out;
  if (name.empty() || IsLegal8Dot3(name)) return out;
  const auto put = [&out](char16_t c) { out.text[out.length++] = c; };
  const size_t dot = ExtensionDot(name);
  for (size_t i = 0; i < 4 && i < dot; ++i) put(Printable(name[i]));
  while (out.length < 5) put(u'~');
  const unsigned hash = Hash(name);
  put(Digit32(hash >> 10));
  put(Digit32(hash >> 5));
  put(Digit32(hash));
  if (dot == name.size()) return out;
  put(u'.');
  for (size_t i = dot + 1; i < name.size() && i <= dot + 3; ++i) put(Printable(name[i]));
  return out;
}

}  // namespace plume::view
