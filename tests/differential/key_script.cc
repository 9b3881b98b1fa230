#include "key_script.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace plume::difftest {

namespace {

constexpr ULONG kOpenLink = 0x100;  // OBJ_OPENLINK
constexpr size_t kBufferBytes = 160000;

struct AccessChoice {
  ACCESS_MASK mask;
  const char* name;
};
constexpr AccessChoice kAccess[] = {
    {KEY_READ, "read"},
    {KEY_READ, "read"},
    {KEY_READ | KEY_NOTIFY, "read"},
    {KEY_QUERY_VALUE, "query"},
    {KEY_WRITE, "write"},
    {KEY_ALL_ACCESS, "all"},
    {KEY_ALL_ACCESS, "all"},
    {KEY_READ | DELETE, "read+delete"},
    {KEY_READ | KEY_SET_VALUE, "read+set"},
    {KEY_READ | KEY_CREATE_SUB_KEY, "read+create"},
    {MAXIMUM_ALLOWED, "maximum"},
    {GENERIC_READ, "generic read"},
    {GENERIC_ALL, "generic all"},
    {KEY_READ | KEY_WOW64_64KEY, "read 64"},
    {KEY_READ | KEY_WOW64_32KEY, "read 32"},
    {KEY_ENUMERATE_SUB_KEYS, "enumerate"},
};

std::u16string RandomCase(std::u16string name, Random& random) {
  if (!random.Chance(25)) return name;
  for (auto& c : name) {
    if (c >= u'a' && c <= u'z' && random.Chance(50))
      c = static_cast<char16_t>(c - 32);
    else if (c >= u'A' && c <= u'Z' && random.Chance(50))
      c = static_cast<char16_t>(c + 32);
  }
  return name;
}

std::u16string PickName(const std::vector<std::u16string>& pool, Random& random) {
  return RandomCase(pool[random.Below(static_cast<uint32_t>(pool.size()))], random);
}

std::string Hex(const uint8_t* data, size_t size) {
  if (size <= 96) {
    std::string out;
    for (size_t i = 0; i < size; ++i) out += Format("%02x", data[i]);
    return out;
  }
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 0x100000001b3ull;
  return Format("#%u:%016llx", static_cast<unsigned>(size), static_cast<unsigned long long>(hash));
}

}  // namespace

KeyScript::~KeyScript() {
  for (auto& slot : slots_) {
    if (slot.handle) nt.NtClose(slot.handle);
    if (slot.event) CloseHandle(slot.event);
  }
}

void KeyScript::Say(const std::string& line) { *out_ += Format("%d ", number_) + line + "\n"; }

void KeyScript::SayBytes(const std::string& what, NTSTATUS status, const uint8_t* data, ULONG given,
                         ULONG returned, int time_at) {
  std::vector<uint8_t> shown;
  bool partial = status == static_cast<NTSTATUS>(0x80000005);
  if (status == 0 || partial) shown.assign(data, data + (given < returned ? given : returned));
  if (shown.size() == 40 && time_at >= 0)
    std::fill(shown.begin() + 36, shown.end(), 0);  // padding of the cached class
  for (int i = time_at; time_at >= 0 && i < time_at + 8 && i < static_cast<int>(shown.size()); ++i)
    shown[i] = 0;
  Say(what + Format(" = %08x %u ", static_cast<unsigned>(status), static_cast<unsigned>(returned)) +
      Hex(shown.data(), shown.size()));
}

int KeyScript::PickSlot(Random& random) { return static_cast<int>(random.Below(kSlots)); }

void KeyScript::Put(int slot, HANDLE handle) {
  if (slots_[slot].handle) nt.NtClose(slots_[slot].handle);
  slots_[slot].handle = handle;
}

