// plume image: the local store, where capture puts images and publish takes them from.
#include "agent/text.h"
#include "cli/command.h"
#include "image/inspect.h"
#include "image/store.h"

namespace plume::cli {
namespace {

using nlohmann::json;

Result<std::unique_ptr<image::Store>> OpenStore(Context& context) {
  ASSIGN(const agent::StatePaths state, context.State());
  return image::Store::Open(os::SystemFiles(), agent::HostPath(state.Store()));
}

struct ReaderOptions {
  std::string ref;
  bool json = false;
};

// An image command that looks something up in the store and prints it.
void AddReader(CLI::App& group, Context& context, const char* name, const char* help, bool has_ref,
               std::function<Result<json>(image::Store&, const std::string&)> read,
               std::function<void(const json&)> text) {
  auto o = std::make_shared<ReaderOptions>();
  const std::string example = std::string("plume image ") + name + (has_ref ? " editor:1.2" : "");
  CLI::App* c = AddCommand(group, context, name, help, example, [=, &context]() -> Result<int> {
    ASSIGN(const auto store, OpenStore(context));
    ASSIGN(const json found, read(*store, o->ref));
    return Show(o->json, found, text);
  });
  if (has_ref) c->add_option("REF", o->ref, "NAME:VERSION, NAME or digest")->required();
  c->add_flag("--json", o->json, "Print JSON");
}

std::string Plain(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// The fields that say something, in one line.
std::string Row(const json& row) {
  if (!row.is_object()) return Plain(row);
  std::string out;
  for (const auto& [key, value] : row.items()) {
    if (value == "" || value == false) continue;
    out += (out.empty() ? "" : ", ") + key + " " + Plain(value);
  }
  return out;
}

}  // namespace

void AddImage(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "image", "Images in the local store");
  AddReader(
      *group, context, "list", "Show the images", false,
      [](image::Store& store, const std::string&) { return image::ListImages(store); },
      [](const json& rows) {
        Table table({"NAME", "VERSION", "SIZE", "FILES", "DIGEST"});
        for (const json& r : rows)
          table.Add({Field(r, "name"), Field(r, "version"), SizeText(NumberField(r, "stored_bytes")),
                     std::to_string(NumberField(r, "files")), Field(r, "digest").substr(0, 19)});
        table.Print();
      });
  AddReader(
      *group, context, "inspect", "Show what an image says of itself", true,
      [](image::Store& store, const std::string& ref) { return image::InspectImage(store, ref); },
      [](const json& j) {
        for (const auto& [key, value] : j.items()) {
          if (!value.is_array()) {
            PrintLine(key + ": " + Plain(value));
            continue;
          }
          if (value.empty()) continue;
          PrintLine(key + ": " + std::to_string(value.size()));
          for (const json& row : value) PrintLine("  " + Row(row));
        }
      });
  AddReader(
      *group, context, "files", "Show its files", true,
      [](image::Store& store, const std::string& ref) { return image::ListFiles(store, ref); },
      [](const json& rows) {
        for (const json& r : rows)
          PrintLine(Field(r, "path") +
                    (Field(r, "kind") == "directory" ? "\\" : "  " + std::to_string(NumberField(r, "size"))));
      });
  AddReader(
      *group, context, "registry", "Show its registry keys and values", true,
      [](image::Store& store, const std::string& ref) { return image::ListRegistry(store, ref); },
      [](const json& rows) {
        for (const json& r : rows) {
          PrintLine("[" + Field(r, "key") + "]");
          for (const json& v : r["values"])
            PrintLine("  " + Field(v, "name") + " = " + Field(v, "type") + " " +
                      (v.contains("data") ? Plain(v["data"]) : ""));
        }
      });

  auto verify_ref = std::make_shared<std::string>();
  CLI::App* verify =
      AddCommand(*group, context, "verify", "Prove that every byte of an image is there and right",
                 "plume image verify editor:1.2", [verify_ref, &context]() -> Result<int> {
                   ASSIGN(const auto store, OpenStore(context));
                   ProgressDisplay display;
                   ASSIGN(const image::VerifyReport r,
                          image::VerifyImage(*store, *verify_ref, [&](uint64_t done, uint64_t total) {
                            display.Show({"verifying", done, total});
                          }));
                   PrintLine(*verify_ref + " is sound: " + std::to_string(r.files) + " files, " +
                             std::to_string(r.chunks) + " chunks, " + SizeText(r.bytes));
                   return 0;
                 });
  verify->add_option("REF", *verify_ref, "NAME:VERSION, NAME or digest")->required();

  auto remove_ref = std::make_shared<std::string>();
  CLI::App* remove = AddCommand(*group, context, "remove", "Remove an image from the local store",
                                "plume image remove editor:1.2", [remove_ref, &context]() -> Result<int> {
                                  ASSIGN(const auto store, OpenStore(context));
                                  ASSIGN(const image::ImageRef ref, store->Resolve(*remove_ref));
                                  TRY(store->Remove(ref));
                                  ASSIGN(const uint64_t freed, store->layout().CollectGarbage());
                                  PrintLine("removed " + ref.Text() + ", " + SizeText(freed) + " freed");
                                  return 0;
                                });
  remove->add_option("REF", *remove_ref, "NAME:VERSION, NAME or digest")->required();
}

}  // namespace plume::cli
