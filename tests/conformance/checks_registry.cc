// Registry: what a VM writes or deletes stays its own; what the machine has is read through (merge).
#include "conformance.h"

namespace plume::conformance {
namespace {

std::wstring Path(const Context& c) { return L"Software\\PlumeConf\\" + c.Name(L"k"); }
Finding Act(LONG error) { return error == 0 ? Visible() : Isolated("error " + std::to_string(error)); }

HKEY Make(HKEY root, const Context& c) {
  HKEY key = nullptr;
  RegCreateKeyExW(root, Path(c).c_str(), 0, nullptr, 0, KEY_ALL_ACCESS, nullptr, &key, nullptr);
  return key;
}
HKEY Open(HKEY root, const Context& c, REGSAM access = KEY_READ) {
  HKEY key = nullptr;
  RegOpenKeyExW(root, Path(c).c_str(), 0, access, &key);
  return key;
}
DWORD Value(HKEY key, const wchar_t* name) {
  DWORD data = 0, size = sizeof(data);
  return key && RegQueryValueExW(key, name, nullptr, nullptr, reinterpret_cast<BYTE*>(&data), &size) == 0
             ? data
             : 0;
}
LONG SetValue(HKEY key, const wchar_t* name, DWORD data) {
  return key ? RegSetValueExW(key, name, 0, REG_DWORD, reinterpret_cast<const BYTE*>(&data), sizeof(data))
             : 6;
}

std::string HoldKey(HKEY root, Context& c) {
  HKEY key = Make(root, c);
  if (SetValue(key, L"v", 7) != 0) return "no key";
  HKEY sub = nullptr;
  RegCreateKeyExW(key, L"sub", 0, nullptr, 0, KEY_ALL_ACCESS, nullptr, &sub, nullptr);
  SetValue(sub, L"s", 9);
  RegCloseKey(sub);
  RegCloseKey(key);
  return {};
}
std::string HoldUser(Context& c) { return HoldKey(HKEY_CURRENT_USER, c); }
std::string HoldMachine(Context& c) { return HoldKey(HKEY_LOCAL_MACHINE, c); }

constexpr char kWhy[] = "a VM reads the machine's registry";

// Each check twice: below HKCU and below HKLM.
template <bool kMachine>
HKEY Root() {
  return kMachine ? HKEY_LOCAL_MACHINE : HKEY_CURRENT_USER;
}
#define BOTH_SEEN(name, probe)                                                   \
  CHECK_WITH(registry, user_##name, kMachineSeen, kWhy, HoldUser, probe<false>); \
  CHECK_WITH(registry, machine_##name, kMachineSeen, kWhy, HoldMachine, probe<true>)
#define BOTH_DONE(name, act, look)                                          \
  CHECK_OBSERVED(registry, user_##name, HoldUser, act<false>, look<false>); \
  CHECK_OBSERVED(registry, machine_##name, HoldMachine, act<true>, look<true>)

template <bool kMachine>
Finding ProbeValue(Context& c) {
  return VisibleIf(Value(Open(Root<kMachine>(), c), L"v") == 7);
}
BOTH_SEEN(value, ProbeValue);

template <bool kMachine>
Finding ProbeSubkey(Context& c) {
  wchar_t name[64];
  HKEY key = Open(Root<kMachine>(), c);
  return VisibleIf(key && RegEnumKeyW(key, 0, name, 64) == 0 && std::wstring(name) == L"sub");
}
BOTH_SEEN(subkey, ProbeSubkey);

template <bool kMachine>
Finding ProbeEnumerated(Context& c) {
  HKEY top = nullptr;
  RegOpenKeyExW(Root<kMachine>(), L"Software\\PlumeConf", 0, KEY_READ, &top);
  wchar_t name[256];
  for (DWORD i = 0; top && RegEnumKeyW(top, i, name, 256) == 0; ++i)
    if (name == c.Name(L"k")) return Visible();
  return Isolated();
}
BOTH_SEEN(enumerated, ProbeEnumerated);

template <bool kMachine>
Finding ProbeInformation(Context& c) {
  DWORD keys = 0, values = 0;
  if (HKEY key = Open(Root<kMachine>(), c))
    RegQueryInfoKeyW(key, nullptr, nullptr, nullptr, &keys, nullptr, nullptr, &values, nullptr, nullptr,
                     nullptr, nullptr);
  return VisibleIf(keys == 1 && values == 1);
}
BOTH_SEEN(information, ProbeInformation);

template <bool kMachine>
Finding SetOld(Context& c) {
  return Act(SetValue(Open(Root<kMachine>(), c, KEY_WRITE), L"v", 8));
}
template <bool kMachine>
Finding OldChanged(Context& c) {
  return VisibleIf(Value(Open(Root<kMachine>(), c), L"v") != 7);
}
BOTH_DONE(set, SetOld, OldChanged);

template <bool kMachine>
Finding SetNew(Context& c) {
  return Act(SetValue(Make(Root<kMachine>(), c), L"new", 5));
}
template <bool kMachine>
Finding NewThere(Context& c) {
  return VisibleIf(Value(Open(Root<kMachine>(), c), L"new") == 5);
}
BOTH_DONE(new_value, SetNew, NewThere);

template <bool kMachine>
Finding DeleteValue(Context& c) {
  HKEY key = Open(Root<kMachine>(), c, KEY_WRITE);
  return Act(key ? RegDeleteValueW(key, L"v") : 6);
}
BOTH_DONE(delete_value, DeleteValue, OldChanged);

template <bool kMachine>
HKEY Below(const Context& c, const wchar_t* name) {
  HKEY key = nullptr;
  RegOpenKeyExW(Root<kMachine>(), (Path(c) + name).c_str(), 0, KEY_READ, &key);
  return key;
}
template <bool kMachine>
Finding DeleteKey(Context& c) {
  return Act(RegDeleteKeyW(Root<kMachine>(), (Path(c) + L"\\sub").c_str()));
}
template <bool kMachine>
Finding KeyGone(Context& c) {
  return VisibleIf(!Below<kMachine>(c, L"\\sub"));
}
BOTH_DONE(delete_key, DeleteKey, KeyGone);

// Below the holder's own key, if it is there: a new key of the machine is seen by its VMs.
template <bool kMachine>
Finding MakeKey(Context& c) {
  HKEY key = nullptr, parent = Open(Root<kMachine>(), c, KEY_ALL_ACCESS);
  return Act(parent ? RegCreateKeyExW(parent, L"made", 0, nullptr, 0, KEY_ALL_ACCESS, nullptr, &key, nullptr)
                    : 6);
}
template <bool kMachine>
Finding KeyMade(Context& c) {
  return VisibleIf(Below<kMachine>(c, L"\\made") != nullptr);
}
BOTH_DONE(new_key, MakeKey, KeyMade);

template <bool kMachine>
Finding DeleteTree(Context& c) {
  return Act(RegDeleteTreeW(Root<kMachine>(), Path(c).c_str()));
}
BOTH_DONE(delete_tree, DeleteTree, KeyGone);

std::string HoldNotify(Context& c) {
  HKEY key = Make(HKEY_CURRENT_USER, c);
  c.data = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  return key && RegNotifyChangeKeyValue(key, TRUE, REG_NOTIFY_CHANGE_LAST_SET | REG_NOTIFY_CHANGE_NAME,
                                        c.data, TRUE) == 0
             ? ""
             : "no notification";
}
CHECK_OBSERVED(
    registry, notification, HoldNotify,
    [](Context& c) { return Act(SetValue(Make(HKEY_CURRENT_USER, c), L"n", 3)); },
    [](Context& c) { return VisibleIf(WaitForSingleObject(c.data, 300) == WAIT_OBJECT_0); });
// Volatile keys live as long as the machine: a VM's are its own.
std::string HoldVolatile(Context& c) {
  HKEY key = nullptr;
  RegCreateKeyExW(HKEY_CURRENT_USER, Path(c).c_str(), 0, nullptr, REG_OPTION_VOLATILE, KEY_ALL_ACCESS,
                  nullptr, &key, nullptr);
  return SetValue(key, L"v", 7) == 0 ? "" : "no volatile key";
}
CHECK_WITH(registry, volatile_key, kMachineSeen, kWhy, HoldVolatile,
           [](Context& c) { return VisibleIf(Value(Open(HKEY_CURRENT_USER, c), L"v") == 7); });
// Classes: one merged view of two trees.
std::string HoldClass(Context& c) {
  HKEY key = nullptr;
  RegCreateKeyExW(HKEY_CURRENT_USER, (L"Software\\Classes\\" + c.Name(L"c")).c_str(), 0, nullptr, 0,
                  KEY_ALL_ACCESS, nullptr, &key, nullptr);
  return SetValue(key, L"v", 7) == 0 ? "" : "no class";
}
Finding ProbeClass(Context& c) {
  HKEY key = nullptr;
  RegOpenKeyExW(HKEY_CLASSES_ROOT, c.Name(L"c").c_str(), 0, KEY_READ, &key);
  if (Value(key, L"v") == 7) return Visible();
  // Wine's HKEY_CLASSES_ROOT shows the machine's classes alone.
  RegCreateKeyExW(HKEY_CURRENT_USER, (L"Software\\Classes\\" + c.Name(L"own")).c_str(), 0, nullptr, 0,
                  KEY_ALL_ACCESS, nullptr, &key, nullptr);
  key = nullptr;
  RegOpenKeyExW(HKEY_CLASSES_ROOT, c.Name(L"own").c_str(), 0, KEY_READ, &key);
  return key ? Isolated() : Unsupported("the user's classes are not merged here");
}
CHECK_WITH(registry, class_, kMachineSeen, kWhy, HoldClass, ProbeClass);

}  // namespace
}  // namespace plume::conformance
