#include "view/path.h"

namespace plume::view {
namespace {

constexpr size_t kMaxNameUnits = 255;  // of one component, on NTFS and in the registry

WView From(WView s, size_t pos) { return Sub(s, pos, s.size() - pos); }
bool StartsWithFolded(WView s, WView prefix) {
  return s.size() >= prefix.size() && EqualFolded(Sub(s, 0, prefix.size()), prefix);
}

// If `name` is `prefix` or an object below it, gives what follows ("" or "\...").
bool Strip(WView name, WView prefix, WView* rest) {
  if (!StartsWithFolded(name, prefix)) return false;
  if (name.size() > prefix.size() && name[prefix.size()] != u'\\') return false;
  *rest = From(name, prefix.size());
  return true;
}

// Takes the next component off `*rest` ("\a\b" -> "a"). REQUIRES rest to begin with a backslash.
WView TakeComponent(WView* rest) {
  size_t end = 1;
  while (end < rest->size() && (*rest)[end] != u'\\') ++end;
  const WView name = Sub(*rest, 1, end - 1);
  *rest = From(*rest, end);
  return name;
}

// Bits of the units below U+0080 that a component cannot have: control characters and " * / : < > ? \\ |
constexpr uint32_t Bit(char c, int word) { return c / 32 == word ? 1u << (c % 32) : 0u; }
constexpr uint32_t IllegalIn(int word) {
  uint32_t bits = word == 0 ? 0xffffffffu : 0u;
  for (char c : {'"', '*', '/', ':', '<', '>', '?', '\\', '|'}) bits |= Bit(c, word);
  return bits;
}
constexpr uint32_t kIllegal[4] = {IllegalIn(0), IllegalIn(1), IllegalIn(2), IllegalIn(3)};

bool IsLetter(char16_t c) { return Upcase(c) >= u'A' && Upcase(c) <= u'Z'; }

// Writes a canonical path piece by piece.
class Builder {
 public:
  Builder(std::span<char16_t> storage, VPath* out) : storage_(storage), out_(out) {
    if (storage_.size() > kMaxPathUnits) storage_ = storage_.first(kMaxPathUnits);
  }

  bool Root(WView root) {
    if (root.size() > storage_.size()) return false;
    for (char16_t c : root) storage_[used_++] = c;
    out_->depth = 0;
    out_->end[0] = static_cast<uint16_t>(used_);
    out_->hash[0] = HashRoot(root);
    return true;
  }
  bool Drive(char16_t letter) {
    const char16_t root[2] = {Upcase(letter), u':'};
    return Root(WView(root, 2));
  }
  bool Base(const VPath& base) {
    if (base.text.size() > storage_.size()) return false;
    if (storage_.data() != base.text.data()) {
      for (size_t i = 0; i < base.text.size(); ++i) storage_[i] = base.text[i];
    }
    used_ = base.text.size();
    if (out_ == &base) return true;
    out_->depth = base.depth;
    for (int i = 0; i <= base.depth; ++i) {
      out_->end[i] = base.end[i];
      out_->hash[i] = base.hash[i];
    }
    return true;
  }
  bool Add(WView name) {
    if (out_->depth == kMaxDepth || storage_.size() - used_ < name.size() + 1) return false;
    storage_[used_++] = u'\\';
    for (char16_t c : name) storage_[used_++] = c;
    const int i = ++out_->depth;
    out_->end[i] = static_cast<uint16_t>(used_);
    out_->hash[i] = HashAppend(out_->hash[i - 1], name);
    return true;
  }
  NameKind Done(NameKind kind, bool trailing_backslash) {
    out_->text = WView(storage_.data(), used_);
    out_->trailing_backslash = trailing_backslash;
    return kind;
  }