KeyScript::Target KeyScript::PickTarget(Random& random, bool create) {
  Target target;
  target.attributes = random.Chance(85) ? OBJ_CASE_INSENSITIVE : 0;
  if (!create && random.Chance(10)) target.attributes |= kOpenLink;
  int depth = 1 + static_cast<int>(random.Below(create ? 2 : 3));
  std::u16string relative;
  for (int i = 0; i < depth; ++i) relative += (i ? u"\\" : u"") + PickName(KeyNames(), random);
  switch (random.Below(40)) {
    case 0:
      relative += u"\\";
      break;
    // Not for create: Wine then reports a change of name to those who watch the parent.
    case 1:
      relative = create ? relative : u"";
      break;
    case 2:
      relative += u"\\\\a";
      break;
    case 3:
      relative = u"\\" + relative;
      break;
    case 4:
      relative += u"\\" + std::u16string(257, u'x');
      break;
    case 5:
      relative = u"missing";
      break;
    case 6:
      relative = u"missing\\a";
      break;
    default:
      break;
  }
  int slot = PickSlot(random);
  bool absolute = random.Chance(45) || !slots_[slot].handle;
  if (absolute) {
    target.root = nullptr;
    target.name = relative.empty() ? root_ : root_ + u"\\" + relative;
    target.shown = "R\\" + Escaped(relative);
  } else {
    target.root = slots_[slot].handle;
    target.name = relative;
    target.shown = Format("[%d]\\", slot) + Escaped(relative);
  }
  if (target.attributes != OBJ_CASE_INSENSITIVE)
    target.shown += Format(" attr %x", static_cast<unsigned>(target.attributes));
  return target;
}

void KeyScript::Open(Random& random) {
  Target target = PickTarget(random, false);
  const auto& access = kAccess[random.Below(std::size(kAccess))];
  int slot = PickSlot(random);
  NtAttributes attributes(target.name, target.root, target.attributes);
  HANDLE handle = nullptr;
  NTSTATUS status = random.Chance(50) ? nt.NtOpenKey(&handle, access.mask, &attributes.value)
                                      : nt.NtOpenKeyEx(&handle, access.mask, &attributes.value, 0);
  Say(Format("open [%d] <- ", slot) + target.shown +
      Format(" (%s) = %08x", access.name, static_cast<unsigned>(status)));
  if (status >= 0) Put(slot, handle);
}

void KeyScript::Create(Random& random) {
  Target target = PickTarget(random, true);
  const auto& access = kAccess[random.Below(std::size(kAccess))];
  int slot = PickSlot(random);
  ULONG options = 0;
  if (random.Chance(15)) options |= REG_OPTION_VOLATILE;
  if (random.Chance(6)) options |= REG_OPTION_CREATE_LINK;
  // Always a class: Wine takes the class off an existing key that is created again without one.
  std::u16string class_name = random.Chance(20) ? u"Made" : u"Class";
  NtName class_string(class_name);
  NtAttributes attributes(target.name, target.root, target.attributes);
  HANDLE handle = nullptr;
  ULONG disposition = 0;
  NTSTATUS status = nt.NtCreateKey(&handle, access.mask, &attributes.value, 0, &class_string.string, options,
                                   random.Chance(80) ? &disposition : nullptr);
  Say(Format("create [%d] <- ", slot) + target.shown +
      Format(" (%s) options %x class \"", access.name, static_cast<unsigned>(options)) + Escaped(class_name) +
      Format("\" = %08x %u", static_cast<unsigned>(status), static_cast<unsigned>(disposition)));
  if (status >= 0) Put(slot, handle);
  if (status >= 0 && (options & REG_OPTION_CREATE_LINK) && random.Chance(80)) {
    std::u16string to = root_ + u"\\" + PickName(KeyNames(), random);
    if (random.Chance(20)) to += u"\\" + PickName(KeyNames(), random);
    std::u16string value = u"SymbolicLinkValue";
    NtName name(value);
    status =
        nt.NtSetValueKey(handle, &name.string, 0, REG_LINK, to.data(), static_cast<ULONG>(to.size() * 2));
    Say("  link to R" + Escaped(to.substr(root_.size())) + Format(" = %08x", static_cast<unsigned>(status)));
  }
}

