#include "integrate/record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf16.h"
#include "view/path.h"

namespace plume::integrate {
namespace {

using Json = nlohmann::json;
constexpr int kVersion = 1;

Json Texts(const std::vector<std::u16string>& list) {
  Json out = Json::array();
  for (const std::u16string& item : list) out.push_back(ToUtf8(item));
  return out;
}

std::vector<std::u16string> Texts(const Json& json, const char* field) {
  std::vector<std::u16string> out;
  for (const std::string& item : json.at(field).get<std::vector<std::string>>())
    out.push_back(FromUtf8Lossy(item));
  return out;
}

std::u16string Text(const Json& json, const char* field) {
  return FromUtf8Lossy(json.at(field).get<std::string>());
}

bool IsBelow(std::u16string_view path, std::u16string_view parent) {
  return path.size() > parent.size() && path[parent.size()] == u'\\' &&
         view::EqualFolded(path.substr(0, parent.size()), parent);
}

// Parents sort before what is below them.
void AddSorted(const std::u16string& item, std::vector<std::u16string>* list) {
  const auto at = std::lower_bound(list->begin(), list->end(), item);
  if (at == list->end() || *at != item) list->insert(at, item);
}

}  // namespace

bool Inherit(const Record& gone, const std::function<bool(const std::u16string& key)>& key_exists,
             const std::function<bool(const std::u16string& folder)>& folder_exists, Record* other) {
  const std::string was = ToJson(*other);
  for (WrittenValue& mine : other->values) {
    for (const WrittenValue& theirs : gone.values) {
      if (view::EqualFolded(mine.value.key, theirs.value.key) &&
          view::EqualFolded(mine.value.name, theirs.value.name) && mine.before == theirs.value.data)
        mine.before = theirs.before;
    }
  }
  for (const std::u16string& key : gone.keys) {
    const bool needed = std::any_of(other->values.begin(), other->values.end(), [&](const WrittenValue& w) {
      return view::EqualFolded(w.value.key, key) || IsBelow(w.value.key, key);
    });
    if (needed && key_exists(key)) AddSorted(key, &other->keys);
  }
  for (const std::u16string& folder : gone.folders) {
    const bool needed = std::any_of(other->files.begin(), other->files.end(),
                                    [&](const std::u16string& file) { return IsBelow(file, folder); });
    if (needed && folder_exists(folder)) AddSorted(folder, &other->folders);
  }
  return ToJson(*other) != was;
}

std::string ToJson(const Record& r) {
  Json values = Json::array(), conflicts = Json::array();
  for (const WrittenValue& w : r.values) {
    Json row{{"key", ToUtf8(w.value.key)}, {"name", ToUtf8(w.value.name)}, {"data", ToUtf8(w.value.data)}};
    if (w.before) row["before"] = ToUtf8(*w.before);
    values.push_back(std::move(row));
  }
  for (const Conflict& c : r.conflicts)
    conflicts.push_back({{"what", ToUtf8(c.what)}, {"owner", ToUtf8(c.owner)}});
  Json out{{"version", kVersion},
           {"application", r.application},
           {"digest", r.digest},
           {"take", r.take},
           {"values", std::move(values)},
           {"keys", Texts(r.keys)},
           {"files", Texts(r.files)},
           {"folders", Texts(r.folders)},
           {"commands", Texts(r.commands)},
           {"shortcuts", Texts(r.shortcuts)},
           {"types", Texts(r.types)},
           {"protocols", Texts(r.protocols)},
           {"conflicts", std::move(conflicts)}};
  if (r.desktop)
    out["desktop"] = {{"data_home", r.desktop->data_home},
                      {"launcher", r.desktop->launcher},
                      {"prefix", r.desktop->prefix}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Record> ParseRecord(std::string_view text) {
  const Error damaged{Errc::kCorrupt, "reading what was integrated failed: the record is damaged"};
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return damaged;
  try {
    if (json.at("version").get<int>() > kVersion)
      return Error{Errc::kUnsupported,
                   "reading what was integrated failed: a later version of Plume wrote it (use that one)"};
    Record out;
    out.application = json.at("application").get<std::string>();
    out.digest = json.at("digest").get<std::string>();
    out.take = json.at("take").get<std::vector<std::string>>();
    for (const Json& row : json.at("values")) {
      WrittenValue w{{Text(row, "key"), Text(row, "name"), Text(row, "data")}, {}};
      if (row.contains("before")) w.before = Text(row, "before");
      out.values.push_back(std::move(w));
    }
    for (const Json& row : json.at("conflicts"))
      out.conflicts.push_back({Text(row, "what"), Text(row, "owner")});
    out.keys = Texts(json, "keys");
    out.files = Texts(json, "files");
    out.folders = Texts(json, "folders");
    out.commands = Texts(json, "commands");
    out.shortcuts = Texts(json, "shortcuts");
    out.types = Texts(json, "types");
    out.protocols = Texts(json, "protocols");
    if (json.contains("desktop")) {
      const Json& d = json.at("desktop");
      out.desktop = LinuxDesktop{d.at("data_home").get<std::string>(), d.at("launcher").get<std::string>(),
                                 d.at("prefix").get<std::string>()};
    }
    if (out.application.empty()) return damaged;
    return out;
  } catch (const Json::exception&) {
    return damaged;
  }
}

}  // namespace plume::integrate
