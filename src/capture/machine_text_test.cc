#include "capture/machine_text.h"

#include <gtest/gtest.h>

#include "base/utf16_bytes.h"
#include "os/file.h"
#include "os/test_folder.h"

namespace plume::capture {
namespace {

const Machine kAnn{
    u"C:\\users\\ann", u"C:\\users\\ann\\Temp", u"ann", u"DESKTOP-7", u"S-1-5-21-7-8-9", u"0a1b-2c3d", 0};

std::string Found(std::span<const uint8_t> bytes) {
  std::string out;
  for (const auto& place : FindInText(kAnn, bytes)) out += std::to_string(place.line) + place.means + " ";
  return out;
}
std::string Found(std::string_view text) {
  return Found(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

TEST(MachineText, EverySpellingOfAFolder) {
  EXPECT_EQ(
      Found(
          "[a]\r\nhome=C:\\Users\\ANN\\x\r\nurl=file:///c:/users/ann\n\"p\": \"C:\\\\users\\\\ann\\\\y\"\n"),
      "2profile 3profile 4profile ");
  EXPECT_EQ(Found("C:\\users\\ann\\temp\\setup.log"), "1temp ") << "not the folder it lies in, too";
  EXPECT_EQ(Found("C:\\users\\anna\nC:\\users\\ann-old\nxC:\\users\\ann1\n"), "") << "other people's";
}

TEST(MachineText, NamesAndNumbers) {
  EXPECT_EQ(Found("server=desktop-7;\nsid: S-1-5-21-7-8-9\n<id>{0A1B-2C3D}</id>\nDESKTOP-77 ann\n"),
            "1computer 2sid 3machine-guid ");
  Machine short_name = kAnn;
  short_name.computer = u"PC";
  const std::string text = "PC";
  EXPECT_TRUE(
      FindInText(short_name, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size())).empty());
}

TEST(MachineText, Utf16AndWhatIsNoText) {
  const auto wide = BytesOf(u"\xFEFF[a]\nhome=C:\\users\\ann\n");
  EXPECT_EQ(Found(wide), "2profile ");
  EXPECT_EQ(Found(std::string_view("\0\x01 C:\\users\\ann", 16)), "");
  EXPECT_EQ(Found(""), "");
  EXPECT_EQ(Found("\xFF\xFE"), "");
  EXPECT_EQ(Found("\xFF\xFE\x41"), "") << "half a unit";
  EXPECT_EQ(Found("\xEF\xBB\xBF"
                  "C:\\users\\ann"),
            "1profile ");
}

TEST(MachineText, OfSettingsFilesAlone) {
  os::testing::TestFolder folder;
  image::Content content;
  const auto add = [&](const std::string& root, std::u16string path) {
    image::FileItem item;
    item.root = root;
    item.path = std::move(path);
    item.source = folder / std::to_string(content.files.size());
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), item.source, std::string("\nC:\\users\\ann")).ok());
    content.files.push_back(std::move(item));
  };
  add("Profile", u"AppData\\b.JSON");
  add("C", u"App\\a.ini");
  add("C", u"App\\a.dll");
  add("C", u"App\\kept.ini");
  content.files.back().kept = image::KeptBytes{};
  ASSERT_TRUE(FindInFiles(kAnn, &content).ok());
  const auto& found = content.config.machine_texts;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, "%PROFILE%\\AppData\\b.JSON");
  EXPECT_EQ(found[1].path + std::to_string(found[1].line) + found[1].means, "C:\\App\\a.ini2profile");
}

}  // namespace
}  // namespace plume::capture
