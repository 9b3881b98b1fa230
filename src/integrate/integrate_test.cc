#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/utf16.h"
#include "catalog/testing.h"
#include "integrate/associations.h"
#include "integrate/icon.h"
#include "integrate/linux_desktop.h"
#include "integrate/plan.h"
#include "integrate/record.h"

namespace plume::integrate {
namespace {

using catalog::testing::Build;
using catalog::testing::TestKey;
using catalog::testing::TextValue;

TestKey Key(const char* root, std::u16string path,
            std::vector<std::pair<std::u16string, std::u16string>> values = {}) {
  TestKey out{root, std::move(path), {}};
  for (auto& [name, data] : values) out.values.push_back(TextValue(name, data));
  return out;
}

// An editor with two types, one of them declared in both ways, a link scheme and an App Path.
std::vector<TestKey> EditorKeys() {
  return {
      Key("M", u"Software\\Classes\\.doc1", {{u"", u"Editor.Doc"}, {u"Content Type", u"text/x-doc1"}}),
      Key("M", u"Software\\Classes\\Editor.Doc", {{u"", u"Editor document"}}),
      Key("M", u"Software\\Classes\\Editor.Doc\\DefaultIcon", {{u"", u"C:\\Editor\\e.exe,1"}}),
      Key("M", u"Software\\Classes\\Editor.Doc\\shell\\edit\\command",
          {{u"", u"\"C:\\Editor\\e.exe\" -e \"%1\""}}),
      Key("M", u"Software\\Classes\\Editor.Doc\\shell\\open", {{u"", u"&Open"}}),
      Key("M", u"Software\\Classes\\Editor.Doc\\shell\\open\\command",
          {{u"", u"\"C:\\Editor\\e.exe\" \"%1\""}}),
      Key("M", u"Software\\Classes\\.dead", {{u"", u"Editor.Nothing"}}),
      Key("M", u"Software\\Classes\\Editor.Nothing\\shell\\open"),
      Key("M", u"Software\\Classes\\editor", {{u"", u"URL:editor"}, {u"URL Protocol", u""}}),
      Key("M", u"Software\\Classes\\editor\\shell\\open\\command", {{u"", u"C:\\Editor\\e.exe /url %1"}}),
      Key("M", u"Software\\RegisteredApplications", {{u"Editor", u"Software\\Editor\\Capabilities"}}),
      Key("M", u"Software\\Editor\\Capabilities\\FileAssociations", {{u".txt", u"Editor.Doc"}}),
      Key("M", u"Software\\Editor\\Capabilities\\URLAssociations", {{u"HTTP", u"Editor.Doc"}}),
      Key("M", u"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\e.exe",
          {{u"", u"C:\\Editor\\e.exe"}}),
      Key("CU", u"Software\\Classes\\.DOC1", {{u"", u"Editor.Mine"}}),
      Key("CU", u"Software\\Classes\\Editor.Mine\\shell\\go\\command", {{u"", u"mine.exe"}}),
  };
}

Associations EditorAssociations() {
  const auto buffer = Build({}, EditorKeys());
  return ReadAssociations(buffer.reader());
}

Application Editor() {
  return {u"editor",
          u"The Editor",
          {{u"e", u"Editor", u"C:\\Editor\\e.exe", true, true}, {u"tool", u"Tool", u"C:\\Editor\\t.exe"}},
          EditorAssociations()};
}

Machine EmptyMachine() {
  Machine m;
  m.type_owner = m.protocol_owner = m.app_path_owner =
      m.command_owner = [](std::u16string_view) { return std::u16string(); };
  m.shortcut_exists = [](bool, std::u16string_view) { return false; };
  return m;
}

Options TestOptions() {
  return {u"C:\\P\\plumew.exe", u"", std::u16string(kUserClasses), u"C:\\S\\commands", u"C:\\S\\icons", {}};
}

const Value* FindValue(const Plan& plan, std::u16string_view key, std::u16string_view name = u"") {
  for (const Value& v : plan.values)
    if (v.key == key && v.name == name) return &v;
  return nullptr;
}

TEST(Associations, ReadsTypesProtocolsAndAppPaths) {
  const Associations a = EditorAssociations();
  ASSERT_EQ(a.types.size(), 2u);
  EXPECT_EQ(a.types[0].classes,
            (std::vector<std::u16string>{u"Editor.Mine", u"Editor.Doc"}));  // the user's half first
  EXPECT_EQ(a.types[0].content_type, u"text/x-doc1");
  EXPECT_EQ(a.types[1].extension, u".txt");
  EXPECT_EQ(a.FindType(u".dead"), nullptr);
  EXPECT_EQ(a.protocols, (std::vector<std::u16string>{u"editor", u"http"}));
  ASSERT_EQ(a.app_paths.size(), 1u);
  const DocumentClass* doc = a.FindClass(u"EDITOR.DOC");
  ASSERT_NE(doc, nullptr);
  ASSERT_EQ(doc->verbs.size(), 2u);
  EXPECT_EQ(doc->verbs[0].id, u"open");  // "open" is the default, though "edit" sorts first
  EXPECT_EQ(doc->verbs[0].label, u"&Open");
  EXPECT_EQ(doc->icon, u"C:\\Editor\\e.exe,1");
}

TEST(Associations, AnEmptyCatalogHasNone) {
  const auto buffer = Build({}, {});
  const Associations a = ReadAssociations(buffer.reader());
  EXPECT_TRUE(a.types.empty() && a.protocols.empty() && a.app_paths.empty() && a.classes.empty());
}

TEST(Associations, ANamedDefaultVerbIsFirst) {
  const auto buffer = Build({}, {Key("M", u"Software\\Classes\\.x", {{u"", u"X"}}),
                                 Key("M", u"Software\\Classes\\X\\shell", {{u"", u"play, open"}}),
                                 Key("M", u"Software\\Classes\\X\\shell\\open\\command", {{u"", u"o.exe"}}),
                                 Key("M", u"Software\\Classes\\X\\shell\\play\\command", {{u"", u"p.exe"}})});
  EXPECT_EQ(ReadAssociations(buffer.reader()).classes[0].verbs[0].id, u"play");
}

TEST(Associations, FindsTheVerbForADocument) {
  const Associations a = EditorAssociations();
  EXPECT_EQ(FindVerb(a, u"C:\\x\\y.doc1", u"", u"")->command, u"mine.exe");
  EXPECT_EQ(FindVerb(a, u"C:\\x\\y.TXT", u"", u"Edit")->id, u"edit");
  EXPECT_EQ(FindVerb(a, u"C:\\x\\y.doc1", u"editor.doc", u"")->id, u"open");
  EXPECT_EQ(FindVerb(a, u"editor:abc", u"", u"")->command, u"C:\\Editor\\e.exe /url %1");
  EXPECT_EQ(FindVerb(a, u"C:\\x\\y.none", u"", u""), nullptr);
  EXPECT_EQ(FindVerb(a, u"C:\\x\\y.txt", u"", u"print"), nullptr);
  EXPECT_EQ(FindVerb(a, u"", u"", u""), nullptr);
}

TEST(Associations, SchemesAndExtensions) {
  EXPECT_EQ(SchemeOf(u"HTTPS://x"), u"https");
  EXPECT_EQ(SchemeOf(u"C:\\x"), u"");
  EXPECT_EQ(SchemeOf(u"x y:z"), u"");
  EXPECT_EQ(SchemeOf(u"1a:z"), u"");
  EXPECT_EQ(ExtensionOf(u"C:\\a.b\\x"), u"");
  EXPECT_EQ(ExtensionOf(u"C:\\a.b\\x.tar.GZ"), u".GZ");
  EXPECT_EQ(ExtensionOf(u"x."), u"");
}

TEST(Commands, TheDocumentTakesItsPlace) {
  EXPECT_EQ(FillCommand(u"a.exe \"%1\"", u"C:\\x y.txt"), u"a.exe \"C:\\x y.txt\"");
  EXPECT_EQ(FillCommand(u"a.exe /n \"%L\" %*", u"d"), u"a.exe /n \"d\" ");
  EXPECT_EQ(FillCommand(u"a.exe", u"x y"), u"a.exe \"x y\"");
  EXPECT_EQ(FillCommand(u"a.exe 50%% %2 %1", u"100%1"),
            u"a.exe 50%  100%1");  // nothing in its name is a place
  EXPECT_EQ(FillCommand(u"a %", u"d"), u"a % \"d\"");
}

TEST(Commands, SplitAfterTheProgram) {
  EXPECT_EQ(SplitProgram(u"\"C:\\a b\\c.exe\" -x").program, u"C:\\a b\\c.exe");
  EXPECT_EQ(SplitProgram(u"\"C:\\a b\\c.exe\" -x").arguments, u"-x");
  EXPECT_EQ(SplitProgram(u"C:\\a b\\c.exe -x").program, u"C:\\a b\\c.exe");
  EXPECT_EQ(SplitProgram(u"C:\\a.exe.d\\c -x").program, u"C:\\a.exe.d\\c");
  EXPECT_EQ(SplitProgram(u"\"open").program, u"open");
  EXPECT_EQ(SplitProgram(u"").program, u"");
}

TEST(Plan, TakesWhatNobodyHas) {
  const Plan plan = MakePlan(Editor(), EmptyMachine(), TestOptions());
  EXPECT_EQ(plan.types.size(), 2u);
  EXPECT_EQ(plan.protocols, (std::vector<std::u16string>{u"editor", u"http"}));
  EXPECT_TRUE(plan.conflicts.empty());
  const Value* command =
      FindValue(plan, u"HKCU\\Software\\Classes\\Plume.editor.Editor.Doc\\shell\\open\\command");
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->data,
            u"\"C:\\P\\plumew.exe\" run editor --class \"Editor.Doc\" --verb \"open\" --open \"%1\"");
  EXPECT_EQ(FindValue(plan, u"HKCU\\Software\\Classes\\.txt")->data, u"Plume.editor.Editor.Doc");
  ASSERT_NE(FindValue(plan, u"HKCU\\Software\\Classes\\http", u"URL Protocol"), nullptr);
  ASSERT_EQ(plan.shortcuts.size(), 2u);
  EXPECT_EQ(plan.shortcuts[0].file, u"Editor.lnk");
  EXPECT_EQ(plan.shortcuts[0].arguments, u"run editor --entry \"e\"");
  EXPECT_TRUE(plan.shortcuts[1].desktop);
  ASSERT_EQ(plan.commands.size(), 2u);
  EXPECT_EQ(plan.commands[0].name, u"e.exe");
  EXPECT_EQ(FindValue(plan, u"HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\e.exe")->data,
            u"C:\\S\\commands\\e.exe");
}

TEST(Plan, WhatSomebodyHasStaysAndIsShown) {
  Machine m = EmptyMachine();
  m.type_owner = [](std::u16string_view e) {
    return e == u".txt" ? std::u16string(u"txtfile") : std::u16string();
  };
  m.protocol_owner = [](std::u16string_view s) {
    return s == u"http" ? std::u16string(u"browser.exe") : std::u16string();
  };
  m.command_owner = [](std::u16string_view c) {
    return c == u"t.exe" ? std::u16string(u"other") : std::u16string();
  };
  m.shortcut_exists = [](bool desktop, std::u16string_view) { return desktop; };
  const Plan plan = MakePlan(Editor(), m, TestOptions());
  EXPECT_EQ(FindValue(plan, u"HKCU\\Software\\Classes\\.txt"), nullptr);
  EXPECT_NE(FindValue(plan, u"HKCU\\Software\\Classes\\.txt\\OpenWithProgids", u"Plume.editor.Editor.Doc"),
            nullptr);
  EXPECT_EQ(FindValue(plan, u"HKCU\\Software\\Classes\\http"), nullptr);
  EXPECT_EQ(plan.shortcuts.size(), 1u);
  EXPECT_EQ(plan.commands.size(), 1u);
  std::vector<std::u16string> shown;
  for (const Conflict& c : plan.conflicts) shown.push_back(c.what);
  EXPECT_EQ(shown, (std::vector<std::u16string>{u".txt", u"http:", u"Editor.lnk", u"t.exe"}));

  Options taking = TestOptions();
  taking.take = {u".TXT", u"http"};
  const Plan taken = MakePlan(Editor(), m, taking);
  EXPECT_NE(FindValue(taken, u"HKCU\\Software\\Classes\\.txt"), nullptr);
  EXPECT_NE(FindValue(taken, u"HKCU\\Software\\Classes\\http"), nullptr);
}

TEST(Plan, AStateFolderOfOnesOwnIsNamed) {
  Options o = TestOptions();
  o.home = u"D:\\My State";
  const Plan plan = MakePlan(Editor(), EmptyMachine(), o);
  EXPECT_EQ(plan.shortcuts[0].arguments, u"--home \"D:\\My State\" run editor --entry \"e\"");
  EXPECT_EQ(FindValue(plan, u"HKCU\\Software\\Classes\\editor\\shell\\open\\command")->data,
            u"\"C:\\P\\plumew.exe\" --home \"D:\\My State\" run editor --class \"editor\" --verb \"open\" "
            u"--open \"%1\"");
}

TEST(Plan, NamesThatAreNoFileNames) {
  Application app{u"a",
                  u"Name: with / signs.",
                  {{u"x", u"What?", u"%PROFILE%\\x.exe", true}, {u"y", u"Y", u"C:\\y.cmd", true}},
                  {}};
  const Plan plan = MakePlan(app, EmptyMachine(), TestOptions());
  EXPECT_EQ(plan.shortcuts[0].file, u"Name_ with _ signs\\What_.lnk");
  EXPECT_EQ(plan.commands.size(), 1u);  // a script is none
}

TEST(Record, ComesBackAsItWas) {
  Record r;
  r.application = "editor";
  r.digest = "sha256:00";
  r.take = {".txt"};
  r.desktop = LinuxDesktop{"/home/ann/.local/share", "/usr/bin/plume", "/home/ann/.wine"};
  r.values = {{{u"HKCU\\Software\\Classes\\.txt", u"", u"Plume.editor.Editor.Doc"}, u"txtfile"},
              {{u"K", u"n", u""}, std::nullopt}};
  r.keys = {u"K"};
  r.files = {u"C:\\S\\commands\\e.exe"};
  r.folders = {u"C:\\S\\commands"};
  r.commands = {u"e.exe"};
  r.shortcuts = {u"C:\\x.lnk"};
  r.types = {u".txt"};
  r.protocols = {u"editor"};
  r.conflicts = {{u"http:", u"browser"}};
  const std::string text = ToJson(r);
  const auto back = ParseRecord(text);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(ToJson(*back), text);
  EXPECT_EQ(back->values[0].before, u"txtfile");
  EXPECT_FALSE(back->values[1].before.has_value());

  std::ifstream golden(std::string(PLUME_GOLDEN) + "/integration_v1.json", std::ios::binary);
  std::stringstream kept;
  kept << golden.rdbuf();
  EXPECT_EQ(kept.str(), text) << "the format changed: docs/formats/integration.md";
}

TEST(Record, WhatAnotherBuiltOnIsInherited) {
  Record first, second;
  first.application = "first";
  first.values = {{{u"C\\.x", u"", u"A"}, u"machine"}};
  first.keys = {u"C", u"C\\.x", u"C\\A"};
  first.folders = {u"S\\commands", u"S\\first"};
  second.application = "second";
  second.values = {{{u"c\\.X", u"", u"B"}, u"A"}, {{u"C\\B", u"", u"b"}, std::nullopt}};
  second.files = {u"S\\commands\\b.exe"};
  const auto there = [](const std::u16string&) { return true; };
  EXPECT_TRUE(Inherit(first, there, there, &second));
  EXPECT_EQ(second.values[0].before, u"machine");
  EXPECT_EQ(second.keys, (std::vector<std::u16string>{u"C", u"C\\.x"}));
  EXPECT_EQ(second.folders, (std::vector<std::u16string>{u"S\\commands"}));
  EXPECT_FALSE(Inherit(first, there, there, &second));
  Record third;
  third.values = {{{u"D", u"", u"B"}, u"A"}};
  EXPECT_FALSE(Inherit(first, there, there, &third));
}

TEST(Record, DamagedOnesAreRefused) {
  for (
      const char* text :
      {"", "{", "[]", "{}", R"({"version":1})", R"({"version":"x"})",
       R"({"version":1,"application":"","digest":"","take":[],"values":[],"conflicts":[],"keys":[],"files":[],"folders":[],"commands":[],"shortcuts":[],"types":[],"protocols":[]})",
       R"({"version":1,"application":"a","digest":"","take":[],"values":[{"key":1}],"conflicts":[],"keys":[],"files":[],"folders":[],"commands":[],"shortcuts":[],"types":[],"protocols":[]})"}) {
    const auto r = ParseRecord(text);
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_EQ(r.error().code, Errc::kCorrupt);
  }
  EXPECT_EQ(ParseRecord(R"({"version":2})").error().code, Errc::kUnsupported);
}

TEST(Linux, EntriesClassesAndOnePackage) {
  const Application app = Editor();
  const Plan plan = MakePlan(app, EmptyMachine(), TestOptions());
  const auto files = DesktopFiles({&app, &plan, {"/d", "/opt/my plume/plume", "/home/ann/.wine"}, "", ""});
  ASSERT_EQ(files.size(), 6u);
  EXPECT_EQ(files[0].path, "applications/plume-editor-entry-e.desktop");
  EXPECT_NE(files[0].text.find(
                "Exec=env PLUME_WINEPREFIX=/home/ann/.wine \"/opt/my plume/plume\" run editor --entry e\n"),
            std::string::npos);
  std::string all;
  for (const auto& f : files) all += f.text;
  EXPECT_NE(all.find("MimeType=text/x-doc1;\n"), std::string::npos);
  EXPECT_NE(all.find("MimeType=application/x-plume-txt;\n"), std::string::npos);
  EXPECT_NE(all.find("MimeType=x-scheme-handler/http;\n"), std::string::npos);
  EXPECT_NE(all.find("--class http --open %u\n"), std::string::npos);
  EXPECT_NE(all.find("--class Editor.Doc --open %f\n"), std::string::npos);
  EXPECT_EQ(files.back().path, "mime/packages/plume-editor.xml");
  EXPECT_NE(files.back().text.find("<glob pattern=\"*.doc1\" weight=\"40\"/>"), std::string::npos);
}

TEST(Linux, NothingGetsOutOfItsQuotes) {
  EXPECT_EQ(QuoteExec("plain-1.0"), "plain-1.0");
  EXPECT_EQ(QuoteExec("a b"), "\"a b\"");
  EXPECT_EQ(QuoteExec("a\"$`\\b"), "\"a\\\"\\$\\`\\\\b\"");
  EXPECT_EQ(QuoteExec("50%"), "\"50%%\"");
  EXPECT_EQ(QuoteExec(""), "\"\"");
  Application app{u"a", u"x\nExec=rm", {{u"e", u"x\nExec=rm", u"C:\\e.exe", true}}, {}};
  const Plan plan = MakePlan(app, EmptyMachine(), TestOptions());
  const auto files = DesktopFiles({&app, &plan, {"/d", "/p", "/w"}, "", ""});
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].text.find("\nExec=rm"), std::string::npos);
}

