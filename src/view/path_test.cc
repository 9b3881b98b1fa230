#include "view/path.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/utf16.h"

namespace plume::view {
namespace {

std::array<char16_t, kMaxPathUnits> storage;
VPath path;

constexpr NameTable::Volume kVolumes[] = {{u"\\Device\\HarddiskVolume3", u'C'},
                                          {u"\\Device\\HarddiskVolume31", u'E'},
                                          {u"\\??\\Volume{0a}", u'D'},
                                          {u"", u'F'},
                                          {u"\\Device\\HarddiskVolume9", 0}};
const NameTable kTable = {u"C:\\windows", kVolumes};

// "kind text" of what a parser said, for tables.
std::string Show(NameKind kind) {
  switch (kind) {
    case NameKind::kDrivePath:
      return "drive " + ToUtf8(path.text) + (path.trailing_backslash ? " /" : "");
    case NameKind::kKeyPath:
      return "key " + ToUtf8(path.text);
    case NameKind::kVolume:
      return "volume";
    case NameKind::kUnc:
      return "unc";
    case NameKind::kPipe:
      return "pipe";
    case NameKind::kMailslot:
      return "mailslot";
    case NameKind::kUnix:
      return "unix";
    case NameKind::kDeviceFolder:
      return "device folder";
    case NameKind::kDevice:
      return "device";
    case NameKind::kRegistryRoot:
      return "registry root";
    case NameKind::kInvalid:
      return "invalid";
  }
  return "?";
}

std::string File(WView nt) { return Show(ParseFileName(nt, kTable, storage, &path)); }
std::string Key(WView nt) { return Show(ParseKeyName(nt, storage, &path)); }
std::string Canonical(WView text) { return Show(ParseCanonical(text, storage, &path)); }

struct Row {
  WView name;
  const char* expected;
};

TEST(ParseFileName, EveryPrefix) {
  const Row rows[] = {
      {u"\\??\\C:\\Program Files\\a.txt", "drive C:\\Program Files\\a.txt"},
      {u"\\??\\c:\\x", "drive C:\\x"},
      {u"\\DosDevices\\C:\\x", "drive C:\\x"},
      {u"\\DOSDEVICES\\C:\\x", "drive C:\\x"},
      {u"\\GLOBAL??\\C:\\x", "drive C:\\x"},
      {u"\\global??\\C:\\x", "drive C:\\x"},
      {u"\\??\\Global\\C:\\x", "drive C:\\x"},
      {u"\\??\\GLOBAL\\global\\C:\\x", "drive C:\\x"},
      {u"\\??\\GLOBALROOT\\??\\C:\\x", "drive C:\\x"},
      {u"\\??\\Global\\GlobalRoot\\DosDevices\\Global\\GLOBALROOT\\GLOBAL??\\z:\\x", "drive Z:\\x"},
      {u"\\??\\GLOBALROOT\\Device\\HarddiskVolume3\\x", "drive C:\\x"},
      {u"\\Device\\HarddiskVolume3\\a\\b", "drive C:\\a\\b"},
      {u"\\device\\harddiskvolume3\\a", "drive C:\\a"},
      {u"\\Device\\HarddiskVolume31\\a", "drive E:\\a"},
      {u"\\Device\\HarddiskVolume3", "volume"},
      {u"\\Device\\HarddiskVolume3\\", "drive C: /"},
      {u"\\Device\\HarddiskVolume4\\a", "device"},
      {u"\\Device\\HarddiskVolume9\\a", "device"},
      {u"\\??\\Volume{0A}\\x", "drive D:\\x"},
      {u"\\??\\Volume{0A}", "volume"},
      {u"\\??\\Volume{0B}\\x", "device folder"},
      {u"\\??\\Volume{0B}", "device"},
      {u"\\SystemRoot\\system32\\a.dll", "drive C:\\windows\\system32\\a.dll"},
      {u"\\systemroot", "drive C:\\windows"},
      {u"\\SystemRoot\\", "drive C:\\windows /"},
      {u"\\SystemRootX\\a", "device"},
      {u"\\??\\GLOBALROOT\\SystemRoot\\a", "drive C:\\windows\\a"},
      {u"\\Sessions\\0\\DosDevices\\00000000-0003e7f0\\C:\\x", "drive C:\\x"},
      {u"\\Sessions\\0\\DosDevices\\00000000-0003e7f0\\Global\\C:\\x", "drive C:\\x"},
      {u"\\Sessions\\0\\DosDevices\\00000000-0003e7f0", "device"},
      {u"\\Sessions\\0\\DosDevices", "device"},
      {u"\\Sessions\\1\\BaseNamedObjects\\x", "device"},
      {u"\\??\\C:", "volume"},
      {u"\\??\\C:\\", "drive C: /"},
      {u"\\??\\C:\\a\\", "drive C:\\a /"},
      {u"\\??\\C:x", "device"},
      {u"\\??\\1:\\x", "device folder"},
      {u"\\??\\UNC\\srv\\share\\x", "unc"},
      {u"\\??\\unc", "unc"},
      {u"\\??\\UNCLE", "device"},
      {u"\\??\\UNC\\LOCALHOST\\c$\\x", "drive C:\\x"},
      {u"\\??\\UNC\\127.0.0.1\\D$", "drive D: /"},
      {u"\\??\\UNC\\localhost\\C$\\a\\..\\b", "invalid"},
      {u"\\??\\UNC\\localhost\\share\\x", "unc"},
      {u"\\??\\UNC\\localhost\\CD$\\x", "unc"},
      {u"\\??\\UNC\\localhost", "unc"},
      {u"\\??\\UNC\\srv\\C$\\x", "unc"},
      {u"\\??\\UNC\\", "unc"},
      {u"\\Device\\Mup\\localhost\\C$\\x", "drive C:\\x"},
      {u"\\Device\\Mup\\srv\\x", "unc"},
      {u"\\Device\\LanmanRedirector\\;Z:1\\srv", "unc"},
      {u"\\??\\pipe\\a\\b", "pipe"},
      {u"\\??\\PIPE\\", "pipe"},
      {u"\\Device\\NamedPipe\\x", "pipe"},
      {u"\\??\\mailslot\\x", "mailslot"},
      {u"\\Device\\Mailslot\\x", "mailslot"},
      {u"\\??\\NUL", "device"},
      {u"\\??\\MountPointManager", "device"},
      {u"\\??\\unix\\etc\\passwd", "unix"},
      {u"\\DosDevices\\UNIX/etc/passwd", "unix"},
      {u"\\??\\unix", "unix"},
      {u"\\??\\unixoid", "device"},
      {u"\\??\\unixoid\\x", "device folder"},
      {u"\\??\\..\\drive_c\\x", "invalid"},
      {u"\\??\\.\\c:\\x", "invalid"},
      {u"\\??\\..", "invalid"},
      {u"\\??\\GLOBALROOT\\??\\..\\x", "invalid"},
      {u"\\??\\com1\\x", "device folder"},
      {u"\\??\\C:x\\y", "device folder"},
      {u"\\??\\", "device"},
      {u"\\??", "device"},
      {u"\\??\\Global", "device"},
      {u"\\??\\Global\\", "device folder"},
      {u"\\??\\GLOBALROOT", "device"},
      {u"\\??\\GLOBALROOT\\", "device"},
      {u"\\Device\\ConDrv", "device"},
      {u"\\KnownDlls\\ntdll.dll", "device"},
      {u"", "invalid"},
      {u"C:\\x", "invalid"},
      {u"\\??\\\\C:\\x", "invalid"},
  };
  for (const Row& row : rows) EXPECT_EQ(File(row.name), row.expected) << ToUtf8(row.name);
}

TEST(ParseFileName, Components) {
  const Row rows[] = {
      {u"\\??\\C:\\\\a", "drive C:\\a"},      {u"\\??\\C:\\\\\\a", "invalid"},
      {u"\\??\\C:\\\\", "drive C: /"},        {u"\\??\\C:\\a\\\\b", "invalid"},
      {u"\\??\\C:\\a\\\\", "invalid"},        {u"\\??\\C:\\.", "invalid"},
      {u"\\??\\C:\\a\\..\\b", "invalid"},     {u"\\??\\C:\\...", "drive C:\\..."},
      {u"\\??\\C:\\a. ", "drive C:\\a. "},    {u"\\??\\C:\\a/b", "invalid"},
      {u"\\??\\C:\\a*", "invalid"},           {u"\\??\\C:\\a?", "invalid"},
      {u"\\??\\C:\\a<\\b", "invalid"},        {u"\\??\\C:\\a>\\b", "invalid"},
      {u"\\??\\C:\\a\"b", "invalid"},         {u"\\??\\C:\\a|b", "invalid"},
      {u"\\??\\C:\\a\tb", "invalid"},         {u"\\??\\C:\\a\x7f", "drive C:\\a\x7f"},
      {u"\\??\\C:\\x:stream", "invalid"},     {u"\\??\\C:\\x:stream:$DATA", "invalid"},
      {u"\\??\\C:\\x:", "invalid"},           {u"\\??\\C:\\x::$DATA", "drive C:\\x"},
      {u"\\??\\C:\\x::$data", "drive C:\\x"}, {u"\\??\\C:\\d:$I30:$INDEX_ALLOCATION", "drive C:\\d"},
      {u"\\??\\C:\\d::$DATA\\x", "invalid"},  {u"\\??\\C:\\::$DATA", "invalid"},
  };
  for (const Row& row : rows) EXPECT_EQ(File(row.name), row.expected) << ToUtf8(row.name);
  EXPECT_EQ(File(std::u16string(u"\\??\\C:\\a\0b", 11)), "invalid");
}

TEST(ParseFileName, Limits) {
  const std::u16string prefix = u"\\??\\C:\\";
  EXPECT_EQ(File(prefix + std::u16string(255, u'a')), "drive C:\\" + std::string(255, 'a'));
  EXPECT_EQ(File(prefix + std::u16string(256, u'a')), "invalid");
  std::u16string deep = u"\\??\\C:";
  for (int i = 0; i < kMaxDepth; ++i) deep += u"\\d";
  EXPECT_EQ(ParseFileName(deep, kTable, storage, &path), NameKind::kDrivePath);
  EXPECT_EQ(path.depth, kMaxDepth);
  EXPECT_EQ(path.Name(), u"d");
  EXPECT_EQ(File(deep + u"\\d"), "invalid");
  std::u16string longest = u"\\??\\C:";
  while (longest.size() + 200 < kMaxPathUnits) longest += u"\\" + std::u16string(199, u'x');
  longest += u"\\" + std::u16string(kMaxPathUnits + 4 - longest.size() - 1, u'y');
  ASSERT_EQ(longest.size(), kMaxPathUnits + 4);
  EXPECT_EQ(ParseFileName(longest, kTable, storage, &path), NameKind::kDrivePath);
  EXPECT_EQ(path.text.size(), kMaxPathUnits);
  EXPECT_EQ(File(longest + u"y"), "invalid");
  EXPECT_EQ(ParseFileName(u"\\??\\C:\\abc", kTable, std::span(storage).first(6), &path),
            NameKind::kDrivePath);
  EXPECT_EQ(ParseFileName(u"\\??\\C:\\abc", kTable, std::span(storage).first(5), &path), NameKind::kInvalid);
  EXPECT_EQ(ParseFileName(u"\\??\\C:\\abc", kTable, {}, &path), NameKind::kInvalid);
}

TEST(ParseFileName, EndsAndHashes) {
  ASSERT_EQ(File(u"\\??\\c:\\Ab\\cd.e"), "drive C:\\Ab\\cd.e");
  ASSERT_EQ(path.depth, 2);
  EXPECT_EQ(path.Prefix(0), u"C:");
  EXPECT_EQ(path.Prefix(1), u"C:\\Ab");
  EXPECT_EQ(path.Prefix(2), u"C:\\Ab\\cd.e");
  EXPECT_EQ(path.Name(), u"cd.e");
  EXPECT_EQ(path.hash[0], HashRoot(u"C:"));
  EXPECT_EQ(path.hash[1], HashRoot(u"c:\\AB"));
  EXPECT_EQ(path.hash[2], HashAppend(HashAppend(HashRoot(u"C:"), u"aB"), u"CD.E"));
  EXPECT_NE(path.hash[2], HashRoot(u"C:\\Ab\\cd.f"));
}

TEST(ParseRelative, Files) {
  VPath base;
  std::array<char16_t, 64> base_storage;
  ASSERT_EQ(ParseCanonical(u"C:\\a", base_storage, &base), NameKind::kDrivePath);
  const Row rows[] = {
      {u"", "drive C:\\a"},         {u"b", "drive C:\\a\\b"},
      {u"b\\", "drive C:\\a\\b /"}, {u"b\\c.d", "drive C:\\a\\b\\c.d"},
      {u"\\b", "invalid"},          {u"\\", "invalid"},
      {u"b\\\\c", "invalid"},       {u".", "invalid"},
      {u"..\\b", "invalid"},        {u"b::$DATA", "drive C:\\a\\b"},
      {u"b:s", "invalid"},          {u"C:\\b", "invalid"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Show(ParseRelative(base, row.name, storage, &path)), row.expected) << ToUtf8(row.name);
  }
  ASSERT_EQ(ParseRelative(base, u"b\\c", storage, &path), NameKind::kDrivePath);
  EXPECT_EQ(path.hash[3], HashRoot(u"C:\\A\\B\\C"));
  EXPECT_EQ(path.hash[1], base.hash[1]);
}

TEST(ParseRelative, InPlace) {
  ASSERT_EQ(ParseCanonical(u"C:\\a", storage, &path), NameKind::kDrivePath);
  ASSERT_EQ(ParseRelative(path, u"b", storage, &path), NameKind::kDrivePath);
  ASSERT_EQ(ParseRelative(path, u"c", storage, &path), NameKind::kDrivePath);
  EXPECT_EQ(path.text, u"C:\\a\\b\\c");
  EXPECT_EQ(path.depth, 3);
  EXPECT_EQ(path.hash[3], HashRoot(u"C:\\A\\B\\C"));
}

TEST(ParseKeyName, Roots) {
  const Row rows[] = {
      {u"\\REGISTRY\\MACHINE\\Software\\X", "key M\\Software\\X"},
      {u"\\Registry\\Machine", "key M"},
      {u"\\Registry\\Machine\\", "key M"},
      {u"\\registry\\user", "key U"},
      {u"\\Registry\\User\\S-1-5-21-0\\Software", "key U\\S-1-5-21-0\\Software"},
      {u"\\Registry\\User\\.Default\\x", "key U\\.Default\\x"},
      {u"\\Registry\\User\\S-1-5-21-0_Classes", "key U\\S-1-5-21-0\\Software\\Classes"},
      {u"\\Registry\\User\\s-1-5-21-0_CLASSES\\.txt", "key U\\s-1-5-21-0\\Software\\Classes\\.txt"},
      {u"\\Registry\\User\\_Classes", "key U\\_Classes"},
      {u"\\Registry\\User\\S-1-_Classes", "key U\\S-1-_Classes"},
      {u"\\Registry\\Machine\\S-1-5-21-0_Classes", "key M\\S-1-5-21-0_Classes"},
      {u"\\Registry\\Machine\\System\\CurrentControlSet", "key M\\System\\CurrentControlSet"},
      {u"\\Registry\\Machine\\a\\\\b\\", "key M\\a\\b"},
      {u"\\Registry\\Machine\\a*?:/..\\.", "key M\\a*?:/..\\."},
      {u"\\Registry", "registry root"},
      {u"\\Registry\\", "registry root"},
      {u"\\Registry\\A\\{guid}", "device"},
      {u"\\Registry\\WC\\Silo", "device"},
      {u"\\RegistryX\\Machine", "device"},
      {u"\\??\\C:\\x", "device"},
      {u"", "invalid"},
      {u"Registry", "invalid"},
  };
  for (const Row& row : rows) EXPECT_EQ(Key(row.name), row.expected) << ToUtf8(row.name);
  EXPECT_EQ(Key(u"\\Registry\\Machine\\" + std::u16string(256, u'k')), "invalid");
}

TEST(ParseKeyName, Relative) {
  VPath base;
  std::array<char16_t, 64> base_storage;
  ASSERT_EQ(ParseKeyName(u"\\Registry\\Machine\\a", base_storage, &base), NameKind::kKeyPath);
  EXPECT_EQ(Show(ParseRelative(base, u"", storage, &path)), "key M\\a");
  EXPECT_EQ(Show(ParseRelative(base, u"b*\\\\..\\", storage, &path)), "key M\\a\\b*\\..");
  EXPECT_EQ(Show(ParseRelative(base, u"\\b", storage, &path)), "invalid");
}

TEST(ParseCanonical, IsStrictAndRoundTrips) {
  const Row rows[] = {
      {u"C:", "drive C:"},   {u"c:\\A", "drive C:\\A"},  {u"C:\\", "invalid"},    {u"C:\\a\\", "invalid"},
      {u"C:a", "invalid"},   {u"C:\\a\\\\b", "invalid"}, {u"C:\\a:b", "invalid"}, {u"M", "key M"},
      {u"m\\x", "key M\\x"}, {u"U\\S-1", "key U\\S-1"},  {u"X\\x", "invalid"},    {u"Mx", "invalid"},
      {u"", "invalid"},      {u"M\\", "invalid"},        {u"1:\\a", "invalid"},
  };
  for (const Row& row : rows) EXPECT_EQ(Canonical(row.name), row.expected) << ToUtf8(row.name);
}

TEST(HasPrefix, WholeComponentsOnly) {
  ASSERT_EQ(Canonical(u"C:\\Program Files\\A"), "drive C:\\Program Files\\A");
  EXPECT_TRUE(HasPrefix(path, u""));
  EXPECT_TRUE(HasPrefix(path, u"c:"));
  EXPECT_TRUE(HasPrefix(path, u"C:\\PROGRAM FILES"));
  EXPECT_TRUE(HasPrefix(path, u"C:\\program files\\a"));
  EXPECT_FALSE(HasPrefix(path, u"C:\\Program"));
  EXPECT_FALSE(HasPrefix(path, u"C:\\Program Files\\A\\b"));
  EXPECT_FALSE(HasPrefix(path, u"D:"));
}

TEST(Folding, ComparesByUpcasedUnits) {
  EXPECT_EQ(CompareFolded(u"abc", u"ABC"), 0);
  EXPECT_LT(CompareFolded(u"ab", u"ABC"), 0);
  EXPECT_GT(CompareFolded(u"_", u"z"), 0) << "'_' is 0x5F, 'Z' is 0x5A";
  EXPECT_LT(CompareFolded(u"a.b", u"a1"), 0);
  EXPECT_GT(CompareFolded(u"\u00e4", u"z"), 0);
  EXPECT_EQ(CompareFolded(u"\u00e4", u"\u00c4"), 0);
  EXPECT_TRUE(EqualFolded(u"", u""));
  EXPECT_FALSE(EqualFolded(u"a", u"ab"));
  EXPECT_TRUE(EqualFolded(u"\u00ffX", u"\u0178x"));
}

TEST(DeviceName, AnySpelling) {
  auto name = [](WView nt, bool want_dos) {
    bool dos;
    const WView out = DeviceName(nt, &dos);
    EXPECT_EQ(dos, want_dos);
    return std::u16string(out);
  };
  EXPECT_EQ(name(u"\\??\\COM1", true), u"COM1");
  EXPECT_EQ(name(u"\\DosDevices\\PhysicalDrive0\\x", true), u"PhysicalDrive0\\x");
  EXPECT_EQ(name(u"\\GLOBAL??\\Global\\C:", true), u"C:");
  EXPECT_EQ(name(u"\\Sessions\\1\\DosDevices\\0-3e7\\nul", true), u"nul");
  EXPECT_EQ(name(u"\\??\\GLOBALROOT\\Device\\Serial0", false), u"\\Device\\Serial0");
  EXPECT_EQ(name(u"\\??\\GLOBALROOT\\??\\LPT1", true), u"LPT1");
  EXPECT_EQ(name(u"\\Device\\Afd", false), u"\\Device\\Afd");
  EXPECT_EQ(name(u"\\??\\", true), u"");
  EXPECT_EQ(name(u"\\??", true), u"");
}

}  // namespace
}  // namespace plume::view