 private:
  std::span<char16_t> storage_;
  size_t used_ = 0;
  VPath* out_;
};

// "x::$DATA" and "d:$I30:$INDEX_ALLOCATION" are other spellings of x and d. False for any other stream.
bool StripDefaultStream(WView* name) {
  size_t colon = 0;
  while (colon < name->size() && (*name)[colon] != u':') ++colon;
  if (colon == name->size()) return true;
  const WView stream = From(*name, colon);
  *name = Sub(*name, 0, colon);
  return EqualFolded(stream, u"::$DATA") || EqualFolded(stream, u"::$INDEX_ALLOCATION") ||
         EqualFolded(stream, u":$I30:$INDEX_ALLOCATION");
}

// Adds "\a\b\" (or "") to a file path.
bool AddFileNames(WView rest, Builder* builder, bool* trailing_backslash) {
  *trailing_backslash = false;
  while (!rest.empty()) {
    WView name = TakeComponent(&rest);
    if (name.empty() && rest.empty()) {
      *trailing_backslash = true;
      return true;
    }
    if (rest.empty() && !StripDefaultStream(&name)) return false;
    if (!IsLegalFileName(name) || !builder->Add(name)) return false;
  }
  return true;
}

// Adds "\a\b\" (or "") to a key path.
bool AddKeyNames(WView rest, Builder* builder) {
  while (!rest.empty()) {
    const WView name = TakeComponent(&rest);
    if (name.empty()) continue;
    if (name.size() > kMaxNameUnits || !builder->Add(name)) return false;
  }
  return true;
}

NameKind ParseOnDrive(char16_t letter, WView rest, std::span<char16_t> storage, VPath* out) {
  if (rest.empty()) return NameKind::kVolume;
  if (rest.size() > 1 && rest[1] == u'\\') rest = From(rest, 1);  // "C:\\x", as FAT and NTFS drivers forgive
  Builder builder(storage, out);
  bool trailing = false;
  if (!builder.Drive(letter) || !AddFileNames(rest, &builder, &trailing)) return NameKind::kInvalid;
  return builder.Done(NameKind::kDrivePath, trailing);
}

NameKind ParseBelowSystemRoot(WView system_root, WView rest, std::span<char16_t> storage, VPath* out) {
  Builder builder(storage, out);
  bool trailing = false;
  if (system_root.size() < 2 || !builder.Drive(system_root[0]) ||
      !AddFileNames(From(system_root, 2), &builder, &trailing) || !AddFileNames(rest, &builder, &trailing)) {
    return NameKind::kInvalid;
  }
  return builder.Done(NameKind::kDrivePath, trailing);
}

// If `nt` names a directory of DOS devices or something in it, gives what follows the directory.
bool StripDosDevices(WView nt, WView* rest) {
  if (Strip(nt, u"\\??", rest) || Strip(nt, u"\\DosDevices", rest) || Strip(nt, u"\\GLOBAL??", rest))
    return true;
  // \Sessions\<session>\DosDevices\<logon id>: a logon's own directory by its full name.
  if (!Strip(nt, u"\\Sessions", rest) || rest->empty()) return false;
  TakeComponent(rest);
  if (!Strip(*rest, u"\\DosDevices", rest) || rest->empty()) return false;
  TakeComponent(rest);
  return true;
}

// "\server\share\x" of a network path: a drive's administrative share on this machine is the drive under
// another name.
NameKind ParseNetworkName(WView rest, std::span<char16_t> storage, VPath* out) {
  if (rest.empty()) return NameKind::kUnc;
  const WView server = TakeComponent(&rest);
  const bool local = EqualFolded(server, u"localhost") || EqualFolded(server, u"127.0.0.1") ||
                     EqualFolded(server, u"0--1.ipv6-literal.net");
  if (!local || rest.empty()) return NameKind::kUnc;
  const WView share = TakeComponent(&rest);
  if (share.size() != 2 || !IsLetter(share[0]) || share[1] != u'$') return NameKind::kUnc;
  return ParseOnDrive(share[0], rest.empty() ? WView(u"\\") : rest, storage, out);
}

// A name in a directory of DOS devices: "C:\x", "UNC\...", "pipe\...".
NameKind ParseDosName(WView dos, const NameTable& table, std::span<char16_t> storage, VPath* out) {
  WView rest;
  if (dos.size() >= 2 && dos[1] == u':' && IsLetter(dos[0]) && (dos.size() == 2 || dos[2] == u'\\')) {
    return ParseOnDrive(dos[0], From(dos, 2), storage, out);
  }
  if (Strip(dos, u"UNC", &rest)) return ParseNetworkName(rest, storage, out);
  if (Strip(dos, u"PIPE", &rest)) return NameKind::kPipe;
  if (Strip(dos, u"MAILSLOT", &rest)) return NameKind::kMailslot;
  for (const NameTable::Volume& v : table.volumes) {  // "\??\Volume{...}"
    if (v.letter != 0 && StartsWithFolded(v.device, u"\\??\\") && Strip(dos, From(v.device, 4), &rest)) {
      return ParseOnDrive(v.letter, rest, storage, out);
    }
  }
  // Wine's devices are files in a folder, where a name with more components leads on from there.
  size_t end = 0;
  while (end < dos.size() && dos[end] != u'\\') ++end;
  const WView first = Sub(dos, 0, end);
  if (first == u"." || first == u"..") return NameKind::kInvalid;
  if (StartsWithFolded(first, u"unix") && (first.size() == 4 || first[4] == u'/')) return NameKind::kUnix;
  return end == dos.size() ? NameKind::kDevice : NameKind::kDeviceFolder;
}

NameKind ParseDevice(WView nt, const NameTable& table, std::span<char16_t> storage, VPath* out) {
  WView rest;
  for (const NameTable::Volume& v : table.volumes) {
    if (v.letter != 0 && !v.device.empty() && Strip(nt, v.device, &rest)) {
      return ParseOnDrive(v.letter, rest, storage, out);
    }
  }
  for (WView name : {WView(u"\\Device\\Mup"), WView(u"\\Device\\LanmanRedirector"),
                     WView(u"\\Device\\WebDavRedirector")}) {
    if (Strip(nt, name, &rest)) return ParseNetworkName(rest, storage, out);
  }
  if (Strip(nt, u"\\Device\\NamedPipe", &rest)) return NameKind::kPipe;
  if (Strip(nt, u"\\Device\\Mailslot", &rest)) return NameKind::kMailslot;
  return NameKind::kDevice;
}

}  // namespace

bool EqualFolded(WView a, WView b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && Upcase(a[i]) != Upcase(b[i])) return false;
  }
  return true;
}

