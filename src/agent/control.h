// The control API: JSON over a named pipe, one connection per client, requests answered in order. Pure:
// framing and message shapes only; docs/formats/control.md.
//
//   frame    = uint32 length (little-endian), then that many bytes of UTF-8 JSON
//   request  = {"v":1, "verb":"vm.list", "args":{...}}
//   reply    = {"v":1, "ok":true, "result":...} | {"v":1, "ok":false,
//   "error":{"code":"not-found","message":"..."}} progress = {"v":1, "progress":{"what":"...", "done":1,
//   "total":9}}      any number before the reply
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plume::agent {

using Json = nlohmann::json;

inline constexpr int kControlVersion = 1;
inline constexpr uint32_t kMaxRequestBytes = 4u << 20;
inline constexpr uint32_t kMaxReplyBytes = 512u << 20;

struct Progress {
  std::string what;
  uint64_t done = 0, total = 0;  // total 0 = not known
};

std::string EncodeFrame(const Json& message);
// The payload length of a frame header; kInvalid if beyond `limit`.
Result<uint32_t> DecodeHeader(const uint8_t header[4], uint32_t limit);

Json MakeRequest(std::string_view verb, Json args);
struct Request {
  std::string verb;
  Json args;
};
Result<Request> ParseRequest(std::string_view payload);

Json MakeReply(const Result<Json>& result);
Json MakeProgress(const Progress& progress);
// What a frame from the agent is: a progress note (filled, returns true in *is_progress) or the final answer.
Result<Json> ParseReply(std::string_view payload, bool* is_progress, Progress* progress);

const char* ErrcName(Errc code);
Errc ErrcFromName(std::string_view name);  // kInternal for unknown names

// Typed access to arguments; kInvalid naming the field.
Result<std::string> RequiredString(const Json& args, const char* field);
std::string OptionalString(const Json& args, const char* field);
bool OptionalBool(const Json& args, const char* field);
std::vector<std::string> OptionalStrings(const Json& args, const char* field);

}  // namespace plume::agent
