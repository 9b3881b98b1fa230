#include "agent/view_compiler.h"

#include <gtest/gtest.h>

#include "catalog/writer.h"
#include "wire/view_generated.h"

namespace plume::agent {
namespace {

std::u16string Text(const flatbuffers::Vector<uint16_t>* v) {
  return std::u16string(reinterpret_cast<const char16_t*>(v->data()), v->size());
}

MachineFacts Facts() {
  MachineFacts f;
  f.state_root = u"C:\\s";
  f.system_root = u"C:\\windows";
  f.profile = u"C:\\users\\ann";
  f.user_sid = u"S-1-5-21-7";
  return f;
}

TEST(ViewCompiler, WritesEverythingAGuestNeeds) {
  catalog::Input input;
  input.files.push_back({.root = "C", .path = u"Program Files\\A\\a.exe", .content = {}, .chunks = {}});
  input.files.push_back({.root = "Profile", .path = u"AppData\\x", .content = {}, .chunks = {}});
  input.keys.push_back({.root = "M", .path = u"Software\\A", .values = {}});
  input.keys.push_back({.root = "CU", .path = u"Software\\A", .values = {}});
  const auto catalog_bytes = catalog::Write(input);
  ASSERT_TRUE(catalog_bytes.ok());
  catalog::Reader reader;
  ASSERT_TRUE(reader.Attach(catalog_bytes->data(), catalog_bytes->size()));

  const StatePaths state(u"C:\\s");
  const MachineFacts facts = Facts();
  ViewInput in;
  in.state = &state;
  in.facts = &facts;
  in.vm_id = u"12ab";
  in.vm_name = u"test";
  in.workspace = 2;
  in.program_folder = u"D:\\plume";
  in.objects = u"\\Sessions\\1\\BaseNamedObjects";
  in.policy = CompletePolicy(Policy(), facts, {&reader});
  in.layers.push_back({"sha256:abcd", u"C:\\s\\catalogs\\abcd.plc", u"C:\\s\\images\\abcd", &reader});
  const auto bytes = CompileView(in);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;

  flatbuffers::Verifier verifier(bytes->data(), bytes->size());
  ASSERT_TRUE(wire::VerifyViewBuffer(verifier));
  const wire::View* v = wire::GetView(bytes->data());
  EXPECT_EQ(v->version(), 1u);
  EXPECT_EQ(Text(v->upper()), u"\\??\\C:\\s\\vms\\12ab\\w2\\upper");
  EXPECT_EQ(Text(v->index()), u"\\??\\C:\\s\\vms\\12ab\\w2\\index.plx");
  EXPECT_EQ(Text(v->user_key()), u"\\REGISTRY\\USER\\S-1-5-21-7");
  EXPECT_EQ(Text(v->registry_upper()),
            u"\\REGISTRY\\USER\\S-1-5-21-7\\Software\\Plume\\" + state.hash() + u"\\VMs\\12ab\\w2");
  EXPECT_EQ(Text(v->vl64()), u"\\??\\D:\\plume\\plume-vl64.dll");
  EXPECT_EQ(Text(v->job()), u"\\Sessions\\1\\BaseNamedObjects\\PlumeVm-" + state.hash() + u"-12ab");
  ASSERT_EQ(v->layers()->size(), 1u);
  const wire::Layer* layer = v->layers()->Get(0);
  EXPECT_EQ(Text(layer->catalog()), u"\\??\\C:\\s\\catalogs\\abcd.plc");
  ASSERT_EQ(layer->mounts()->size(), 4u);
  int seen = 0;
  for (const wire::Mount* m : *layer->mounts()) {
    const std::u16string prefix = Text(m->prefix()), real = Text(m->real());
    if (prefix == u"C:") {
      seen |= 1;
      EXPECT_EQ(real, u"\\??\\C:\\s\\images\\abcd\\C");
    }
    if (prefix == u"C:\\users\\ann") {
      seen |= 2;
      EXPECT_EQ(real, u"\\??\\C:\\s\\images\\abcd\\Profile");
    }
    if (prefix == u"M") {
      seen |= 4;
      EXPECT_TRUE(m->registry());
    }
    if (prefix == u"U\\S-1-5-21-7") {
      seen |= 8;
      EXPECT_EQ(real,
                u"\\REGISTRY\\USER\\S-1-5-21-7\\Software\\Plume\\" + state.hash() + u"\\Images\\abcd\\CU");
    }
  }
  EXPECT_EQ(seen, 15);
}

TEST(ViewCompiler, RefusesRootsOfLaterVersions) {
  EXPECT_EQ(*MountPrefix("D", false, Facts()), u"D:");
  for (const char* bad : {"", "c", "CC", "Temp"}) EXPECT_FALSE(MountPrefix(bad, false, Facts()).ok()) << bad;
  EXPECT_FALSE(MountPrefix("C", true, Facts()).ok());
}

}  // namespace
}  // namespace plume::agent
