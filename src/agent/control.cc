#include "agent/control.h"

namespace plume::agent {
namespace {

struct ErrcRow {
  Errc code;
  const char* name;
};
constexpr ErrcRow kErrcNames[] = {
    {Errc::kNotFound, "not-found"}, {Errc::kExists, "exists"},           {Errc::kInvalid, "invalid"},
    {Errc::kCorrupt, "corrupt"},    {Errc::kDenied, "denied"},           {Errc::kBusy, "busy"},
    {Errc::kNoSpace, "no-space"},   {Errc::kUnreachable, "unreachable"}, {Errc::kUnsupported, "unsupported"},
    {Errc::kInternal, "internal"},
};

Error BadMessage(const char* why) {
  return Error{Errc::kInvalid, std::string("reading a control message failed: ") + why +
                                   " (are plume and plume-agent of the same version?)"};
}

bool RightVersion(const Json& message) {
  const auto v = message.find("v");
  return v != message.end() && v->is_number_integer() && v->get<int64_t>() == kControlVersion;
}

}  // namespace

const char* ErrcName(Errc code) {
  for (const ErrcRow& row : kErrcNames)
    if (row.code == code) return row.name;
  return "internal";
}

Errc ErrcFromName(std::string_view name) {
  for (const ErrcRow& row : kErrcNames)
    if (name == row.name) return row.code;
  return Errc::kInternal;
}

std::string EncodeFrame(const Json& message) {
  // Text that came from a file system may not be UTF-8; it must never make the agent throw.
  const std::string body = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  const uint32_t n = static_cast<uint32_t>(body.size());
  std::string frame;
  frame.reserve(body.size() + 4);
  for (int shift = 0; shift < 32; shift += 8) frame += static_cast<char>((n >> shift) & 0xFF);
  return frame + body;
}

Result<uint32_t> DecodeHeader(const uint8_t header[4], uint32_t limit) {
  const uint32_t n = header[0] | header[1] << 8 | header[2] << 16 | static_cast<uint32_t>(header[3]) << 24;
  if (n == 0 || n > limit) return BadMessage("its length is out of range");
  return n;
}

Json MakeRequest(std::string_view verb, Json args) {
  return Json{{"v", kControlVersion}, {"verb", std::string(verb)}, {"args", std::move(args)}};
}

Result<Request> ParseRequest(std::string_view payload) {
  const Json message = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!message.is_object()) return BadMessage("it is not a JSON object");
  if (!RightVersion(message)) return BadMessage("it has another version");
  const auto verb = message.find("verb");
  if (verb == message.end() || !verb->is_string()) return BadMessage("it has no verb");
  const auto args = message.find("args");
  if (args != message.end() && !args->is_object()) return BadMessage("its arguments are not an object");
  return Request{verb->get<std::string>(), args == message.end() ? Json::object() : *args};
}

Json MakeReply(const Result<Json>& result) {
  if (result.ok()) return Json{{"v", kControlVersion}, {"ok", true}, {"result", *result}};
  return Json{{"v", kControlVersion},
              {"ok", false},
              {"error", {{"code", ErrcName(result.error().code)}, {"message", result.error().message}}}};
}

Json MakeProgress(const Progress& progress) {
  return Json{{"v", kControlVersion},
              {"progress", {{"what", progress.what}, {"done", progress.done}, {"total", progress.total}}}};
}

Result<Json> ParseReply(std::string_view payload, bool* is_progress, Progress* progress) {
  *is_progress = false;
  Json message = Json::parse(payload, nullptr, false);
  if (!message.is_object() || !RightVersion(message)) return BadMessage("it is not a reply of this version");
  if (const auto note = message.find("progress"); note != message.end() && note->is_object()) {
    *is_progress = true;
    progress->what = OptionalString(*note, "what");
    const auto number = [&](const char* field) -> uint64_t {
      const auto it = note->find(field);
      return it != note->end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
    };
    progress->done = number("done");
    progress->total = number("total");
    return Json();
  }
  const auto ok = message.find("ok");
  if (ok == message.end() || !ok->is_boolean()) return BadMessage("it is neither progress nor an answer");
  if (ok->get<bool>()) return message.contains("result") ? message["result"] : Json();
  const Json error =
      message.contains("error") && message["error"].is_object() ? message["error"] : Json::object();
  return Error{ErrcFromName(OptionalString(error, "code")), OptionalString(error, "message")};
}

Result<std::string> RequiredString(const Json& args, const char* field) {
  const auto it = args.find(field);
  if (it == args.end() || !it->is_string()) {
    return BadMessage((std::string("'") + field + "' is missing").c_str());
  }
  if (it->get_ref<const std::string&>().empty()) {
    return Error{Errc::kInvalid,
                 std::string("reading the ") + field + " failed: it is empty (write one that is not)"};
  }
  return it->get<std::string>();
}

std::string OptionalString(const Json& args, const char* field) {
  const auto it = args.find(field);
  return it != args.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool OptionalBool(const Json& args, const char* field) {
  const auto it = args.find(field);
  return it != args.end() && it->is_boolean() && it->get<bool>();
}

std::vector<std::string> OptionalStrings(const Json& args, const char* field) {
  std::vector<std::string> out;
  const auto it = args.find(field);
  if (it == args.end() || !it->is_array()) return out;
  for (const Json& item : *it)
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

}  // namespace plume::agent
