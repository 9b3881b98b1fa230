#include "repository/credentials.h"

#include "image/json.h"

namespace plume::repository {

Result<Credentials> FindCredentials(os::FileSystem& files, const os::Path& file, const os::HttpUrl& url) {
  Credentials out;
  if (!url.user.empty()) {
    out.user = url.user;
    out.password = url.password;
    return out;
  }
  if (file.empty() || !os::Exists(files, file)) return out;
  const std::string what = os::Utf8(file);
  ASSIGN(const std::string text, os::ReadText(files, file, 1u << 20));
  ASSIGN(const image::Json json, image::ParseJsonObject(text, what));
  const image::Json* servers = image::ObjectMember(json, "servers");
  if (!servers) return out;
  const std::string origin = url.Origin();
  const std::string authority = origin.substr(origin.find("://") + 3);
  const bool standard_port = url.port == (url.tls ? 443 : 80);
  for (const std::string& name : {authority, standard_port ? url.host : std::string()}) {
    const image::Json* entry = name.empty() ? nullptr : image::ObjectMember(*servers, name.c_str());
    if (!entry) continue;
    ASSIGN(out.user, image::TextMember(*entry, "user", what));
    ASSIGN(out.password, image::TextMember(*entry, "password", what));
    ASSIGN(out.token, image::TextMember(*entry, "token", what));
    break;
  }
  return out;
}

std::string Base64(std::string_view text) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < text.size() ? static_cast<uint8_t>(text[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) {
      out += i + k <= text.size() ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

}  // namespace plume::repository