void KeyScript::SetLink(Random& random) {
  int slot = PickSlot(random);
  std::u16string to = root_ + u"\\" + PickName(KeyNames(), random);
  std::u16string value = u"SymbolicLinkValue";
  NtName name(value);
  NTSTATUS status = nt.NtSetValueKey(slots_[slot].handle, &name.string, 0, REG_LINK, to.data(),
                                     static_cast<ULONG>(to.size() * 2));
  Say(Format("retarget [%d] to R", slot) + Escaped(to.substr(root_.size())) +
      Format(" = %08x", static_cast<unsigned>(status)));
}

void KeyScript::SetValue(Random& random) {
  int slot = PickSlot(random);
  PopulatedValue value = RandomValue(random);
  value.name = RandomCase(value.name, random);
  NtName name(value.name);
  NTSTATUS status = nt.NtSetValueKey(slots_[slot].handle, &name.string, 0, value.type, value.data.data(),
                                     static_cast<ULONG>(value.data.size()));
  Say(Format("set [%d] \"", slot) + Escaped(value.name) +
      Format("\" type %u size %u = %08x", static_cast<unsigned>(value.type),
             static_cast<unsigned>(value.data.size()), static_cast<unsigned>(status)));
}

namespace {

// A buffer length: none, tiny, around the fixed part, and plenty.
ULONG PickLength(Random& random) {
  static constexpr ULONG kLengths[] = {0, 4, 11, 12, 14, 16, 20, 24, 28, 40, 44, 48, 52, 64, 100, 1000};
  return random.Chance(60) ? static_cast<ULONG>(kBufferBytes) : kLengths[random.Below(std::size(kLengths))];
}

std::vector<uint8_t>& Buffer() {
  static std::vector<uint8_t> buffer;
  buffer.assign(kBufferBytes, 0xcc);
  return buffer;
}

// Where the last-write time is in the answer of a key class (-1: nowhere). It differs between runs.
int TimeAt(ULONG key_class) {
  return key_class == 0 || key_class == 1 || key_class == 2 || key_class == 4 ? 0 : -1;
}

}  // namespace

void KeyScript::QueryValue(Random& random) {
  int slot = PickSlot(random);
  std::u16string value = PickName(ValueNames(), random);
  NtName name(value);
  ULONG value_class = random.Below(random.Chance(10) ? 7 : 3);
  ULONG length = PickLength(random), returned = 0;
  auto& buffer = Buffer();
  NTSTATUS status =
      nt.NtQueryValueKey(slots_[slot].handle, &name.string, value_class, buffer.data(), length, &returned);
  SayBytes(
      Format("query [%d] \"", slot) + Escaped(value) +
          Format("\" class %u length %u", static_cast<unsigned>(value_class), static_cast<unsigned>(length)),
      status, buffer.data(), length, returned, -1);
}

void KeyScript::EnumerateKey(Random& random) {
  int slot = PickSlot(random);
  ULONG index = random.Below(6), key_class = random.Below(random.Chance(10) ? 10 : 3);
  ULONG length = PickLength(random), returned = 0;
  auto& buffer = Buffer();
  NTSTATUS status =
      nt.NtEnumerateKey(slots_[slot].handle, index, key_class, buffer.data(), length, &returned);
  SayBytes(Format("subkey [%d] %u class %u length %u", slot, static_cast<unsigned>(index),
                  static_cast<unsigned>(key_class), static_cast<unsigned>(length)),
           status, buffer.data(), length, returned, TimeAt(key_class));
}