int CompareFolded(WView a, WView b) {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  for (size_t i = 0; i < n; ++i) {
    if (a[i] == b[i]) continue;
    const int difference = int{Upcase(a[i])} - int{Upcase(b[i])};
    if (difference != 0) return difference;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

bool IsLegalFileName(WView name) {
  if (name.empty() || name.size() > kMaxNameUnits) return false;
  if (name[0] == u'.' && (name.size() == 1 || (name.size() == 2 && name[1] == u'.'))) return false;
  for (char16_t c : name) {
    if (c < 0x80 && (kIllegal[c >> 5] >> (c & 31) & 1) != 0) return false;
  }
  return true;
}

NameKind ParseFileName(WView nt, const NameTable& table, std::span<char16_t> storage, VPath* out) {
  while (true) {
    if (nt.empty() || nt[0] != u'\\') return NameKind::kInvalid;
    WView rest;
    if (Strip(nt, u"\\SystemRoot", &rest)) return ParseBelowSystemRoot(table.system_root, rest, storage, out);
    if (!StripDosDevices(nt, &rest)) return ParseDevice(nt, table, storage, out);
    if (rest.size() <= 1) return NameKind::kDevice;  // the directory of devices itself
    WView dos = From(rest, 1);
    while (Strip(dos, u"Global", &rest) && rest.size() > 1) dos = From(rest, 1);
    if (dos[0] == u'\\') return NameKind::kInvalid;
    if (!Strip(dos, u"GLOBALROOT", &rest)) return ParseDosName(dos, table, storage, out);
    if (rest.size() <= 1) return NameKind::kDevice;
    nt = rest;  // shorter than before, so this ends
  }
}

WView DeviceName(WView nt, bool* dos) {
  while (true) {
    WView rest;
    *dos = StripDosDevices(nt, &rest);
    if (!*dos) return nt;
    if (rest.size() <= 1) return WView();
    WView name = From(rest, 1);
    while (Strip(name, u"Global", &rest) && rest.size() > 1) name = From(rest, 1);
    if (!Strip(name, u"GLOBALROOT", &rest) || rest.size() <= 1) return name;
    nt = rest;
  }
}

NameKind ParseRelative(const VPath& base, WView relative, std::span<char16_t> storage, VPath* out) {
  const bool is_file = base.text.size() >= 2 && base.text[1] == u':';
  const NameKind kind = is_file ? NameKind::kDrivePath : NameKind::kKeyPath;
  Builder builder(storage, out);
  if (!builder.Base(base)) return NameKind::kInvalid;
  if (relative.empty()) return builder.Done(kind, false);
  if (relative[0] == u'\\') return NameKind::kInvalid;
  // The first name by itself: it has no separator in front of it.
  size_t first = 0;
  while (first < relative.size() && relative[first] != u'\\') ++first;
  WView name = Sub(relative, 0, first), rest = From(relative, first);
  if (is_file && rest.empty() && !StripDefaultStream(&name)) return NameKind::kInvalid;
  if (is_file ? !IsLegalFileName(name) : name.size() > kMaxNameUnits) return NameKind::kInvalid;
  if (!builder.Add(name)) return NameKind::kInvalid;
  bool trailing = false;
  if (is_file ? !AddFileNames(rest, &builder, &trailing) : !AddKeyNames(rest, &builder))
    return NameKind::kInvalid;
  return builder.Done(kind, trailing);
}

NameKind ParseKeyName(WView nt, std::span<char16_t> storage, VPath* out) {
  if (nt.empty() || nt[0] != u'\\') return NameKind::kInvalid;
  WView rest;
  if (!Strip(nt, u"\\REGISTRY", &rest)) return NameKind::kDevice;
  while (rest.size() > 1 && rest[1] == u'\\') rest = From(rest, 1);
  if (rest.size() <= 1) return NameKind::kRegistryRoot;
  const WView hive = TakeComponent(&rest);
  const bool machine = EqualFolded(hive, u"MACHINE");
  if (!machine && !EqualFolded(hive, u"USER")) return NameKind::kDevice;
  Builder builder(storage, out);
  if (!builder.Root(machine ? WView(u"M") : WView(u"U"))) return NameKind::kInvalid;
  if (!machine) {
    while (rest.size() > 1 && rest[1] == u'\\') rest = From(rest, 1);
    constexpr WView kSid = u"S-1-", kClasses = u"_Classes";
    WView after = rest;
    const WView user = rest.empty() ? rest : TakeComponent(&after);
    if (user.size() > kSid.size() + kClasses.size() && StartsWithFolded(user, kSid) &&
        EqualFolded(From(user, user.size() - kClasses.size()), kClasses)) {
      if (!builder.Add(Sub(user, 0, user.size() - kClasses.size())) || !builder.Add(u"Software") ||
          !builder.Add(u"Classes")) {
        return NameKind::kInvalid;
      }
      rest = after;
    }
  }
  return AddKeyNames(rest, &builder) ? builder.Done(NameKind::kKeyPath, false) : NameKind::kInvalid;
}

NameKind ParseCanonical(WView text, std::span<char16_t> storage, VPath* out) {
  if (text.empty()) return NameKind::kInvalid;
  const bool is_file = text.size() >= 2 && text[1] == u':' && IsLetter(text[0]);
  const size_t root = is_file ? 2 : 1;
  if (!is_file && Upcase(text[0]) != u'M' && Upcase(text[0]) != u'U') return NameKind::kInvalid;
  if (text.size() > root && text[root] != u'\\') return NameKind::kInvalid;
  Builder builder(storage, out);
  const char16_t hive = Upcase(text[0]);
  if (is_file ? !builder.Drive(text[0]) : !builder.Root(WView(&hive, 1))) return NameKind::kInvalid;
  WView rest = From(text, root);
  while (!rest.empty()) {
    const WView name = TakeComponent(&rest);
    const bool legal = is_file ? IsLegalFileName(name) : !name.empty() && name.size() <= kMaxNameUnits;
    if (!legal || !builder.Add(name)) return NameKind::kInvalid;
  }
  return builder.Done(is_file ? NameKind::kDrivePath : NameKind::kKeyPath, false);
}

bool HasPrefix(const VPath& path, WView prefix) {
  if (prefix.empty()) return true;
  if (prefix.size() > path.text.size()) return false;
  if (path.text.size() > prefix.size() && path.text[prefix.size()] != u'\\') return false;
  return EqualFolded(Sub(path.text, 0, prefix.size()), prefix);
}

}  // namespace plume::view
