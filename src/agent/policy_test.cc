#include "agent/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/writer.h"
#include "view/path.h"
#include "view/system_windows.h"

namespace plume::agent {
namespace {

using view::Mode;

MachineFacts Facts() {
  MachineFacts f;
  f.state_root = u"C:\\users\\ann\\AppData\\Local\\Plume";
  f.state_aliases = {u"Z:\\p\\drive_c\\users\\ann\\AppData\\Local\\Plume"};
  f.system_root = u"C:\\windows";
  f.profile = u"C:\\users\\ann";
  f.roaming = u"C:\\users\\ann\\AppData\\Roaming";
  f.local = u"C:\\users\\ann\\AppData\\Local";
  f.local_low = u"C:\\users\\ann\\AppData\\LocalLow";
  f.temp = u"C:\\users\\ann\\AppData\\Local\\Temp";
  f.program_data = u"C:\\ProgramData";
  f.public_folder = u"C:\\users\\Public";
  f.program_folders = {u"C:\\Program Files", u"C:\\Program Files (x86)"};
  f.user_sid = u"S-1-5-21-1-2-3-1000";
  return f;
}

// The mode that the longest matching prefix gives, as the view decides it.
Mode ModeOf(const std::vector<PolicyRule>& rules, const std::u16string& path) {
  const PolicyRule* best = nullptr;
  for (const PolicyRule& r : rules) {
    const bool match = r.prefix.empty() ||
                       (path.size() >= r.prefix.size() &&
                        view::EqualFolded(std::u16string_view(path).substr(0, r.prefix.size()), r.prefix) &&
                        (path.size() == r.prefix.size() || path[r.prefix.size()] == u'\\'));
    if (match && (best == nullptr || r.prefix.size() > best->prefix.size())) best = &r;
  }
  return best ? best->mode : Mode::kHost;
}

TEST(Policy, SandboxMergesEverythingButPlume) {
  const Policy p = CompletePolicy(Policy(), Facts(), {});
  EXPECT_EQ(ModeOf(p.files, u"C:\\x"), Mode::kMerge);
  EXPECT_EQ(ModeOf(p.files, u"D:\\x"), Mode::kMerge);
  EXPECT_EQ(ModeOf(p.files, u"c:\\USERS\\ann\\appdata\\local\\plume\\vms"), Mode::kDeny);
  EXPECT_EQ(ModeOf(p.files, u"Z:\\p\\drive_c\\users\\ann\\AppData\\Local\\Plume\\x"), Mode::kDeny);
  EXPECT_EQ(ModeOf(p.keys, u"M\\Software"), Mode::kMerge);
  EXPECT_EQ(ModeOf(p.keys, u"U\\S-1-5-21-1-2-3-1000\\Software\\Plume\\x"), Mode::kDeny);
}

TEST(Policy, ServicesAreTheVmsOwnWhereItHasAManager) {
  MachineFacts facts = Facts();
  const std::u16string services = u"M\\System\\CurrentControlSet\\Services";
  EXPECT_EQ(ModeOf(CompletePolicy({}, facts, {}).keys, services + u"\\x"), Mode::kMerge);
  facts.is_wine = true;
  facts.services = {{u"RpcSs", u"C:\\windows\\system32\\rpcss.exe"}, {u"Tcpip", u""}};
  const Policy policy = CompletePolicy({}, facts, {});
  EXPECT_EQ(ModeOf(policy.keys, services), Mode::kPrivate);
  EXPECT_EQ(ModeOf(policy.keys, services + u"\\winebus"), Mode::kPrivate);
  EXPECT_EQ(ModeOf(policy.keys, services + u"\\rpcss"), Mode::kMerge);
  EXPECT_EQ(ModeOf(policy.keys, services + u"\\Tcpip\\Parameters"), Mode::kMerge);
  EXPECT_EQ(ModeOf(policy.keys, u"M\\System\\CurrentControlSet\\Control\\ServiceCurrent"), Mode::kPrivate);
  // Whoever wants the machine's says so.
  Policy user;
  user.keys = {{services, Mode::kHost, "p.toml:1"}};
  EXPECT_EQ(ModeOf(CompletePolicy(user, facts, {}).keys, services + u"\\winebus"), Mode::kHost);
}

// Of roots, "M" is a drive's letter and the machine's registry; keys are no folders of a drive M.
TEST(Policy, TheMachinesKeysAreNoDrive) {
  catalog::Input input;
  catalog::FileNode file;
  file.root = "Profile";
  file.path = u"AppData\\x";
  input.files.push_back(file);
  for (const char16_t* name : {u"a", u"b", u"c", u"d"})
    input.keys.push_back({"CU", std::u16string(u"Software\\") + name, 0, {}});
  input.keys.push_back({"M", u"Software\\x", 0, {}});
  const auto bytes = catalog::Write(input);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  catalog::Reader reader;
  ASSERT_TRUE(reader.Attach(bytes->data(), bytes->size()));
  Policy user;
  user.base = BasePolicy::kApplication;
  const Policy p = CompletePolicy(user, Facts(), {&reader});
  for (const PolicyRule& rule : p.files) EXPECT_FALSE(rule.prefix.starts_with(u"M:"));
  EXPECT_EQ(ModeOf(p.files, u"C:\\users\\ann\\AppData\\x"), Mode::kMerge);
}

TEST(Policy, ApplicationKeepsDocumentsLocal) {
  catalog::Input input;
  for (const char16_t* path :
       {u"Program Files\\A\\a.exe", u"Tools\\t.exe", u"users\\Public\\A\\x", u"windows\\a.ini"})
    input.files.push_back({.root = "C", .path = path, .short_name = {}, .content = {}, .chunks = {}});
  for (const char16_t* path : {u".a\\settings", u"Documents\\sample.txt", u"AppData\\Roaming\\A\\x"})
    input.files.push_back({.root = "Profile", .path = path, .short_name = {}, .content = {}, .chunks = {}});
  const auto bytes = catalog::Write(input);
  ASSERT_TRUE(bytes.ok());
  catalog::Reader image;
  ASSERT_TRUE(image.Attach(bytes->data(), bytes->size()));

  Policy user;
  user.base = BasePolicy::kApplication;
  const Policy p = CompletePolicy(user, Facts(), {&image});
  for (const char16_t* merged :
       {u"C:\\Program Files\\A", u"C:\\Program Files (x86)\\B", u"C:\\windows\\system32\\x.dll",
        u"C:\\ProgramData\\A", u"C:\\users\\ann\\AppData\\Roaming\\A", u"C:\\users\\ann\\AppData\\Local\\A",
        u"C:\\Tools\\t.exe", u"C:\\users\\ann\\.a\\settings", u"C:\\users\\Public\\A\\x"}) {
    EXPECT_EQ(ModeOf(p.files, merged), Mode::kMerge) << testing::PrintToString(std::u16string(merged));
  }
  for (const char16_t* local :
       {u"C:\\users\\ann\\Documents\\letter.txt", u"C:\\users\\ann\\Desktop", u"C:\\work\\x", u"D:\\x", u"C:",
        u"C:\\users\\ann\\AppData\\Local\\Temp\\x", u"C:\\windows\\temp\\x", u"C:\\users\\bob\\x",
        u"C:\\users\\Public\\Documents\\x"}) {
    EXPECT_EQ(ModeOf(p.files, local), Mode::kHost) << testing::PrintToString(std::u16string(local));
  }
  EXPECT_EQ(ModeOf(p.files, u"C:\\users\\ann\\AppData\\Local\\Plume"), Mode::kDeny);
}

TEST(Policy, FileIsRead) {
  const auto p = ParsePolicy(R"(
inherit = "application"
[files]
'%USERPROFILE%\Documents\Shared' = "merge"
"D:\\data\\" = "private"
"" = "deny"
[registry]
'HKCU\Software\X' = "host"
'HKEY_LOCAL_MACHINE\Software\Y' = "deny"
)",
                             "p.toml", Facts(), BasePolicy::kSandbox);
  ASSERT_TRUE(p.ok()) << p.error().message;
  EXPECT_EQ(p->base, BasePolicy::kApplication);
  const Policy all = CompletePolicy(*p, Facts(), {});
  EXPECT_EQ(ModeOf(all.files, u"C:\\users\\ann\\Documents\\Shared\\x"), Mode::kMerge);
  EXPECT_EQ(ModeOf(all.files, u"D:\\data\\x"), Mode::kPrivate);
  EXPECT_EQ(ModeOf(all.files, u"E:\\x"), Mode::kDeny);
  EXPECT_EQ(ModeOf(all.keys, u"U\\S-1-5-21-1-2-3-1000\\Software\\X\\y"), Mode::kHost);
  EXPECT_EQ(ModeOf(all.keys, u"M\\SOFTWARE\\y"), Mode::kDeny);
}

TEST(Policy, NothingOpensPlumesStateAgain) {
  const auto p = ParsePolicy(
      "[files]\n'%LOCALAPPDATA%\\Plume\\vms' = 'host'\n[registry]\n'HKCU\\Software\\Plume\\x' = 'host'", "p",
      Facts(), BasePolicy::kSandbox);
  ASSERT_TRUE(p.ok()) << p.error().message;
  const Policy all = CompletePolicy(*p, Facts(), {});
  EXPECT_EQ(ModeOf(all.files, u"C:\\users\\ann\\AppData\\Local\\Plume\\vms\\x"), Mode::kDeny);
  EXPECT_EQ(ModeOf(all.keys, u"U\\S-1-5-21-1-2-3-1000\\Software\\Plume\\x"), Mode::kDeny);
}

TEST(Policy, ErrorsNameLineAndColumn) {
  const struct {
    const char* text;
    const char* says;
  } kCases[] = {
      {"inherit = \"nothing\"", "p.toml:1:11"},
      {"\n[files]\n'C:\\x' = \"open\"", "p.toml:3:10"},
      {"[files]\n'relative' = \"host\"", "p.toml:2:14"},
      {"[files]\n'%NOSUCH%\\x' = \"host\"", "p.toml:2:16"},
      {"[registry]\n'HKXX\\y' = \"host\"", "p.toml:2:12"},
      {"[files\n", "p.toml:1:7"},
      {"colour = 3", "'colour' is not known"},
      {"files = 3", "must be a table"},
      {"[files]\n'C:\\x' = 3", "p.toml:2:10"},
  };
  for (const auto& c : kCases) {
    const auto p = ParsePolicy(c.text, "p.toml", Facts(), BasePolicy::kSandbox);
    ASSERT_FALSE(p.ok()) << c.text;
    EXPECT_EQ(p.error().code, Errc::kInvalid);
    EXPECT_THAT(p.error().message, testing::HasSubstr(c.says));
  }
}

TEST(Keys, BothWays) {
  const std::u16string sid = Facts().user_sid;
  EXPECT_EQ(*CanonicalKey(u"HKLM\\Software\\X\\", sid), u"M\\Software\\X");
  EXPECT_EQ(*CanonicalKey(u"hkcu", sid), u"U\\" + sid);
  EXPECT_EQ(*CanonicalKey(u"HKCR\\.txt", sid), u"M\\Software\\Classes\\.txt");
  EXPECT_FALSE(CanonicalKey(u"Software\\X", sid).ok());
  EXPECT_FALSE(CanonicalKey(u"HKLM\\a\\\\b", sid).ok());
  EXPECT_EQ(KeyForPeople(u"M\\Software\\X", sid), u"HKLM\\Software\\X");
  EXPECT_EQ(KeyForPeople(u"U\\" + sid + u"\\Software", sid), u"HKCU\\Software");
  EXPECT_EQ(KeyForPeople(u"U\\S-1-5-18\\x", sid), u"HKU\\S-1-5-18\\x");
}

TEST(Policy, OtherSpaces) {
  const auto parsed = ParsePolicy(R"(
[objects]
'Global\Z*' = "host"
'Global\A*' = "deny"
[processes]
show = "all"
[windows]
'Shell_*' = "host"
[clipboard]
mode = "to-host"
formats = ["text", "files"]
max = "2 MB"
[devices]
'\Device\Serial0' = "host"
[network]
mode = "list"
allow = ["example.org:443", "10.0.0.0/8", "[::1]:8000-8010", "fe80::1", "*:53"]
private_ports = [8080]
)",
                                  "p.toml", Facts(), BasePolicy::kSandbox);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Policy p = CompletePolicy(*parsed, Facts(), {});
  ASSERT_GT(p.objects.size(), 2u);
  EXPECT_EQ(p.objects[2].origin.rfind("system: ", 0), 0u);  // the system's behind the user's
  EXPECT_EQ(p.objects[0].pattern, u"Global\\Z*");           // in the order of the lines
  EXPECT_EQ(p.objects[0].mode, Mode::kHost);
  EXPECT_EQ(p.objects[0].origin, "p.toml:3");
  EXPECT_EQ(p.objects[1].mode, Mode::kDeny);
  EXPECT_TRUE(p.show_all_processes);
  ASSERT_EQ(p.windows.size(), 1 + std::size(view::kSystemWindows));
  EXPECT_EQ(p.windows[0].mode, Mode::kHost);
  EXPECT_EQ(p.windows[1].origin.rfind("system: ", 0), 0u);
  ASSERT_GT(p.devices.size(), 1u);
  EXPECT_EQ(p.devices[0].origin, "p.toml:14");
  EXPECT_EQ(p.devices[1].origin.rfind("system: ", 0), 0u);
  EXPECT_EQ(p.clipboard->mode, ClipboardMode::kToHost);
  EXPECT_EQ(p.clipboard->max_bytes, 2u << 20);
  ASSERT_EQ(p.network->allow.size(), 5u);
  EXPECT_EQ(p.network->allow[0].host, "example.org");
  EXPECT_EQ(p.network->allow[0].last_port, 443);
  EXPECT_EQ(p.network->allow[1].host, "10.0.0.0/8");
  EXPECT_EQ(p.network->allow[1].last_port, 65535);
  EXPECT_EQ(p.network->allow[2].host, "::1");
  EXPECT_EQ(p.network->allow[2].first_port, 8000);
  EXPECT_EQ(p.network->allow[3].host, "fe80::1");
  EXPECT_EQ(p.network->allow[4].host, "*");
  EXPECT_EQ(p.network->private_ports, std::vector<uint16_t>{8080});
}

