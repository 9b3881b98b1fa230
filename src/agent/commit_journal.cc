#include "agent/commit_journal.h"

#include "agent/control.h"
#include "agent/text.h"
#include "os/sha256.h"

namespace plume::agent {
namespace {

constexpr const char* kFileKinds[] = {"put", "replace", "remove"};
constexpr const char* kKeyKinds[] = {"put", "remove", "set", "delete"};

// Names may hold any unit, JSON only text: four digits each.
std::string Units(std::u16string_view text) {
  std::string out;
  for (const char16_t c : text)
    for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[(c >> shift) & 15];
  return out;
}

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool Bytes(std::string_view hex, std::vector<uint8_t>* out) {
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int high = Digit(hex[i]), low = Digit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return hex.size() % 2 == 0;
}

bool Units(const Json& json, const char* field, std::u16string* out) {
  std::vector<uint8_t> bytes;
  if (!Bytes(OptionalString(json, field), &bytes) || bytes.size() % 2 != 0) return false;
  for (size_t i = 0; i < bytes.size(); i += 2)
    out->push_back(static_cast<char16_t>(bytes[i] << 8 | bytes[i + 1]));
  return true;
}

Json ValueJson(const image::ValueItem& v) {
  return Json{{"name", Units(v.name)}, {"type", v.type}, {"data", os::Hex(v.data)}};
}

bool Value(const Json& json, const char* field, image::ValueItem* out) {
  const auto it = json.find(field);
  if (it == json.end() || !it->is_object() || !Units(*it, "name", &out->name)) return false;
  const auto type = it->find("type");
  if (type == it->end() || !type->is_number_unsigned()) return false;
  out->type = type->get<uint32_t>();
  return Bytes(OptionalString(*it, "data"), &out->data);
}

template <size_t n>
int Kind(const Json& json, const char* const (&names)[n]) {
  const std::string text = OptionalString(json, "do");
  for (size_t i = 0; i < n; ++i)
    if (text == names[i]) return static_cast<int>(i);
  return -1;
}

}  // namespace

std::string CommitJournal::ToText() const {
  Json file_rows = Json::array(), key_rows = Json::array();
  for (const JournalFile& f : files) {
    // "text" is for people.
    file_rows.push_back({{"do", kFileKinds[static_cast<int>(f.kind)]},
                         {"text", ToUtf8(f.path)},
                         {"path", Units(f.path)},
                         {"staged", Units(f.staged)},
                         {"old", Units(f.old)}});
  }
  for (const JournalKey& k : keys) {
    key_rows.push_back({{"do", kKeyKinds[static_cast<int>(k.kind)]},
                        {"text", ToUtf8(k.path)},
                        {"path", Units(k.path)},
                        {"staged", Units(k.staged)},
                        {"old", Units(k.old)},
                        {"value", ValueJson(k.value)},
                        {"had_value", k.had_value},
                        {"old_value", ValueJson(k.old_value)}});
  }
  return Json{{"version", 1},
              {"phase", phase == CommitPhase::kStaging ? "staging" : "applying"},
              {"workspace", workspace},
              {"files", std::move(file_rows)},
              {"keys", std::move(key_rows)}}
      .dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<CommitJournal> CommitJournal::FromText(std::string_view text) {
  const Error bad{Errc::kCorrupt, "reading the journal of a commit failed: it is damaged"};
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("version") || json["version"] != 1) return bad;
  CommitJournal out;
  const std::string phase = OptionalString(json, "phase");
  if (phase != "staging" && phase != "applying") return bad;
  out.phase = phase == "staging" ? CommitPhase::kStaging : CommitPhase::kApplying;
  const auto workspace = json.find("workspace"), file_rows = json.find("files"), key_rows = json.find("keys");
  if (workspace == json.end() || !workspace->is_number_unsigned() || file_rows == json.end() ||
      !file_rows->is_array() || key_rows == json.end() || !key_rows->is_array())
    return bad;
  out.workspace = workspace->get<uint32_t>();
  for (const Json& row : *file_rows) {
    JournalFile f{FileOpKind::kPut, {}, {}, {}};
    const int kind = row.is_object() ? Kind(row, kFileKinds) : -1;
    if (kind < 0 || !Units(row, "path", &f.path) || !Units(row, "staged", &f.staged) ||
        !Units(row, "old", &f.old))
      return bad;
    f.kind = static_cast<FileOpKind>(kind);
    out.files.push_back(std::move(f));
  }
  for (const Json& row : *key_rows) {
    JournalKey k{KeyOpKind::kPut, {}, {}, {}, {}, {}, false};
    const int kind = row.is_object() ? Kind(row, kKeyKinds) : -1;
    if (kind < 0 || !Units(row, "path", &k.path) || !Units(row, "staged", &k.staged) ||
        !Units(row, "old", &k.old) || !Value(row, "value", &k.value) ||
        !Value(row, "old_value", &k.old_value))
      return bad;
    k.kind = static_cast<KeyOpKind>(kind);
    k.had_value = OptionalBool(row, "had_value");
    out.keys.push_back(std::move(k));
  }
  return out;
}

}  // namespace plume::agent