void KeyScript::EnumerateValue(Random& random) {
  int slot = PickSlot(random);
  ULONG index = random.Below(5), value_class = random.Below(random.Chance(10) ? 7 : 3);
  ULONG length = PickLength(random), returned = 0;
  auto& buffer = Buffer();
  NTSTATUS status =
      nt.NtEnumerateValueKey(slots_[slot].handle, index, value_class, buffer.data(), length, &returned);
  SayBytes(Format("value [%d] %u class %u length %u", slot, static_cast<unsigned>(index),
                  static_cast<unsigned>(value_class), static_cast<unsigned>(length)),
           status, buffer.data(), length, returned, -1);
}

void KeyScript::QueryKey(Random& random) {
  static constexpr ULONG kClasses[] = {0, 1, 2, 3, 4, 2, 2, 3, 4, 5, 6, 7, 8, 9, 99};
  int slot = PickSlot(random);
  ULONG key_class = kClasses[random.Below(std::size(kClasses))];
  ULONG length = PickLength(random), returned = 0;
  auto& buffer = Buffer();
  NTSTATUS status = nt.NtQueryKey(slots_[slot].handle, key_class, buffer.data(), length, &returned);
  SayBytes(Format("info [%d] class %u length %u", slot, static_cast<unsigned>(key_class),
                  static_cast<unsigned>(length)),
           status, buffer.data(), length, returned, TimeAt(key_class));
}

void KeyScript::ListKeys(Random& random) {
  int slot = PickSlot(random);
  std::string line = Format("list [%d]:", slot);
  auto& buffer = Buffer();
  for (ULONG index = 0;; ++index) {
    ULONG returned = 0;
    NTSTATUS status =
        nt.NtEnumerateKey(slots_[slot].handle, index, 0, buffer.data(), kBufferBytes, &returned);
    if (status) {
      line += Format(" = %08x", static_cast<unsigned>(status));
      break;
    }
    ULONG bytes;
    memcpy(&bytes, buffer.data() + 12, 4);
    line += " \"" + Escaped(reinterpret_cast<const char16_t*>(buffer.data() + 16), bytes / 2) + "\"";
  }
  Say(line);
}

namespace {

// Wine's order of subkeys, for the names used here.
int CompareNames(const std::u16string& a, const std::u16string& b) {
  auto lower = [](char16_t c) { return (c >= u'A' && c <= u'Z') || c == 0xc4 ? c + 32 : c + 0; };
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return lower(a[i]) - lower(b[i]);
  }
  return static_cast<int>(a.size()) - static_cast<int>(b.size());
}

}  // namespace

// Wine 8 destroys the next sibling of a key that gets a new name between itself and that sibling, and its
// server may crash later. Such renames are left out.
bool KeyScript::RenameIsSafe(int slot, const std::u16string& to) {
  std::vector<uint8_t> name(2000);
  ULONG returned = 0, bytes;
  if (nt.NtQueryKey(slots_[slot].handle, 3, name.data(), 2000, &returned)) return true;
  memcpy(&bytes, name.data(), 4);
  std::u16string full(reinterpret_cast<const char16_t*>(name.data() + 4), bytes / 2);
  size_t split = full.rfind(u'\\');
  std::u16string own = full.substr(split + 1);
  if (CompareNames(own, to) >= 0) return true;
  NtAttributes attributes(full = full.substr(0, split), nullptr, OBJ_CASE_INSENSITIVE);
  HANDLE parent = nullptr;
  if (nt.NtOpenKey(&parent, KEY_READ, &attributes.value)) return true;
  bool between = false;
  for (ULONG index = 0; !nt.NtEnumerateKey(parent, index, 0, name.data(), 2000, &returned); ++index) {
    memcpy(&bytes, name.data() + 12, 4);
    std::u16string sibling(reinterpret_cast<const char16_t*>(name.data() + 16), bytes / 2);
    between = between || (CompareNames(own, sibling) < 0 && CompareNames(sibling, to) < 0);
  }
  nt.NtClose(parent);
  return between;
}

