// Canonical virtual paths: parse once at the edge, then pass proofs. Pure and freestanding.
//
// A VPath can only be made by the parsers below. Its text has no NT prefix, no trailing backslash, no "." or
// ".." and no doubled separators; case is kept, comparison and hashing fold by NT's upcase table
// (base/upcase.h).
//   files:     "C:"  "C:\Program Files\A\x.txt"
//   registry:  "M\Software\X"  (\REGISTRY\MACHINE)   "U\S-1-5-21-...\Software"  (\REGISTRY\USER)   "M"  "U"
// Component 0 is the root ("C:", "M", "U"); depth counts the components below it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/upcase.h"

namespace plume::view {

using WView = std::u16string_view;
// substr without the throwing check (which would not link freestanding). REQUIRES pos + n <= s.size().
inline WView Sub(WView s, size_t pos, size_t n) { return WView(s.data() + pos, n); }

inline constexpr int kMaxDepth = 255;
inline constexpr size_t kMaxPathUnits = 32767;

// What a name handed to the system is. Only kDrivePath and kKeyPath are virtualized; the rest passes or is
// refused by table.
enum class NameKind : uint8_t {
  kDrivePath,  // a file or directory on a drive letter
  kKeyPath,    // a registry key below \REGISTRY\MACHINE or \REGISTRY\USER
  kVolume,     // \??\C: without a backslash: the volume device itself
  kUnc,        // \??\UNC\..., \Device\Mup\...
  kPipe,
  kMailslot,
  kUnix,  // Wine: \??\unix\x, a path of the Unix file system; the system knows the drive that leads there
  kDeviceFolder,  // \??\NAME\x with a NAME that is not known: Wine looks for a folder of that name
  kDevice,        // any other device or object name
  kRegistryRoot,  // \REGISTRY itself
  kInvalid,       // malformed: refused with STATUS_OBJECT_NAME_INVALID, never passed on
};

struct VPath {
  WView text;  // canonical text, in storage owned by the caller of the parser
  uint16_t depth = 0;
  bool trailing_backslash = false;  // the caller wrote one (legal for directories only)
  uint16_t end[kMaxDepth + 1];      // end[i]: length of text covering the root and the first i components
  uint64_t hash[kMaxDepth + 1];     // hash[i]: folded hash of that prefix

  WView Prefix(int components) const { return Sub(text, 0, end[components]); }
  WView Name() const {  // last component ("C:" for a root)
    return depth == 0 ? text : Sub(text, end[depth - 1] + 1u, text.size() - end[depth - 1] - 1);
  }
};

// Case folding and hashing by NT rules. HashAppend(HashRoot(u"C:"), u"x") is the hash of "C:\x": FNV-1a over
// the upcased units, so a child's hash continues its directory's. Inline: every virtualized call hashes its
// path.
inline char16_t Upcase(char16_t c) { return NtUpcase(c); }
bool EqualFolded(WView a, WView b);
int CompareFolded(WView a, WView b);  // by upcased code units, as NTFS sorts; <0, 0, >0
inline uint64_t HashUnit(uint64_t h, char16_t c) { return (h ^ Upcase(c)) * 0x100000001b3u; }
inline uint64_t HashRoot(WView root) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char16_t c : root) h = HashUnit(h, c);
  return h;
}
inline uint64_t HashAppend(uint64_t parent, WView name) {  // adds "\" and the folded name
  uint64_t h = HashUnit(parent, u'\\');
  for (char16_t c : name) h = HashUnit(h, c);
  return h;
}

// Facts about the platform's name space that the parser needs.
struct NameTable {
  WView system_root;  // what \SystemRoot means, e.g. "C:\windows"
  // \Device\HarddiskVolumeN -> drive letter; entries may be empty.
  struct Volume {
    WView device;
    char16_t letter;
  };
  std::span<const Volume> volumes;
};

// Parses an absolute NT file name as given to NtCreateFile: every prefix of docs/nt-compat.md
// (\??\X, \DosDevices\X, \GLOBAL??\X, \Sessions\N\DosDevices\LUID\X, \??\GLOBALROOT\X, \??\Global\X,
// \Device\HarddiskVolumeN, \SystemRoot; any case, nested). The text stays as written but for the drive
// letter, which becomes upper case. `storage` receives the canonical text and must outlive `out`. Never
// allocates. The administrative share of a drive of this machine (\??\UNC\localhost\C$) is that drive. `out`
// is only meaningful for kDrivePath. kInvalid: "." and "..", doubled separators (one doubled after the drive
// is forgiven, as Windows' file systems do), illegal characters, wildcards, a component over 255 units, more
// than kMaxPathUnits or storage, more than kMaxDepth components, and named streams: the file space has none
// (docs/nt-compat.md); the unnamed "x::$DATA" is x.
NameKind ParseFileName(WView nt, const NameTable& table, std::span<char16_t> storage, VPath* out);

// What a name that is no path names, for rules about devices: a name in the directory of DOS devices ("COM1",
// "C:", "PhysicalDrive0"; *dos), however that directory was spelled, or an absolute NT name
// ("\Device\Serial0"). A part of `nt`; empty for the directory itself.
WView DeviceName(WView nt, bool* dos);

// Appends `relative` (may be empty; as in OBJECT_ATTRIBUTES with a RootDirectory) to `base`, a file or a key
// path: kDrivePath, kKeyPath or kInvalid (also for a leading backslash). `out` may be `&base` if `storage` is
// base's own.
NameKind ParseRelative(const VPath& base, WView relative, std::span<char16_t> storage, VPath* out);

// Parses an absolute registry name. Normalises the links that are fixed by the system: CurrentControlSet
// stays as written, \REGISTRY\USER\<sid>_Classes becomes U\<sid>\Software\Classes. Doubled separators
// collapse, as Windows' registry parser does. Roots other than MACHINE and USER, and names outside \REGISTRY,
// are kDevice.
NameKind ParseKeyName(WView nt, std::span<char16_t> storage, VPath* out);

// Parses canonical text ("C:\x", "M\Software") again, e.g. from the view, a policy or the command line.
// Strict: no trailing or doubled separators.
NameKind ParseCanonical(WView text, std::span<char16_t> storage, VPath* out);

// True if `name` may be one component of a file path.
bool IsLegalFileName(WView name);

// True if `prefix` (canonical text; "" is a prefix of everything) is `path` or an ancestor of it.
bool HasPrefix(const VPath& path, WView prefix);

}  // namespace plume::view
