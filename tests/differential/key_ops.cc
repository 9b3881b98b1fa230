// The subject of the registry differential test: runs seeded sequences of registry operations and prints what
// came back. run_key.py runs it bare and in a VM and compares.
//   key_ops ops --root KEY --seed S --count N [--ops 50] [--drop 1,5,7] [--out FILE]
//   key_ops populate --root KEY --seed S --count N --source host|image|mixed --layer host|all
//   key_ops dump --root KEY [--out FILE]     with last-write times
//   key_ops remove --root KEY
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "key_script.h"

namespace plume::difftest {
namespace {

struct Options {
  std::string verb, source = "host", layer = "all", out;
  std::u16string root;
  uint64_t seed = 1;
  int count = 1, ops = 50;
  std::set<int> drop;
};

bool Parse(int argc, char** argv, Options* options) {
  if (argc < 2) return false;
  options->verb = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    std::string name = argv[i], value = argv[i + 1];
    if (name == "--root")
      options->root.assign(value.begin(), value.end());
    else if (name == "--seed")
      options->seed = strtoull(value.c_str(), nullptr, 10);
    else if (name == "--count")
      options->count = atoi(value.c_str());
    else if (name == "--ops")
      options->ops = atoi(value.c_str());
    else if (name == "--source")
      options->source = value;
    else if (name == "--layer")
      options->layer = value;
    else if (name == "--out")
      options->out = value;
    else if (name == "--drop") {
      for (const char* p = value.c_str(); *p; p += *p == ',')
        options->drop.insert(static_cast<int>(strtol(p, const_cast<char**>(&p), 10)));
    } else
      return false;
  }
  return !options->root.empty();
}

HANDLE Make(const std::u16string& name, HANDLE root, const std::u16string& class_name) {
  NtAttributes attributes(name, root, OBJ_CASE_INSENSITIVE);
  NtName class_string(class_name);
  HANDLE handle = nullptr;
  NTSTATUS status = nt.NtCreateKey(&handle, KEY_ALL_ACCESS, &attributes.value, 0,
                                   class_name.empty() ? nullptr : &class_string.string, 0, nullptr);
  if (status) {
    fprintf(stderr, "creating %s: %08x\n", Escaped(name).c_str(), static_cast<unsigned>(status));
    exit(1);
  }
  return handle;
}

void Populate(const PopulatedKey& key, HANDLE parent, bool merged) {
  if (!merged && !key.on_host) return;
  // What a guest sees: the image's values over the host's; an image's key has no class.
  const bool image_wins = merged && key.in_image && !(key.on_host && key.image_values.empty());
  HANDLE handle = Make(key.name, parent, image_wins ? u"" : key.class_name);
  const auto set = [&](const std::vector<PopulatedValue>& values) {
    for (const auto& value : values) {
      NtName name(value.name);
      nt.NtSetValueKey(handle, &name.string, 0, value.type, value.data.data(),
                       static_cast<ULONG>(value.data.size()));
    }
  };
  if (key.on_host) set(key.host_values);
  if (image_wins) set(key.image_values);
  for (const auto& child : key.children) Populate(child, handle, merged);
  nt.NtClose(handle);
}

bool Remove(const std::u16string& name) {
  NtAttributes attributes(name, nullptr, OBJ_CASE_INSENSITIVE | 0x100);
  HANDLE handle = nullptr;
  if (nt.NtOpenKey(&handle, KEY_ALL_ACCESS, &attributes.value)) return false;
  for (;;) {
    uint8_t buffer[1024];
    ULONG returned = 0, bytes;
    if (nt.NtEnumerateKey(handle, 0, 0, buffer, sizeof(buffer), &returned)) break;
    memcpy(&bytes, buffer + 12, 4);
    if (!Remove(name + u"\\" + std::u16string(reinterpret_cast<char16_t*>(buffer + 16), bytes / 2))) break;
  }
  NTSTATUS status = nt.NtDeleteKey(handle);
  nt.NtClose(handle);
  return status == 0;
}

int Main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options) || !nt.Load()) {
    fprintf(stderr, "usage: key_ops ops|populate|dump|remove --root KEY [...]\n");
    return 2;
  }
  std::string out;
  if (options.verb == "ops") {
    for (int i = 0; i < options.count; ++i) {
      uint64_t seed = options.seed + static_cast<uint64_t>(i);
      std::string digits = std::to_string(seed);
      out += "== " + digits + "\n";
      KeyScript(options.root + u"\\s" + std::u16string(digits.begin(), digits.end()), seed, &out)
          .Run(options.ops, options.drop);
    }
  } else if (options.verb == "populate") {
    HANDLE root = Make(options.root, nullptr, u"");
    static const std::map<std::string, Source> sources = {
        {"host", Source::kHost}, {"image", Source::kImage}, {"mixed", Source::kMixed}};
    for (int i = 0; i < options.count; ++i) {
      Populate(MakePopulation(options.seed + static_cast<uint64_t>(i), sources.at(options.source)), root,
               options.layer == "all");
    }
    nt.NtClose(root);
  } else if (options.verb == "dump") {
    DumpTree(options.root, true, &out);
  } else if (options.verb == "remove") {
    return Remove(options.root) ? 0 : 1;
  }
  FILE* file = options.out.empty() ? stdout : fopen(options.out.c_str(), "wb");
  if (!file) return 2;
  fwrite(out.data(), 1, out.size(), file);
  return file == stdout ? fflush(file) : fclose(file);
}

}  // namespace
}  // namespace plume::difftest

int main(int argc, char** argv) { return plume::difftest::Main(argc, argv); }
