#include "image/inspect.h"

#include <algorithm>

#include "base/utf16.h"
#include "base/utf16_bytes.h"
#include "catalog/reader.h"
#include "image/codec.h"
#include "image/contents.h"
#include "image/json.h"

namespace plume::image {
namespace {

struct TypeName {
  uint32_t type;
  const char* name;
};
constexpr TypeName kTypes[] = {{0, "REG_NONE"},   {1, "REG_SZ"},       {2, "REG_EXPAND_SZ"},
                               {3, "REG_BINARY"}, {4, "REG_DWORD"},    {5, "REG_DWORD_BIG_ENDIAN"},
                               {6, "REG_LINK"},   {7, "REG_MULTI_SZ"}, {8, "REG_RESOURCE_LIST"},
                               {11, "REG_QWORD"}};

std::string TypeText(uint32_t type) {
  for (const TypeName& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "REG_" + std::to_string(type);
}

uint64_t Number(std::span<const uint8_t> data) {
  uint64_t number = 0;
  for (size_t i = data.size(); i-- > 0;) number = number << 8 | data[i];
  return number;
}

Json DataJson(uint32_t type, std::span<const uint8_t> data) {
  if ((type == 1 || type == 2) && data.size() % 2 == 0) {
    std::u16string text = UnitsOf(data);
    while (!text.empty() && text.back() == 0) text.pop_back();
    return ToUtf8(text);
  }
  if (type == 7 && data.size() % 2 == 0) {
    Json list = Json::array();
    const std::u16string text = UnitsOf(data);
    for (size_t at = 0; at < text.size() && text[at] != 0;) {
      const size_t end = std::min(text.find(u'\0', at), text.size());
      list.push_back(ToUtf8(std::u16string_view(text).substr(at, end - at)));
      at = end + 1;
    }
    return list;
  }
  if ((type == 4 && data.size() == 4) || (type == 11 && data.size() == 8)) return Number(data);
  return os::Hex(data);
}

// "C:\", "%PROFILE%\", "HKEY_LOCAL_MACHINE\", "HKEY_CURRENT_USER\": roots as users know them.
std::string FileRoot(const std::string& root) {
  if (root == "Profile") return "%PROFILE%";
  return root.size() == 1 ? root + ":" : root;
}

std::string KeyRoot(const std::string& root) {
  return root == "M" ? "HKEY_LOCAL_MACHINE" : root == "CU" ? "HKEY_CURRENT_USER" : root;
}

std::string Iso(int64_t filetime) {
  if (filetime <= 0) return "";
  // Civil date from days (Howard Hinnant, "chrono-compatible low-level date algorithms").
  const int64_t seconds = (filetime - 116444736000000000) / 10'000'000;
  int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t doe = days - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  const int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
  const int64_t year = yoe + era * 400 + (month <= 2);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", static_cast<int>(year),
                static_cast<int>(month), static_cast<int>(day), static_cast<int>(rest / 3600),
                static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return text;
}

// A catalog and its reader, kept together.
struct OpenCatalog {
  os::Bytes bytes;
  catalog::Reader reader;
};

Result<OpenCatalog> OpenFor(const Store& store, const Manifest& manifest) {
  OpenCatalog out;
  ASSIGN(out.bytes, LoadCatalog(store, manifest));
  out.reader.Attach(out.bytes.data(), out.bytes.size());
  return out;
}

os::Digest DigestOf(const catalog::Sha256& digest) {
  os::Digest out;
  std::copy(digest.bytes()->begin(), digest.bytes()->end(), out.begin());
  return out;
}

// Calls visit(path, entry) for the tree in order: a directory, then what is below it. Recursion is bounded:
// the catalog's depth is (writer: under 255; verified catalogs: by the node count, so an explicit stack is
// used).
template <typename Visit>
void WalkFiles(const catalog::Reader& reader, uint32_t root, const std::string& prefix, Visit&& visit) {
  std::vector<std::pair<uint32_t, std::string>> open = {{root, prefix}};
  while (!open.empty()) {
    const auto [index, path] = std::move(open.back());
    open.pop_back();
    const catalog::Entry& entry = reader.entry(index);
    visit(path, entry);
    for (uint32_t i = entry.child_count(); i-- > 0;) {
      const uint32_t child = entry.first_child() + i;
      open.emplace_back(child, path + "\\" + ToUtf8(reader.name(reader.entry(child))));
    }
  }
}

// What the image registers, as lists; empty ones are there too.
void AddContents(const Contents& contents, Json* out) {
  Json &classes = (*out)["com_classes"] = Json::array(), &services = (*out)["services"] = Json::array(),
       &drivers = (*out)["drivers"] = Json::array(), &types = (*out)["file_types"] = Json::array(),
       &protocols = (*out)["protocols"] = Json::array(), &fonts = (*out)["fonts"] = Json::array();
  for (const ComClass& c : contents.com_classes) {
    classes.push_back({{"clsid", c.clsid},
                       {"name", c.name},
                       {"server", c.server},
                       {"file", c.file},
                       {"threading", c.threading},
                       {"prog_id", c.prog_id},
                       {"scope", c.user ? "user" : "machine"},
                       {"wow64", c.wow64}});
  }
  for (const auto& [list, to] : {std::pair(&contents.services, &services), {&contents.drivers, &drivers}}) {
    for (const Service& s : *list)
      to->push_back(
          {{"name", s.name}, {"display_name", s.display_name}, {"command", s.command}, {"start", s.start}});
  }
  for (const std::string& file : contents.driver_files) drivers.push_back({{"file", file}});
  for (const FileType& t : contents.file_types)
    types.push_back({{"extension", t.extension}, {"type", t.type}, {"name", t.name}, {"command", t.command}});
  for (const Protocol& p : contents.protocols)
    protocols.push_back({{"scheme", p.scheme}, {"command", p.command}});
  for (const Font& f : contents.fonts) fonts.push_back({{"name", f.name}, {"file", f.file}});
  (*out)["scheduled_tasks"] = contents.scheduled_tasks;
  (*out)["assemblies"] = contents.assemblies;
}

Json Blob(const Descriptor& blob) { return {{"digest", blob.digest}, {"size", blob.size}}; }

}  // namespace

Result<os::Bytes> LoadCatalog(const Store& store, const Manifest& manifest) {
  ASSIGN(const os::Bytes layer, store.layout().ReadBlob(manifest.catalog.digest, kMaxCatalogBytes));
  Result<std::vector<uint8_t>> catalog = UnpackCatalog(layer);
  if (!catalog.ok()) return catalog.error().In("reading the catalog " + manifest.catalog.digest);
  if (!catalog::Reader::Verify(catalog->data(), catalog->size())) {
    return Error{Errc::kCorrupt, "reading the catalog " + manifest.catalog.digest +
                                     ": its structure is not sound (damaged, or made by a newer Plume)"};
  }
  catalog::Reader reader;
  if (!reader.Attach(catalog->data(), catalog->size()) ||
      reader.raw().packs()->size() != manifest.packs.size()) {
    return Error{Errc::kCorrupt,
                 "reading the catalog " + manifest.catalog.digest + ": it does not belong to its manifest"};
  }
  for (uint32_t i = 0; i < manifest.packs.size(); ++i) {
    const catalog::Pack& pack = *reader.raw().packs()->Get(i);
    if (os::DigestText(DigestOf(pack.digest())) != manifest.packs[i].digest ||
        pack.size() != manifest.packs[i].size) {
      return Error{Errc::kCorrupt, "reading the catalog " + manifest.catalog.digest +
                                       ": it names other packs than its manifest"};
    }
  }
  return std::move(*catalog);
}

Result<Json> ListImages(const Store& store) {
  ASSIGN(const std::vector<ImageRef> images, store.List());
  Json list = Json::array();
  for (const ImageRef& image : images) {
    Json row = {{"name", image.name}, {"version", image.version}, {"digest", image.digest}};
    const Result<Manifest> manifest = store.ReadManifest(image.digest);
    const Result<Config> config =
        manifest.ok() ? store.ReadConfig(*manifest) : Result<Config>(manifest.error());
    if (config.ok()) {
      row["stored_bytes"] = manifest->TotalBytes();
      row["bytes"] = config->byte_count;
      row["files"] = config->file_count;
      row["keys"] = config->key_count;
      row["display_name"] = config->display_name;
      row["publisher"] = config->publisher;
    } else {
      row["damaged"] = config.error().message;  // a list must not fail because of one image
    }
    list.push_back(std::move(row));
  }
  return list;
}

Result<Json> InspectImage(const Store& store, const std::string& ref) {
  ASSIGN(const ImageRef image, store.Resolve(ref));
  ASSIGN(const Manifest manifest, store.ReadManifest(image.digest));
  ASSIGN(const Config config, store.ReadConfig(manifest));
  ASSIGN(const OpenCatalog open, OpenFor(store, manifest));
  Json entries = Json::array(), environment = Json::array(), packs = Json::array();
  for (const EntryPoint& e : config.entry_points) {
    entries.push_back(
        {{"id", e.id}, {"name", e.name}, {"path", e.path}, {"arguments", e.arguments}, {"cwd", e.cwd}});
  }
  for (const EnvVar& v : config.environment) {
    environment.push_back({{"name", v.name}, {"value", v.value}, {"join", v.join}});
  }
  for (const Descriptor& pack : manifest.packs) packs.push_back(Blob(pack));
  Json variables = Json::array();
  for (const Variable& v : config.variables) variables.push_back({{"token", v.token}, {"means", v.means}});
  Json texts = Json::array();
  for (const MachineText& t : config.machine_texts)
    texts.push_back({{"path", t.path}, {"line", t.line}, {"means", t.means}});
  Json out{{"name", image.name},
           {"version", image.version},
           {"digest", image.digest},
           {"display_name", config.display_name},
           {"publisher", config.publisher},
           {"files", config.file_count},
           {"bytes", config.byte_count},
           {"keys", config.key_count},
           {"stored_bytes", manifest.TotalBytes()},
           {"chunks", open.reader.raw().chunks()->size()},
           {"config", Blob(manifest.config)},
           {"catalog", Blob(manifest.catalog)},
           {"packs", std::move(packs)},
           {"entry_points", std::move(entries)},
           {"environment", std::move(environment)},
           {"variables", std::move(variables)},
           {"machine_texts", std::move(texts)}};
  AddContents(ReadContents(open.reader), &out);
  return out;
}

Result<Json> ListFiles(const Store& store, const std::string& ref) {
  ASSIGN(const ImageRef image, store.Resolve(ref));
  ASSIGN(const Manifest manifest, store.ReadManifest(image.digest));
  ASSIGN(const OpenCatalog open, OpenFor(store, manifest));
  Json list = Json::array();
  for (const catalog::Root* root : *open.reader.raw().roots()) {
    if (root->registry()) continue;
    WalkFiles(open.reader, root->index(), FileRoot(root->name()->str()),
              [&](const std::string& path, const catalog::Entry& entry) {
                if (entry.parent() == root->index() && path.find('\\') == std::string::npos)
                  return;  // the root itself
                const bool directory = (entry.flags() & catalog::kDirectory) != 0;
                Json row = {{"path", path},
                            {"kind", directory ? "directory" : "file"},
                            {"attributes", entry.attributes()},
                            {"modified", Iso(entry.modified())}};
                if (!directory) {
                  row["size"] = entry.size();
                  row["chunks"] = entry.chunk_count();
                  row["sha256"] =
                      entry.content() == catalog::kNone
                          ? os::Hex(os::Sha256::Of(std::string_view()))
                          : os::Hex(DigestOf(*open.reader.raw().contents()->Get(entry.content())));
                }
                list.push_back(std::move(row));
              });
  }
  return list;
}

Result<Json> ListRegistry(const Store& store, const std::string& ref) {
  ASSIGN(const ImageRef image, store.Resolve(ref));
  ASSIGN(const Manifest manifest, store.ReadManifest(image.digest));
  ASSIGN(const OpenCatalog open, OpenFor(store, manifest));
  const catalog::Reader& reader = open.reader;
  Json list = Json::array();
  for (const catalog::Root* root : *reader.raw().roots()) {
    if (!root->registry()) continue;
    std::vector<std::pair<uint32_t, std::string>> keys = {{root->index(), KeyRoot(root->name()->str())}};
    while (!keys.empty()) {
      const auto [index, path] = std::move(keys.back());
      keys.pop_back();
      const catalog::Key& key = reader.key(index);
      Json values = Json::array();
      for (uint32_t i = 0; i < key.value_count(); ++i) {
        const catalog::Value& value = reader.value(key.first_value() + i);
        const std::span<const uint8_t> data(reader.raw().data()->Data() + value.data(), value.data_size());
        values.push_back({{"name", ToUtf8(reader.name(value))},
                          {"type", TypeText(value.type())},
                          {"data", DataJson(value.type(), data)}});
      }
      list.push_back({{"key", path}, {"values", std::move(values)}});
      for (uint32_t i = key.child_count(); i-- > 0;) {
        const uint32_t child = key.first_child() + i;
        keys.emplace_back(child, path + "\\" + ToUtf8(reader.name(reader.key(child))));
      }
    }
  }
  return list;
}

Result<VerifyReport> VerifyImage(const Store& store, const std::string& ref,
                                 const std::function<void(uint64_t done, uint64_t total)>& progress) {
  ASSIGN(const ImageRef image, store.Resolve(ref));
  ASSIGN(const Manifest manifest, store.ReadManifest(image.digest));
  ASSIGN(const Config config, store.ReadConfig(manifest));
  ASSIGN(const OpenCatalog open, OpenFor(store, manifest));
  const catalog::Catalog& catalog = open.reader.raw();
  const std::string what = "verifying " + image.Text();
  if (config.name != manifest.name || config.version != manifest.version) {
    return Error{Errc::kCorrupt, what + ": config and manifest name different images"};
  }
  VerifyReport report;
  const uint64_t total = manifest.TotalBytes() + config.byte_count;
  uint64_t done = 0;
  const auto advance = [&](uint64_t bytes) {
    done += bytes;
    if (progress) progress(std::min(done, total), total);
  };
  for (const Descriptor& pack : manifest.packs) {
    Status checked = store.layout().CheckBlob(pack);
    if (!checked.ok()) return checked.error().In(what);
    ++report.packs;
    advance(pack.size);
  }
  const auto decode = [&](uint32_t i) -> Result<std::vector<uint8_t>> {
    const catalog::Chunk& chunk = *catalog.chunks()->Get(i);
    ASSIGN(const os::Bytes stored,
           store.layout().ReadBlobRange(manifest.packs[chunk.pack()].digest, chunk.offset(), chunk.stored()));
    return DecodeChunk(stored, chunk.size(), DigestOf(chunk.digest()));
  };
  report.chunks = catalog.chunks()->size();
  std::vector<bool> seen(catalog.contents()->size()), used(catalog.chunks()->size());
  for (uint32_t i = 0; i < catalog.entries()->size(); ++i) {
    const catalog::Entry& entry = open.reader.entry(i);
    if (entry.flags() & catalog::kDirectory) continue;
    ++report.files;
    report.bytes += entry.size();
    if (entry.content() == catalog::kNone || seen[entry.content()]) continue;
    seen[entry.content()] = true;
    os::Sha256 hash;
    for (uint32_t c = 0; c < entry.chunk_count(); ++c) {
      const uint32_t index = catalog.chunk_refs()->Get(entry.first_chunk() + c);
      Result<std::vector<uint8_t>> plain = decode(index);
      if (!plain.ok()) return plain.error().In(what + ": the file " + ToUtf8(open.reader.name(entry)));
      used[index] = true;
      hash.Update(*plain);
      advance(plain->size());
    }
    if (hash.Finish() != DigestOf(*catalog.contents()->Get(entry.content()))) {
      return Error{Errc::kCorrupt, what + ": the file " + ToUtf8(open.reader.name(entry)) +
                                       " does not have the digest the catalog gives"};
    }
  }
  if (const auto unused = std::find(used.begin(), used.end(), false); unused != used.end()) {
    return Error{Errc::kCorrupt, what + ": the catalog has a chunk that no file uses"};
  }
  return report;
}

}  // namespace plume::image