void KeyScript::Rename(Random& random) {
  int slot = PickSlot(random);
  std::u16string to = PickName(KeyNames(), random);
  if (random.Chance(5)) to += u"\\x";
  if (!RenameIsSafe(slot, to)) return Say("rename left out");
  NtName name(to);
  NTSTATUS status = nt.NtRenameKey(slots_[slot].handle, &name.string);
  Say(Format("rename [%d] \"", slot) + Escaped(to) + Format("\" = %08x", static_cast<unsigned>(status)));
}

void KeyScript::Notify(Random& random) {
  Slot& slot = slots_[PickSlot(random)];
  if (!slot.event) slot.event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  static constexpr ULONG kFilters[] = {REG_NOTIFY_CHANGE_NAME, REG_NOTIFY_CHANGE_LAST_SET,
                                       REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET};
  ULONG filter = kFilters[random.Below(3)];
  BOOLEAN subtree = random.Chance(50);
  NTSTATUS status = nt.NtNotifyChangeKey(slot.handle, slot.event, nullptr, nullptr, &slot.iosb, filter,
                                         subtree, nullptr, 0, TRUE);
  Say(Format("notify [%d] filter %u subtree %u = %08x", static_cast<int>(&slot - slots_.data()),
             static_cast<unsigned>(filter), static_cast<unsigned>(subtree), static_cast<unsigned>(status)));
}

void KeyScript::Poll(Random& random) {
  // Lines with '~': an event may be signalled in a VM although nothing changed (copying a key up is a change
  // of the key that is really watched), but never the other way round. The driver compares them so.
  for (int i = 0; i < kSlots; ++i) {
    if (!slots_[i].event) continue;
    bool set = WaitForSingleObject(slots_[i].event, 0) == WAIT_OBJECT_0;
    Say(Format("~ event [%d] ", i) + (set ? "set" : "not set"));
  }
}

void KeyScript::Duplicate(Random& random) {
  int from = PickSlot(random), to = PickSlot(random);
  HANDLE handle = nullptr;
  NTSTATUS status = nt.NtDuplicateObject(GetCurrentProcess(), slots_[from].handle, GetCurrentProcess(),
                                         &handle, 0, 0, DUPLICATE_SAME_ACCESS);
  Say(Format("duplicate [%d] to [%d] = %08x", from, to, static_cast<unsigned>(status)));
  if (status >= 0 && from != to)
    Put(to, handle);
  else if (status >= 0)
    nt.NtClose(handle);
}

void KeyScript::ObjectName(Random& random) {
  int slot = PickSlot(random);
  auto& buffer = Buffer();
  ULONG returned = 0;
  NTSTATUS status = nt.NtQueryObject(slots_[slot].handle, 1, buffer.data(), 4096, &returned);
  std::string name;
  if (status == 0) {
    const auto* string = reinterpret_cast<const UNICODE_STRING*>(buffer.data());
    name = Escaped(reinterpret_cast<const char16_t*>(string->Buffer), string->Length / 2);
  }
  Say(Format("object name [%d] = %08x %u ", slot, static_cast<unsigned>(status),
             static_cast<unsigned>(returned)) +
      name);
}

void KeyScript::Step(int number) {
  number_ = number;
  Random random(seed_ * 1000003 + static_cast<uint64_t>(number));
  uint32_t what = random.Below(100);
  // The first steps fill the slots, so that later ones have something to work on.
  if (number < 6) what = number % 3 == 2 ? 20 : 0;
  int slot = PickSlot(random);
  auto simple = [&](const char* name, NTSTATUS status) {
    Say(Format("%s [%d] = %08x", name, slot, static_cast<unsigned>(status)));
  };
  if (what < 20) return Open(random);
  if (what < 34) return Create(random);
  if (what < 44) return SetValue(random);
  if (what < 52) return QueryValue(random);
  if (what < 58) return EnumerateKey(random);
  if (what < 63) return EnumerateValue(random);
  if (what < 69) return QueryKey(random);
  if (what < 75) return ListKeys(random);
  if (what < 82) return simple("delete", nt.NtDeleteKey(slots_[slot].handle));
  if (what < 85) return Rename(random);
  if (what < 88) return Notify(random);
  if (what < 91) return Poll(random);
  if (what < 93) return Duplicate(random);
  if (what < 95) return ObjectName(random);
  if (what < 96) return simple("flush", nt.NtFlushKey(slots_[slot].handle));
  if (what < 97) return SetLink(random);
  if (what < 99) {
    std::u16string value = PickName(ValueNames(), random);
    NtName name(value);
    return simple(("unset \"" + Escaped(value) + "\"").c_str(),
                  nt.NtDeleteValueKey(slots_[slot].handle, &name.string));
  }
  simple("close", slots_[slot].handle ? nt.NtClose(slots_[slot].handle) : 0);
  slots_[slot].handle = nullptr;
}

