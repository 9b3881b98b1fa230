#include "image/config.h"

#include "image/json.h"
#include "image/profile.h"

namespace plume::image {
namespace {

// Variables came with format 2: a reader that does not know them must not use such an image.
constexpr uint64_t kFormat = 2, kWithoutVariables = 1;
constexpr char kWhat[] = "the image's config";
using Ordered = nlohmann::ordered_json;

Error BadConfig(const std::string& why) {
  return Error{Errc::kInvalid, std::string("reading ") + kWhat + ": " + why};
}

Result<EntryPoint> ParseEntryPoint(const Json& json) {
  EntryPoint out;
  ASSIGN(out.id, TextMember(json, "id", kWhat));
  ASSIGN(out.name, TextMember(json, "name", kWhat));
  ASSIGN(out.path, TextMember(json, "path", kWhat));
  ASSIGN(out.arguments, TextMember(json, "arguments", kWhat));
  ASSIGN(out.cwd, TextMember(json, "cwd", kWhat));
  if (out.id.empty() || out.path.empty()) return BadConfig("an entry point has no id or no path");
  return out;
}

Result<EnvVar> ParseVariable(const Json& json) {
  EnvVar out;
  ASSIGN(out.name, TextMember(json, "name", kWhat));
  ASSIGN(out.value, TextMember(json, "value", kWhat));
  ASSIGN(out.join, BoolMember(json, "join", false, kWhat));
  if (out.name.empty() || out.name.find('=') != std::string::npos)
    return BadConfig("a variable's name is empty or has a =");
  return out;
}

Result<MachineText> ParseMachineText(const Json& json) {
  MachineText out;
  ASSIGN(out.path, TextMember(json, "path", kWhat));
  ASSIGN(out.line, NumberMember(json, "line", 0, kWhat));
  ASSIGN(out.means, TextMember(json, "means", kWhat));
  return out;
}

Result<Variable> ParseImageVariable(const Json& json) {
  Variable out;
  ASSIGN(out.token, TextMember(json, "token", kWhat));
  ASSIGN(out.means, TextMember(json, "means", kWhat));
  if (out.token.empty() || out.means.empty()) return BadConfig("a variable has no token or no meaning");
  return out;
}

}  // namespace

std::string ToJson(const Config& config) {
  Ordered entry_points = Ordered::array(), environment = Ordered::array();
  for (const EntryPoint& entry : config.entry_points) {
    entry_points.push_back({{"id", entry.id},
                            {"name", entry.name},
                            {"path", entry.path},
                            {"arguments", entry.arguments},
                            {"cwd", entry.cwd}});
  }
  for (const EnvVar& variable : config.environment) {
    environment.push_back({{"name", variable.name}, {"value", variable.value}, {"join", variable.join}});
  }
  Ordered json = {
      {"plume", config.variables.empty() ? kWithoutVariables : kFormat},
      {"name", config.name},
      {"version", config.version},
      {"display_name", config.display_name},
      {"publisher", config.publisher},
      {"entry_points", std::move(entry_points)},
      {"environment", std::move(environment)},
      {"file_count", config.file_count},
      {"byte_count", config.byte_count},
      {"key_count", config.key_count},
  };
  for (const Variable& variable : config.variables)
    json["variables"].push_back(Ordered{{"token", variable.token}, {"means", variable.means}});
  for (const MachineText& place : config.machine_texts)
    json["machine_texts"].push_back(
        Ordered{{"path", place.path}, {"line", place.line}, {"means", place.means}});
  if (!config.startup.empty()) json["startup"] = config.startup;
  return json.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

Result<Config> ParseConfig(std::string_view text) {
  if (text.size() > kMaxConfigBytes) return BadConfig("it is larger than 4 MiB");
  ASSIGN(const Json json, ParseJsonObject(text, kWhat));
  ASSIGN(const uint64_t format, NumberMember(json, "plume", 0, kWhat));
  if (format == 0) return BadConfig("it is not a Plume config");
  if (format > kFormat) return BadConfig("it was made by a newer Plume (update this one)");
  Config out;
  ASSIGN(out.name, TextMember(json, "name", kWhat));
  ASSIGN(out.version, TextMember(json, "version", kWhat));
  ASSIGN(out.display_name, TextMember(json, "display_name", kWhat));
  ASSIGN(out.publisher, TextMember(json, "publisher", kWhat));
  ASSIGN(out.file_count, NumberMember(json, "file_count", 0, kWhat));
  ASSIGN(out.byte_count, NumberMember(json, "byte_count", 0, kWhat));
  ASSIGN(out.key_count, NumberMember(json, "key_count", 0, kWhat));
  if (const Json* entries = ArrayMember(json, "entry_points")) {
    for (const Json& entry : *entries) {
      ASSIGN(EntryPoint parsed, ParseEntryPoint(entry));
      out.entry_points.push_back(std::move(parsed));
    }
  }
  if (const Json* variables = ArrayMember(json, "environment")) {
    for (const Json& variable : *variables) {
      ASSIGN(EnvVar parsed, ParseVariable(variable));
      out.environment.push_back(std::move(parsed));
    }
  }
  if (const Json* variables = ArrayMember(json, "variables")) {
    for (const Json& variable : *variables) {
      ASSIGN(Variable parsed, ParseImageVariable(variable));
      out.variables.push_back(std::move(parsed));
    }
  }
  if (const Json* places = ArrayMember(json, "machine_texts")) {
    for (const Json& place : *places) {
      ASSIGN(MachineText parsed, ParseMachineText(place));
      out.machine_texts.push_back(std::move(parsed));
    }
  }
  if (const Json* entries = ArrayMember(json, "startup")) {
    if (entries->size() > kMaxProfileFiles) return BadConfig("a start needs too many files");
    for (const Json& entry : *entries) {
      if (!entry.is_number_unsigned() || entry.get<uint64_t>() > UINT32_MAX)
        return BadConfig("what a start needs is no list of entries");
      out.startup.push_back(entry.get<uint32_t>());
    }
  }
  return out;
}

}  // namespace plume::image
