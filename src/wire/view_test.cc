// The compiled view outlives a build: a view written by an older agent must read the same.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "wire/view_generated.h"

namespace plume::wire {
namespace {

std::vector<uint16_t> Units(std::u16string_view text) {
  return std::vector<uint16_t>(text.begin(), text.end());
}

std::u16string Text(const flatbuffers::Vector<uint16_t>* units) {
  return std::u16string(units->begin(), units->end());
}

std::vector<uint8_t> Write() {
  flatbuffers::FlatBufferBuilder b;
  const auto text = [&b](std::u16string_view t) { return b.CreateVector(Units(t)); };
  const auto mount = CreateMount(b, text(u"C:"), 7, false, text(u"\\??\\C:\\p\\images\\d\\C"));
  const auto keys =
      CreateMount(b, text(u"M"), 3, true, text(u"\\REGISTRY\\USER\\S-1\\Software\\Plume\\0\\Images\\d\\M"));
  const std::vector<flatbuffers::Offset<Mount>> mounts = {mount, keys};
  const std::vector<flatbuffers::Offset<Layer>> layers = {CreateLayer(
      b, 0, text(u"\\??\\C:\\p\\catalogs\\d.plc"), b.CreateVector(mounts), b.CreateString("sha256:d"))};
  const std::vector<flatbuffers::Offset<Rule>> files = {
      CreateRule(b, text(u""), 0), CreateRule(b, text(u"C:\\p"), 3, b.CreateString("state folder"))};
  const std::vector<flatbuffers::Offset<Rule>> key_rules = {CreateRule(b, text(u"M\\Software"), 2)};
  FinishViewBuffer(
      b, CreateView(b, 1, text(u"id"), text(u"name"), text(u"\\??\\C:\\p\\vms\\id\\upper"),
                    text(u"\\??\\C:\\p\\vms\\id\\scratch"), text(u"\\??\\C:\\p\\vms\\id\\index.plx"),
                    text(u"upper key"), text(u"user key"), text(u"pipe"), text(u"job"), text(u"vl64"),
                    text(u"vl32"), b.CreateVector(layers), b.CreateVector(files), b.CreateVector(key_rules)));
  return std::vector<uint8_t>(b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize());
}

void Check(const std::vector<uint8_t>& bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  ASSERT_TRUE(VerifyViewBuffer(verifier));
  const View* view = GetView(bytes.data());
  EXPECT_EQ(view->version(), 1u);
  EXPECT_EQ(Text(view->vm_id()), u"id");
  EXPECT_EQ(Text(view->vm_name()), u"name");
  EXPECT_EQ(Text(view->upper()), u"\\??\\C:\\p\\vms\\id\\upper");
  EXPECT_EQ(Text(view->scratch()), u"\\??\\C:\\p\\vms\\id\\scratch");
  EXPECT_EQ(Text(view->index()), u"\\??\\C:\\p\\vms\\id\\index.plx");
  EXPECT_EQ(Text(view->registry_upper()), u"upper key");
  EXPECT_EQ(Text(view->user_key()), u"user key");
  EXPECT_EQ(Text(view->agent_pipe()), u"pipe");
  EXPECT_EQ(Text(view->job()), u"job");
  EXPECT_EQ(Text(view->vl64()), u"vl64");
  EXPECT_EQ(Text(view->vl32()), u"vl32");
  ASSERT_EQ(view->layers()->size(), 1u);
  const Layer* layer = view->layers()->Get(0);
  EXPECT_EQ(Text(layer->catalog()), u"\\??\\C:\\p\\catalogs\\d.plc");
  EXPECT_EQ(layer->digest()->str(), "sha256:d");
  ASSERT_EQ(layer->mounts()->size(), 2u);
  EXPECT_EQ(Text(layer->mounts()->Get(0)->prefix()), u"C:");
  EXPECT_EQ(layer->mounts()->Get(0)->root(), 7u);
  EXPECT_FALSE(layer->mounts()->Get(0)->registry());
  EXPECT_TRUE(layer->mounts()->Get(1)->registry());
  ASSERT_EQ(view->file_rules()->size(), 2u);
  EXPECT_EQ(Text(view->file_rules()->Get(1)->prefix()), u"C:\\p");
  EXPECT_EQ(view->file_rules()->Get(1)->mode(), 3);
  EXPECT_EQ(view->file_rules()->Get(1)->origin()->str(), "state folder");
  EXPECT_EQ(view->key_rules()->Get(0)->mode(), 2);
}

TEST(View, ReadsWhatIsWritten) { Check(Write()); }

// tests/golden/view_v1.plv was written by the first release of the format; it must stay readable for ever.
TEST(View, VersionOneIsStillRead) {
  std::ifstream file(PLUME_GOLDEN "/view_v1.plv", std::ios::binary);
  ASSERT_TRUE(file.is_open());
  Check(std::vector<uint8_t>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
}

// Not run by itself: writes the golden file of the current version (--gtest_also_run_disabled_tests).
TEST(View, DISABLED_WriteGolden) {
  const std::vector<uint8_t> bytes = Write();
  std::ofstream file(PLUME_GOLDEN "/view_v1.plv", std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good());
}

}  // namespace
}  // namespace plume::wire
