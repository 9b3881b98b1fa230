// Global atoms.
#include "windows_testing.h"

namespace plume::conformance {
namespace {

std::string HoldAtom(Context& c) {
  const ATOM atom = GlobalAddAtomW(c.Name(L"atom").c_str());
  if (!atom) return "no atom: " + LastError();
  c.Give(std::to_string(atom));
  return {};
}
ATOM Number(const Context& c) { return static_cast<ATOM>(std::stoi(c.given)); }

Finding FindIt(Context& c) {
  return GlobalFindAtomW(c.Name(L"atom").c_str()) ? Visible() : Isolated(LastError());
}
Finding FindAnsi(Context& c) {
  return GlobalFindAtomA(Narrow(c.Name(L"atom")).c_str()) ? Visible() : Isolated(LastError());
}
Finding FindOtherCase(Context& c) {
  std::wstring name = c.Name(L"atom");
  CharUpperW(name.data());
  return GlobalFindAtomW(name.c_str()) ? Visible() : Isolated(LastError());
}
Finding NameOf(Context& c) {
  wchar_t text[300] = L"";
  GlobalGetAtomNameW(Number(c), text, 300);
  return c.Name(L"atom") == text ? Visible() : Isolated(LastError());
}
Finding NameOfAnsi(Context& c) {
  char text[300] = "";
  GlobalGetAtomNameA(Number(c), text, 300);
  return Narrow(c.Name(L"atom")) == text ? Visible() : Isolated(LastError());
}
Finding SameNumber(Context& c) {
  const ATOM mine = GlobalAddAtomW(c.Name(L"atom").c_str());
  const bool same = mine == Number(c);
  GlobalDeleteAtom(mine);
  return same ? Visible() : Isolated();
}
Finding Delete(Context& c) {
  GlobalDeleteAtom(Number(c));
  return Visible(LastError());
}
Finding IsGone(Context& c) { return GlobalFindAtomW(c.Name(L"atom").c_str()) ? Isolated() : Visible(); }
Finding Walk(Context& c) {
  for (unsigned atom = 0xc000; atom <= 0xffff; ++atom) {
    wchar_t text[300] = L"";
    if (GlobalGetAtomNameW(static_cast<ATOM>(atom), text, 300) && c.Name(L"atom") == text) return Visible();
  }
  return Isolated();
}
Finding AsFormat(Context& c) {
  wchar_t text[300] = L"";
  GetClipboardFormatNameW(Number(c), text, 300);
  return std::wstring(text).find(c.Name(L"atom")) != std::wstring::npos ? Visible() : Isolated(LastError());
}
CHECK(atom, find, HoldAtom, FindIt);
CHECK(atom, find_ansi, HoldAtom, FindAnsi);
CHECK(atom, find_other_case, HoldAtom, FindOtherCase);
CHECK(atom, name, HoldAtom, NameOf);
CHECK(atom, name_ansi, HoldAtom, NameOfAnsi);
CHECK(atom, add_again, HoldAtom, SameNumber);
CHECK(atom, walk, HoldAtom, Walk);
constexpr char kWhyMachine[] =
    "a number that the machine's programs hold is good for all they can do with one";
CHECK_WITH(atom, as_clipboard_format, kMachineSees, kWhyMachine, HoldAtom, AsFormat);
CHECK_FULL(atom, remove, kMachineSees, kWhyMachine, HoldAtom, Delete, IsGone);

}  // namespace
}  // namespace plume::conformance