void KeyScript::Run(int operations, const std::set<int>& dropped) {
  for (int i = 0; i < operations; ++i) {
    if (!dropped.count(i)) Step(i);
  }
  number_ = operations;
  Random random(seed_);
  Poll(random);
  // Handles are closed before the dump: it must not depend on what they keep alive.
  for (auto& slot : slots_) {
    if (slot.handle) nt.NtClose(slot.handle);
    slot.handle = nullptr;
  }
  DumpTree(root_, false, out_);
}

int DumpTree(const std::u16string& name, bool times, std::string* out) {
  NtAttributes attributes(name, nullptr, OBJ_CASE_INSENSITIVE | kOpenLink);
  HANDLE handle = nullptr;
  NTSTATUS status = nt.NtOpenKey(&handle, KEY_READ, &attributes.value);
  *out += "[" + Escaped(name) + "]";
  if (status) {
    *out += Format(" = %08x\n", static_cast<unsigned>(status));
    return 0;
  }
  static std::vector<uint8_t> buffer(kBufferBytes);
  ULONG returned = 0;
  status = nt.NtQueryKey(handle, 1, buffer.data(), kBufferBytes, &returned);
  if (status == 0) {
    ULONG class_offset, class_bytes, name_bytes;
    uint64_t time;
    memcpy(&time, buffer.data(), 8);
    memcpy(&class_offset, buffer.data() + 12, 4);
    memcpy(&class_bytes, buffer.data() + 16, 4);
    memcpy(&name_bytes, buffer.data() + 20, 4);
    *out += " \"" + Escaped(reinterpret_cast<const char16_t*>(buffer.data() + 24), name_bytes / 2) + "\"";
    if (class_bytes) {
      *out += " class \"" +
              Escaped(reinterpret_cast<const char16_t*>(buffer.data() + class_offset), class_bytes / 2) +
              "\"";
    }
    if (times) *out += Format(" time %016llx", static_cast<unsigned long long>(time));
  }
  *out += "\n";
  for (ULONG index = 0;; ++index) {
    if (nt.NtEnumerateValueKey(handle, index, 1, buffer.data(), kBufferBytes, &returned)) break;
    ULONG fields[5];  // title index, type, data offset, data length, name length
    memcpy(fields, buffer.data(), sizeof(fields));
    *out += "  \"" + Escaped(reinterpret_cast<const char16_t*>(buffer.data() + 20), fields[4] / 2) +
            Format("\" type %u ", static_cast<unsigned>(fields[1])) +
            Hex(buffer.data() + fields[2], fields[3]) + "\n";
  }
  std::vector<std::u16string> children;
  for (ULONG index = 0;; ++index) {
    if (nt.NtEnumerateKey(handle, index, 0, buffer.data(), kBufferBytes, &returned)) break;
    ULONG bytes;
    memcpy(&bytes, buffer.data() + 12, 4);
    children.emplace_back(reinterpret_cast<const char16_t*>(buffer.data() + 16), bytes / 2);
  }
  nt.NtClose(handle);
  int keys = 1;
  for (const auto& child : children) keys += DumpTree(name + u"\\" + child, times, out);
  return keys;
}

}  // namespace plume::difftest
