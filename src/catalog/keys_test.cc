#include "catalog/keys.h"

#include <gtest/gtest.h>

#include "catalog/testing.h"

namespace plume::catalog {
namespace {

using testing::TextValue;

class KeysTest : public ::testing::Test {
 protected:
  testing::Buffer buffer_ = testing::Build({}, {{"M",
                                                 u"Software\\A",
                                                 {TextValue(u"", u"default"),
                                                  TextValue(u"Path", u"%X%\\a", kRegExpandSz),
                                                  TextValue(u"List", u"a", kRegMultiSz),
                                                  {u"Open", kRegSz, std::string("a\0b", 3)},
                                                  {u"Cut", kRegSz, std::string("a\0\0\0b\0", 6)},
                                                  {u"Empty", kRegSz, ""},
                                                  {u"Number", kRegDword, "\x01\x02\x03\xff"},
                                                  {u"Short", kRegDword, "\x01"},
                                                  {u"Bytes", kRegBinary, "1234"}}},
                                                {"M", u"Software\\A\\Sub\\Deep"},
                                                {"M", u"Software\\A\\Other"}});
  Reader r_ = buffer_.reader();
  uint32_t top_ = r_.RootIndex("M");
  uint32_t a_ = FindKey(r_, top_, u"SOFTWARE\\a");
};

TEST_F(KeysTest, FollowsPaths) {
  ASSERT_NE(a_, kNone);
  EXPECT_EQ(r_.name(r_.key(a_)), u"A");
  EXPECT_EQ(FindKey(r_, a_, u""), a_);
  EXPECT_EQ(FindKey(r_, top_, u"Software\\A\\Sub\\Deep"), FindKey(r_, FindKey(r_, a_, u"Sub"), u"Deep"));
  EXPECT_NE(FindKey(r_, a_, u"Sub\\Deep"), kNone);
  EXPECT_EQ(FindKey(r_, a_, u"Sub\\Deep\\None"), kNone);
  EXPECT_EQ(FindKey(r_, a_, u"None\\Deep"), kNone);
  EXPECT_EQ(FindKey(r_, a_, u"Sub\\\\Deep"), kNone);
  EXPECT_EQ(FindKey(r_, kNone, u"Software"), kNone);
  EXPECT_EQ(FindKey(r_, kNone, u""), kNone);
}

TEST_F(KeysTest, ReadsTextUpToItsEnd) {
  EXPECT_EQ(Text(r_, a_, u""), u"default");
  EXPECT_EQ(Text(r_, a_, u"PATH"), u"%X%\\a");
  EXPECT_EQ(Text(r_, a_, u"Open"), u"a") << "no end, and half a unit";
  EXPECT_EQ(Text(r_, a_, u"Cut"), u"a");
  EXPECT_EQ(Text(r_, a_, u"Empty"), u"");
  EXPECT_EQ(Text(r_, a_, u"List"), u"");
  EXPECT_EQ(Text(r_, a_, u"Bytes"), u"");
  EXPECT_EQ(Text(r_, a_, u"None"), u"");
  EXPECT_EQ(Text(r_, kNone, u""), u"");
}

TEST_F(KeysTest, ReadsNumbers) {
  EXPECT_EQ(Number(r_, a_, u"number"), 0xff030201u);
  EXPECT_EQ(Number(r_, a_, u"Short"), std::nullopt);
  EXPECT_EQ(Number(r_, a_, u"Bytes"), std::nullopt);
  EXPECT_EQ(Number(r_, a_, u"None"), std::nullopt);
  EXPECT_EQ(Number(r_, kNone, u"Number"), std::nullopt);
  EXPECT_TRUE(HasValue(r_, a_, u"short"));
  EXPECT_FALSE(HasValue(r_, a_, u"None"));
  EXPECT_FALSE(HasValue(r_, kNone, u"Short"));
}

TEST_F(KeysTest, VisitsKeysAndValues) {
  std::u16string keys, values;
  ForEachSubkey(r_, a_, [&](WView name, uint32_t key) {
    EXPECT_EQ(r_.Subkey(a_, name), key);
    keys += std::u16string(name) + u" ";
  });
  EXPECT_EQ(keys, u"Other Sub ");
  ForEachValue(r_, a_, [&](WView name, const Value& value) {
    if (value.type() == kRegSz) values += std::u16string(name) + u":" + Text(r_, value) + u" ";
  });
  EXPECT_EQ(values, u":default Open:a Cut:a Empty: ");
  ForEachSubkey(r_, kNone, [](WView, uint32_t) { FAIL(); });
  ForEachValue(r_, kNone, [](WView, const Value&) { FAIL(); });
}

// The verbs of a class, as "id label command" each, with the default value `order` of its "shell".
std::vector<std::u16string> Verbs(std::vector<testing::TestKey> keys, std::u16string_view order) {
  for (testing::TestKey& key : keys) key = {"M", u"C\\shell\\" + key.path, key.values};
  keys.push_back({"M", u"C\\shell", {TextValue(u"", order)}});
  const auto buffer = testing::Build({}, keys);
  std::vector<std::u16string> out;
  for (const Verb& v :
       ReadVerbs(buffer.reader(), FindKey(buffer.reader(), buffer.reader().RootIndex("M"), u"C")))
    out.push_back(v.id + u" " + v.label + u" " + v.command);
  return out;
}

TEST(Verbs, TheDefaultOneFirst) {
  const std::vector<testing::TestKey> keys = {{"", u"edit\\command", {TextValue(u"", u"e.exe -e")}},
                                              {"", u"open", {TextValue(u"", u"&Open")}},
                                              {"", u"open\\command", {TextValue(u"", u"e.exe")}},
                                              {"", u"print", {TextValue(u"MUIVerb", u"Print it")}},
                                              {"", u"print\\command", {TextValue(u"", u"e.exe -p")}},
                                              {"", u"resource", {TextValue(u"", u"@e.dll,-7")}},
                                              {"", u"resource\\command", {TextValue(u"", u"e.exe -r")}},
                                              {"", u"unusable", {TextValue(u"", u"No command")}}};
  using Texts = std::vector<std::u16string>;
  const std::u16string edit = u"edit  e.exe -e", open = u"open &Open e.exe",
                       print = u"print Print it e.exe -p", resource = u"resource  e.exe -r";
  EXPECT_EQ(Verbs(keys, u""), (Texts{open, edit, print, resource}));
  EXPECT_EQ(Verbs(keys, u"PRINT"), (Texts{print, edit, open, resource}));
  EXPECT_EQ(Verbs(keys, u"print,open"), (Texts{print, edit, open, resource}));
  EXPECT_EQ(Verbs(keys, u"unusable"), (Texts{edit, open, print, resource}));
  EXPECT_TRUE(Verbs({}, u"open").empty());
}

}  // namespace
}  // namespace plume::catalog