TEST(Policy, ClipboardOfTheBases) {
  EXPECT_EQ(CompletePolicy(Policy(), Facts(), {}).clipboard->mode, ClipboardMode::kIsolated);
  Policy application;
  application.base = BasePolicy::kApplication;
  EXPECT_EQ(CompletePolicy(application, Facts(), {}).clipboard->mode, ClipboardMode::kShared);
}

TEST(Policy, ErrorsOfOtherSpacesNameThePlace) {
  const struct {
    const char *text, *at, *why;
  } kBad[] = {
      {"[objects]\n'x' = \"merge\"", "p.toml:2:", "\"host\" or \"private\" or \"deny\""},
      {"[devices]\n'x' = \"private\"", "p.toml:2:", "\"host\" or \"deny\""},
      {"[windows]\n'' = \"host\"", "p.toml:2:", "empty"},
      {"[processes]\nhide = 1", "p.toml:2:", "hide"},
      {"[clipboard]\nmode = \"both\"", "p.toml:2:", "isolated"},
      {"[clipboard]\nformats = [\"sound\"]", "p.toml:2:", "sound"},
      {"[clipboard]\nmax = \"many\"", "p.toml:2:", "size"},
      {"[clipboard]\nmax = \"99999999999 GB\"", "p.toml:2:", "size"},
      {"[network]\nmode = \"list\"\nallow = [\"a:b\"]", "p.toml:3:", "place"},
      {"[network]\nallow = [\"a:9-3\"]\nmode = \"list\"", "p.toml:2:", "place"},
      {"[network]\nallow = [\"a\"]", "p.toml:1:", "list"},
      {"[network]\nprivate_ports = [0]", "p.toml:2:", "65535"},
      {"objects = 3", "p.toml:1:", "table"},
      {"[sounds]\nx = 1", "p.toml:1:", "[network]"},
  };
  for (const auto& bad : kBad) {
    const auto parsed = ParsePolicy(bad.text, "p.toml", Facts(), BasePolicy::kSandbox);
    ASSERT_FALSE(parsed.ok()) << bad.text;
    EXPECT_NE(parsed.error().message.find(bad.at), std::string::npos) << parsed.error().message;
    EXPECT_NE(parsed.error().message.find(bad.why), std::string::npos) << parsed.error().message;
  }
}

}  // namespace
}  // namespace plume::agent
