#include "image/json.h"

namespace plume::image {
namespace {

Error Bad(const std::string& what, const std::string& why) {
  return Error{Errc::kInvalid, "reading " + what + ": " + why};
}

}  // namespace

Result<Json> ParseJsonObject(std::string_view text, const std::string& what) {
  bool too_deep = false;
  Json json = Json::parse(
      text,
      [&](int depth, Json::parse_event_t, Json&) {
        if (depth > kMaxJsonDepth) too_deep = true;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return Bad(what, "it is nested too deeply");
  if (json.is_discarded()) return Bad(what, "it is not JSON");
  if (!json.is_object()) return Bad(what, "it is not a JSON object");
  return json;
}

const Json* Member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const Json* ArrayMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  return member && member->is_array() ? member : nullptr;
}

const Json* ObjectMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  return member && member->is_object() ? member : nullptr;
}

Result<std::string> TextMember(const Json& object, const char* name, const std::string& what) {
  const Json* member = Member(object, name);
  if (!member) return std::string();
  if (!member->is_string()) return Bad(what, std::string("\"") + name + "\" is not text");
  return member->get_ref<const std::string&>();
}

Result<uint64_t> NumberMember(const Json& object, const char* name, uint64_t fallback,
                              const std::string& what) {
  const Json* member = Member(object, name);
  if (!member) return fallback;
  if (!member->is_number_unsigned())
    return Bad(what, std::string("\"") + name + "\" is not a whole number from 0");
  return member->get<uint64_t>();
}

Result<bool> BoolMember(const Json& object, const char* name, bool fallback, const std::string& what) {
  const Json* member = Member(object, name);
  if (!member) return fallback;
  if (!member->is_boolean()) return Bad(what, std::string("\"") + name + "\" is neither true nor false");
  return member->get<bool>();
}

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace plume::image
