#include "repository/auth.h"

#include <cctype>

#include "image/json.h"

namespace plume::repository {
namespace {

Error Denied(const std::string& why) {
  return Error{Errc::kDenied,
               "signing in: " + why + " (put user and password into the address or into credentials.json)"};
}

bool IsTokenChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

Challenge ParseChallenge(std::string_view header) {
  Challenge out;
  size_t i = 0;
  const auto skip = [&](std::string_view set) {
    while (i < header.size() && set.find(header[i]) != std::string_view::npos) ++i;
  };
  const auto word = [&] {
    std::string text;
    while (i < header.size() && IsTokenChar(header[i]))
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(header[i++])));
    return text;
  };
  skip(" \t,");
  out.scheme = word();
  for (;;) {
    skip(" \t,");
    const std::string name = word();
    if (name.empty() || i >= header.size() || header[i] != '=') break;  // the end, or the next challenge
    ++i;
    std::string value;
    if (i < header.size() && header[i] == '"') {
      for (++i; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size()) ++i;
        value += header[i];
      }
      if (i < header.size()) ++i;
    } else {
      while (i < header.size() && IsTokenChar(header[i])) value += header[i++];
    }
    out.parameters[name] = value;
  }
  return out;
}

std::string Authenticator::Current(const std::string& access) const {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(access);
  if (found != values_.end()) return found->second;
  return credentials_.token.empty() ? std::string() : "Bearer " + credentials_.token;
}

Status Authenticator::Answer(const std::string& challenge_header, const std::string& access,
                             const std::string& used, const std::string& repository) {
  if (Current(access) != used) return Ok();  // another thread has answered meanwhile
  const Challenge challenge = ParseChallenge(challenge_header);
  std::string value;
  if (challenge.scheme == "basic") {
    if (credentials_.user.empty()) return Denied("the server wants a user and password");
    value = "Basic " + Base64(credentials_.user + ":" + credentials_.password);
    if (value == used) return Denied("the server refuses this user and password");
  } else if (challenge.scheme == "bearer" && challenge.parameters.contains("realm")) {
    const auto scope = challenge.parameters.find("scope");
    ASSIGN(value, FetchToken(challenge, scope != challenge.parameters.end()
                                            ? scope->second
                                            : "repository:" + repository + ":" + access));
    value = "Bearer " + value;
    // A token that was fresh and is refused will not become better.
  } else if (!credentials_.token.empty()) {
    return Denied("the server refuses the token");
  } else {
    return Denied("the server wants a kind of sign-in that Plume does not know");
  }
  const std::lock_guard lock(mutex_);
  values_[access] = value;
  return Ok();
}

Result<std::string> Authenticator::FetchToken(const Challenge& challenge, const std::string& scope) {
  os::HttpRequest request;
  request.url = challenge.parameters.at("realm");
  char separator = request.url.find('?') == std::string::npos ? '?' : '&';
  if (const auto service = challenge.parameters.find("service"); service != challenge.parameters.end()) {
    request.url += separator + ("service=" + os::PercentEncode(service->second));
    separator = '&';
  }
  request.url += separator + ("scope=" + os::PercentEncode(scope));
  if (!credentials_.user.empty()) {
    request.headers.emplace_back("Authorization",
                                 "Basic " + Base64(credentials_.user + ":" + credentials_.password));
  }
  ASSIGN(const os::HttpClient::Text answer, http_->SendText(request, 1u << 20));
  if (answer.head.status == 401 || answer.head.status == 403) {
    return Denied(credentials_.user.empty() ? "the server wants a user and password"
                                            : "the server refuses this user and password");
  }
  if (answer.head.status >= 500 || answer.head.status == 429) {
    return Error{Errc::kUnreachable,
                 "signing in: the token server answered " + std::to_string(answer.head.status)};
  }
  if (answer.head.status != 200)
    return Denied("the token server answered " + std::to_string(answer.head.status));
  ASSIGN(const image::Json json, image::ParseJsonObject(answer.body, "the answer of the token server"));
  ASSIGN(std::string token, image::TextMember(json, "token", "the answer of the token server"));
  if (token.empty()) {
    ASSIGN(token, image::TextMember(json, "access_token", "the answer of the token server"));
  }
  // It goes into a header as it is.
  for (const char c : token) {
    if (c <= ' ' || c > '~') return Denied("the token server gave a malformed token");
  }
  if (token.empty()) return Denied("the token server gave no token");
  return token;
}

}  // namespace plume::repository
