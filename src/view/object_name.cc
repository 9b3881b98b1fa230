#include "view/object_name.h"

namespace plume::view {
namespace {

constexpr WView kMarkPrefix = u"~plume~";
constexpr size_t kMarkDigits = 16;
static_assert(kMarkPrefix.size() + kMarkDigits == kObjectMarkUnits);

// Walks over the components of a name.
class Cursor {
 public:
  explicit Cursor(WView text) : text_(text) {}
  // Where the next component begins; the name's end if there is none. A single backslash is behind nothing.
  size_t begin() const { return at_ < text_.size() ? at_ + 1 : at_; }
  bool AtEnd() const { return begin() >= text_.size(); }
  WView Peek() const {
    size_t end = begin();
    while (end < text_.size() && text_[end] != u'\\') ++end;
    return Sub(text_, begin(), end - begin());
  }
  WView Take() {
    const WView name = Peek();
    at_ = begin() + name.size();
    return name;
  }
  bool TakeIf(WView name) {
    if (AtEnd() || !EqualFolded(Peek(), name)) return false;
    Take();
    return true;
  }

 private:
  WView text_;
  size_t at_ = 0;  // of a backslash, or the end
};

bool Number(WView text, uint32_t* value) {
  if (text.empty() || text.size() > 9) return false;
  uint32_t n = 0;
  for (char16_t c : text) {
    if (c < u'0' || c > u'9') return false;
    n = n * 10 + (c - u'0');
  }
  *value = n;
  return true;
}

// Everything that is left is one name.
ObjectName WholeRest(WView full, const Cursor& at, ObjectSpace space) {
  ObjectName out;
  out.space = space;
  out.begin = at.begin();
  out.mark = full.size();
  out.container = at.AtEnd();
  return out;
}

// The next component is the name, what follows lies in it.
ObjectName FirstOfRest(WView full, Cursor at, ObjectSpace space) {
  ObjectName out = WholeRest(full, at, space);
  if (!out.container) out.mark = out.begin + at.Peek().size();
  return out;
}

ObjectName BaseNamedObjects(WView full, Cursor at, uint32_t of, uint32_t own) {
  for (;;) {
    if (at.TakeIf(u"Local")) continue;
    // Names for callers with restricted tokens lie in a directory of their own, inside.
    if (at.TakeIf(u"Restricted")) continue;
    if (at.TakeIf(u"Global")) {
      of = 0;
      continue;
    }
    Cursor link = at;
    uint32_t number;
    if (link.TakeIf(u"Session")) {
      if (link.AtEnd()) return WholeRest(full, link, ObjectSpace::kGlobal);
      if (Number(link.Take(), &number)) {
        at = link;
        of = number;
        continue;
      }
    }
    break;
  }
  const ObjectSpace space = of == 0     ? ObjectSpace::kGlobal
                            : of == own ? ObjectSpace::kLocal
                                        : ObjectSpace::kSession;
  ObjectName out = FirstOfRest(full, at, space);
  out.session = of;
  return out;
}

// Behind "\??\UNC", "\Device\Mup": "\server\pipe\x".
ObjectName Redirector(WView full, Cursor at) {
  while (!at.AtEnd() &&
         (EqualFolded(at.Peek(), u"LanmanRedirector") || (!at.Peek().empty() && at.Peek()[0] == u';')))
    at.Take();
  ObjectName out = WholeRest(full, at, ObjectSpace::kRemote);
  if (at.AtEnd()) return ObjectName();
  at.Take();  // the server
  if (at.TakeIf(u"pipe") || at.TakeIf(u"mailslot") || at.TakeIf(u"IPC$")) return out;
  return ObjectName();
}

// True if the rest is to be parsed from the object manager's root again.
bool DosDevices(WView full, Cursor* at, ObjectName* out) {
  for (;;) {
    if (at->TakeIf(u"Global")) continue;
    if (at->TakeIf(u"GLOBALROOT")) return true;
    break;
  }
  *out = ObjectName();
  if (at->TakeIf(u"PIPE")) {
    *out = WholeRest(full, *at, ObjectSpace::kPipe);
  } else if (at->TakeIf(u"MAILSLOT")) {
    *out = WholeRest(full, *at, ObjectSpace::kMailslot);
  } else if (at->TakeIf(u"UNC")) {
    *out = Redirector(full, *at);
  }
  return false;
}

// Behind "\Sessions". True: parse on as DOS devices.
bool Sessions(WView full, Cursor* at, uint32_t own, ObjectName* out) {
  Cursor rest = *at;
  uint32_t number;
  if (rest.TakeIf(u"BNOLINKS")) {
    if (Number(rest.Peek(), &number)) {
      rest.Take();
      *out = BaseNamedObjects(full, rest, number, own);
      return false;
    }
  } else if (Number(rest.Peek(), &number)) {
    rest.Take();
    if (rest.TakeIf(u"BaseNamedObjects")) {
      *out = BaseNamedObjects(full, rest, number, own);
      return false;
    }
    if (rest.TakeIf(u"AppContainerNamedObjects") && !rest.AtEnd()) {
      rest.Take();  // the container
      *out = BaseNamedObjects(full, rest, number, own);
      return false;
    }
    if (rest.TakeIf(u"DosDevices") && !rest.AtEnd()) {
      rest.Take();  // the logon session
      *at = rest;
      return true;
    }
  }
  *out = ObjectName();
  return false;
}

}  // namespace

ObjectName ParseObjectName(WView full, uint32_t session) {
  if (full.empty() || full[0] != u'\\') return ObjectName();
  Cursor at(full);
  for (;;) {
    ObjectName out;
    const Cursor top = at;
    if (at.TakeIf(u"BaseNamedObjects")) return BaseNamedObjects(full, at, 0, session);
    bool dos = false;
    if (at.TakeIf(u"Sessions")) {
      dos = Sessions(full, &at, session, &out);
      if (!dos) return out.space == ObjectSpace::kOther ? FirstOfRest(full, top, ObjectSpace::kRoot) : out;
    }
    if (dos || at.TakeIf(u"??") || at.TakeIf(u"DosDevices") || at.TakeIf(u"GLOBAL??")) {
      if (DosDevices(full, &at, &out)) continue;
      return out;
    }
    if (at.TakeIf(u"RPC Control")) return FirstOfRest(full, at, ObjectSpace::kPort);
    if (at.TakeIf(u"Device")) {
      if (at.TakeIf(u"NamedPipe")) return WholeRest(full, at, ObjectSpace::kPipe);
      if (at.TakeIf(u"Mailslot")) return WholeRest(full, at, ObjectSpace::kMailslot);
      if (at.TakeIf(u"Mup") || at.TakeIf(u"LanmanRedirector")) return Redirector(full, at);
      return ObjectName();
    }
    if (EqualFolded(at.Peek(), u"REGISTRY") || EqualFolded(at.Peek(), u"SystemRoot")) return ObjectName();
    return FirstOfRest(full, at, ObjectSpace::kRoot);
  }
}

size_t WriteObjectName(WView full, const ObjectName& name, size_t length, std::span<char16_t> out) {
  static constexpr WView kPrefixes[] = {u"",           u"Local\\", u"Global\\", u"Session\\", u"Pipe\\",
                                        u"Mailslot\\", u"Port\\",  u"Remote\\", u"Root\\"};
  const WView prefix = kPrefixes[static_cast<size_t>(name.space)];
  if (prefix.empty() || length < name.begin || out.size() < length - name.begin + kObjectPrefixUnits)
    return 0;
  size_t used = 0;
  auto add = [&](WView text) {
    for (char16_t c : text) out[used++] = c;
  };
  add(prefix);
  if (name.space == ObjectSpace::kSession) {
    char16_t digits[11];
    size_t n = 0;
    for (uint32_t s = name.session; n == 0 || s; s /= 10) digits[n++] = static_cast<char16_t>(u'0' + s % 10);
    while (n) out[used++] = digits[--n];
    add(u"\\");
  }
  add(Sub(full, name.begin, length - name.begin));
  return used;
}

ObjectMark MakeObjectMark(WView vm_key) {
  ObjectMark out;
  size_t at = 0;
  for (char16_t c : kMarkPrefix) out.text[at++] = c;
  uint64_t hash = HashRoot(vm_key);
  for (size_t i = 0; i < kMarkDigits; ++i, hash <<= 4) out.text[at++] = u"0123456789abcdef"[hash >> 60];
  return out;
}

bool IsMarked(WView component) {
  if (component.size() < kObjectMarkUnits) return false;
  const WView tail = Sub(component, component.size() - kObjectMarkUnits, kObjectMarkUnits);
  if (!EqualFolded(Sub(tail, 0, kMarkPrefix.size()), kMarkPrefix)) return false;
  for (char16_t c : Sub(tail, kMarkPrefix.size(), kMarkDigits)) {
    const char16_t up = Upcase(c);
    if (!((up >= u'0' && up <= u'9') || (up >= u'A' && up <= u'F'))) return false;
  }
  return true;
}

bool HasMark(WView component, const ObjectMark& mark) {
  return component.size() >= kObjectMarkUnits &&
         Sub(component, component.size() - kObjectMarkUnits, kObjectMarkUnits) == mark.View();
}

ObjectAction DecideObject(const ObjectName& name, WView canonical, std::span<const NameRule> rules,
                          const NameRule** rule) {
  if (rule) *rule = nullptr;
  if (name.space == ObjectSpace::kOther || name.container) return ObjectAction::kPass;
  const NameRule* found = FindNameRule(rules, canonical);
  if (rule) *rule = found;
  const Mode mode = found ? found->mode : Mode::kPrivate;
  if (mode == Mode::kDeny) return ObjectAction::kRefuse;
  const bool host = mode == Mode::kHost && !IsMarked(canonical);
  // What lies behind the redirector cannot be renamed.
  if (name.space == ObjectSpace::kRemote) return host ? ObjectAction::kPass : ObjectAction::kRefuse;
  return host ? ObjectAction::kPass : ObjectAction::kMark;
}

bool FindOwnMark(WView real, uint32_t session, const ObjectMark& mark, size_t* begin) {
  const ObjectName name = ParseObjectName(real, session);
  if (name.space == ObjectSpace::kOther || name.container) return false;
  if (!HasMark(Sub(real, name.begin, name.mark - name.begin), mark)) return false;
  *begin = name.mark - kObjectMarkUnits;
  return true;
}

EntryLook LookOfEntry(WView directory, WView entry, uint32_t session, const ObjectMark& mark,
                      std::span<const NameRule> rules, std::span<char16_t> scratch) {
  if (directory.empty()) return EntryLook::kAsIs;
  const size_t length = directory.size() + 1 + entry.size();
  if (scratch.size() < 2 * (length + kObjectPrefixUnits)) return EntryLook::kHidden;
  size_t used = 0;
  for (char16_t c : directory) scratch[used++] = c;
  if (directory.back() != u'\\') scratch[used++] = u'\\';
  const size_t own = used;
  for (char16_t c : entry) scratch[used++] = c;
  const WView full(scratch.data(), used);
  const ObjectName name = ParseObjectName(full, session);
  if (name.space == ObjectSpace::kOther || name.container) return EntryLook::kAsIs;
  // In a directory that is somebody's own everything is.
  if (name.mark <= own) return EntryLook::kAsIs;
  const WView component = Sub(full, name.begin, name.mark - name.begin);
  if (HasMark(component, mark)) return EntryLook::kWithoutMark;
  if (IsMarked(component)) return EntryLook::kHidden;
  const std::span<char16_t> room = scratch.subspan(used);
  const size_t n = WriteObjectName(full, name, name.mark, room);
  if (n == 0) return EntryLook::kHidden;
  return DecideObject(name, WView(room.data(), n), rules) == ObjectAction::kPass ? EntryLook::kAsIs
                                                                                 : EntryLook::kHidden;
}

bool MayBeLinkTarget(const ObjectName& target, ObjectAction action) {
  if (target.container || action == ObjectAction::kRefuse) return false;
  switch (target.space) {
    case ObjectSpace::kLocal:
    case ObjectSpace::kGlobal:
    case ObjectSpace::kSession:
    case ObjectSpace::kPort:
      return true;
    case ObjectSpace::kRoot:
      return action == ObjectAction::kMark;
    default:
      return false;
  }
}

}  // namespace plume::view
