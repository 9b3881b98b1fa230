#include "image/manifest.h"
#include "repository/credentials.h"
#include "repository/oci_http.h"
#include "repository/oci_layout.h"
#include "repository/repository.h"
#include "repository/retry.h"

namespace plume::repository {
namespace {

constexpr char kOci[] = "oci:";

Result<os::Path> CredentialsFile(const OpenOptions& options) {
  if (!options.credentials.empty()) return options.credentials;
  ASSIGN(const os::Path state, os::DefaultStateFolder());
  return state / "credentials.json";
}

}  // namespace

Result<std::unique_ptr<Repository>> Open(const std::string& where, const OpenOptions& options) {
  os::FileSystem& files = options.files ? *options.files : os::SystemFiles();
  os::Clock& clock = options.clock ? *options.clock : os::SystemClock();
  if (where.starts_with(kOci)) {
    const std::string folder = where.substr(sizeof kOci - 1);
    if (folder.empty())
      return Error{Errc::kInvalid, "opening the repository " + where + ": it names no folder"};
    return std::unique_ptr<Repository>(std::make_unique<OciLayout>(files, os::FromUtf8(folder), where));
  }
  if (!where.starts_with("http://") && !where.starts_with("https://")) {
    return Error{Errc::kInvalid, "opening the repository " + where +
                                     ": it is neither http(s)://host[:port]/name nor oci:FOLDER"};
  }
  ASSIGN(const os::HttpUrl url, os::ParseHttpUrl(where));
  std::string name = url.target.substr(1);
  while (name.ends_with('/')) name.pop_back();
  if (!image::IsImageName(name)) {
    return Error{Errc::kInvalid, "opening the repository " + url.Origin() + "/" + name + ": \"" + name +
                                     "\" is no repository name (use lower-case letters, digits and - . _ /)"};
  }
  const Result<os::Path> file = CredentialsFile(options);
  ASSIGN(Credentials credentials, FindCredentials(files, file.ok() ? *file : os::Path(), url));
  auto http = std::make_unique<OciHttp>(options.http ? options.http : os::MakeHttpClient(), url, name,
                                        std::move(credentials), clock);
  return MakeRetrying(std::move(http), clock, options.tries);
}

}  // namespace plume::repository