TEST(Icon, MadeFromAGroup) {
  const std::vector<uint8_t> one(40, 7), two(60, 9);
  std::vector<uint8_t> group = {0, 0, 1, 0, 3, 0};
  for (const uint8_t id : {1, 2, 3}) {
    const std::vector<uint8_t> row = {16, 16, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, id, 0};
    group.insert(group.end(), row.begin(), row.end());
  }
  const auto image = [&](uint16_t id) -> std::span<const uint8_t> {
    if (id == 1) return one;
    if (id == 2) return two;
    return {};
  };
  const std::vector<uint8_t> ico = MakeIconFile(group, image);
  ASSERT_EQ(ico.size(), 6 + 2 * 16 + 100u);
  EXPECT_EQ(ico[4], 2);  // the one without bytes is left out
  EXPECT_EQ(ico[6 + 8], 40);
  EXPECT_EQ(ico[6 + 12], 38);
  EXPECT_EQ(ico[6 + 16 + 12], 78);
  EXPECT_EQ(ico[78], 9);
  for (size_t n = 0; n < group.size(); ++n)
    EXPECT_TRUE(MakeIconFile(std::span(group).first(n), image).empty());
  EXPECT_TRUE(MakeIconFile(group, [](uint16_t) { return std::span<const uint8_t>(); }).empty());
}

}  // namespace
}  // namespace plume::integrate
