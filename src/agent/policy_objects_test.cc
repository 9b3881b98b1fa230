#include "agent/policy_objects.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/utf16.h"
#include "view/name_rules.h"
#include "view/system_objects.h"

namespace plume::agent {
namespace {

using view::Mode;

std::vector<view::NameRule> Rules(const Policy& p) {
  std::vector<view::NameRule> out;
  for (const PolicyNameRule& r : p.objects) out.push_back({r.pattern, r.mode});
  return out;
}

Policy Complete(bool is_wine, std::vector<PolicyNameRule> own = {}) {
  MachineFacts facts;
  facts.state_root = u"C:\\p";
  facts.profile = u"C:\\users\\ann";
  facts.is_wine = is_wine;
  Policy user;
  user.objects = std::move(own);
  return CompletePolicy(user, facts, {});
}

TEST(SystemObjects, ArePartOfEveryPolicy) {
  const Policy wine = Complete(true), windows = Complete(false);
  EXPECT_EQ(view::NameMode(Rules(wine), u"Pipe\\svcctl"), Mode::kPrivate);
  EXPECT_EQ(view::NameMode(Rules(windows), u"Pipe\\svcctl"), Mode::kHost);
  EXPECT_EQ(view::NameMode(Rules(wine), u"local\\DISPLAY_DEVICE_INIT"), Mode::kHost);
  EXPECT_EQ(view::NameMode(Rules(wine), u"Pipe\\lsass"), Mode::kPrivate);
  EXPECT_EQ(view::NameMode(Rules(wine), u"Pipe\\lrpc\\application"), Mode::kPrivate);
  EXPECT_EQ(view::NameMode(Rules(windows), u"Pipe\\lsass"), Mode::kHost);
  EXPECT_EQ(view::NameMode(Rules(windows), u"Local\\display_device_init"), Mode::kPrivate);
  EXPECT_EQ(view::NameMode(Rules(windows), u"Port\\application"), Mode::kPrivate);
  for (const Policy* p : {&wine, &windows}) {
    EXPECT_EQ(view::NameMode(Rules(*p), u"Local\\application"), Mode::kPrivate);
    EXPECT_EQ(view::NameMode(Rules(*p), u"Pipe\\application"), Mode::kPrivate);
    EXPECT_EQ(view::NameMode(Rules(*p), u"Root\\application"), Mode::kPrivate);
    EXPECT_EQ(view::NameMode(Rules(*p), u"Root\\KernelObjects"), Mode::kHost);
  }
}

TEST(SystemObjects, TheUsersRulesComeFirst) {
  const Policy p = Complete(true, {{u"Pipe\\svcctl", Mode::kDeny, "mine"}});
  EXPECT_EQ(view::NameMode(Rules(p), u"Pipe\\svcctl"), Mode::kDeny);
  EXPECT_EQ(p.objects.front().origin, "mine");
  EXPECT_EQ(p.objects.back().origin.rfind("system: ", 0), 0u);
}

TEST(SystemObjects, ArePlainPatterns) {
  for (const view::SystemObject& o : view::kSystemObjects) {
    const std::string pattern = ToUtf8(o.pattern);
    const size_t slash = pattern.find('\\');
    const std::string place = pattern.substr(0, slash);
    // A pattern that begins with a star must still be one name in one place, never a whole space.
    if (pattern[0] == '*') {
      EXPECT_GT(pattern.size(), 4u) << pattern;
      continue;
    }
    const char* const places[] = {"Local", "Global", "Pipe", "Mailslot", "Port", "Root"};
    EXPECT_NE(slash, std::string::npos) << pattern;
    EXPECT_TRUE(std::count(std::begin(places), std::end(places), place)) << pattern;
    EXPECT_NE(pattern.substr(slash + 1), "*") << pattern;
  }
}

TEST(ExplainObject, Names) {
  const auto nt = [](std::u16string_view text) { return ToUtf8(ObjectNtName(text, 1).value_or(u"")); };
  EXPECT_EQ(nt(u"Local\\x"), "\\Sessions\\1\\BaseNamedObjects\\x");
  EXPECT_EQ(nt(u"GLOBAL\\x\\y"), "\\BaseNamedObjects\\x\\y");
  EXPECT_EQ(nt(u"Session\\2\\x"), "\\BaseNamedObjects\\Session\\2\\x");
  EXPECT_EQ(nt(u"Pipe\\a\\b"), "\\Device\\NamedPipe\\a\\b");
  EXPECT_EQ(nt(u"\\\\.\\pipe\\a"), "\\??\\pipe\\a");
  EXPECT_EQ(nt(u"\\\\server\\pipe\\a"), "\\??\\UNC\\server\\pipe\\a");
  EXPECT_EQ(nt(u"\\BaseNamedObjects\\x"), "\\BaseNamedObjects\\x");
  EXPECT_EQ(nt(u"Root\\x"), "\\x");
  for (std::u16string_view other : {u"", u"C:\\x", u"HKLM\\Software", u"x\\Local\\y", u"\\Users",
                                    u"\\\\server\\share\\x", u"\\\\.\\C:", u"Local\\", u"pipe"}) {
    EXPECT_EQ(nt(other), "") << ToUtf8(other);
  }
}

TEST(ExplainObject, SaysWhichRule) {
  const Policy p =
      Complete(true, {{u"Local\\shared*", Mode::kHost, "p.toml:3"}, {u"Pipe\\no", Mode::kDeny, "p.toml:4"}});
  const auto explain = [&](std::u16string_view text) {
    return ExplainObject(*ObjectNtName(text, 1), 1, p.objects, u"key");
  };
  ObjectExplanation e = explain(u"Local\\Shared dir\\x");
  EXPECT_EQ(e.mode, Mode::kHost);
  EXPECT_EQ(e.rule, "p.toml:3");
  EXPECT_EQ(ToUtf8(e.canonical), "Local\\Shared dir\\x");
  EXPECT_EQ(ToUtf8(e.real), "\\Sessions\\1\\BaseNamedObjects\\Shared dir\\x");
  e = explain(u"Pipe\\NO");
  EXPECT_EQ(e.mode, Mode::kDeny);
  EXPECT_EQ(e.rule, "p.toml:4");
  EXPECT_TRUE(e.real.empty());
  e = explain(u"Global\\mine\\x");
  EXPECT_EQ(e.mode, Mode::kPrivate);
  EXPECT_EQ(e.rule.rfind("built-in", 0), 0u);
  EXPECT_NE(ToUtf8(e.real).find("\\BaseNamedObjects\\mine~plume~"), std::string::npos);
  EXPECT_EQ(explain(u"Pipe\\wine_plugplay").rule, "system: plug and play");
  EXPECT_EQ(explain(u"Pipe\\svcctl").mode, Mode::kPrivate);
  EXPECT_EQ(explain(u"\\\\server\\pipe\\x").mode, Mode::kDeny);
  EXPECT_EQ(explain(u"Local\\shared~plume~0123456789abcdef").mode, Mode::kPrivate);
}

TEST(SystemObjects, AreAllDocumented) {
  std::ifstream file(PLUME_DOCS "/nt-compat.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const view::SystemObject& o : view::kSystemObjects) {
    EXPECT_NE(text.str().find("`" + ToUtf8(o.pattern) + "`"), std::string::npos) << ToUtf8(o.pattern);
  }
}

}  // namespace
}  // namespace plume::agent
