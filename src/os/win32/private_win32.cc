// Files for this user's eyes only: by an access list with one entry.
#include <windows.h>

#include <cstddef>
#include <vector>

#include "os/private_file.h"

namespace plume::os {

Status WriteNewPrivate(const Path& path, std::string_view text) {
  const std::string doing = "creating " + Utf8(path) + ": ";
  const auto failed = [&](const char* what, DWORD error) {
    return Error{error == ERROR_FILE_EXISTS || error == ERROR_ALREADY_EXISTS ? Errc::kExists : Errc::kDenied,
                 doing + what + " (error " + std::to_string(error) + ")"};
  };
  HANDLE token = nullptr;
  alignas(TOKEN_USER) std::byte user[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  DWORD size = 0;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
    return failed("who this user is cannot be asked", GetLastError());
  const bool known = GetTokenInformation(token, TokenUser, user, sizeof user, &size) != 0;
  CloseHandle(token);
  const PSID sid = reinterpret_cast<TOKEN_USER*>(user)->User.Sid;
  alignas(ACL) std::byte list[256];
  auto* acl = reinterpret_cast<ACL*>(list);
  SECURITY_DESCRIPTOR descriptor;
  if (!known || !InitializeAcl(acl, sizeof list, ACL_REVISION) ||
      !AddAccessAllowedAce(acl, ACL_REVISION, FILE_ALL_ACCESS, sid) ||
      !InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION) ||
      !SetSecurityDescriptorDacl(&descriptor, TRUE, acl, FALSE) ||
      !SetSecurityDescriptorControl(&descriptor, SE_DACL_PROTECTED, SE_DACL_PROTECTED))
    return failed("no access list can be made for it", GetLastError());
  SECURITY_ATTRIBUTES attributes{sizeof attributes, &descriptor, FALSE};
  const HANDLE file = CreateFileW(path.c_str(), GENERIC_WRITE | DELETE, 0, &attributes, CREATE_NEW,
                                  FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    const DWORD error = GetLastError();
    return failed(error == ERROR_FILE_EXISTS ? "it is there already" : "the system refuses it", error);
  }
  DWORD written = 0, error = 0;
  if (!WriteFile(file, text.data(), static_cast<DWORD>(text.size()), &written, nullptr) ||
      written != text.size() || !FlushFileBuffers(file))
    error = GetLastError();
  CloseHandle(file);
  if (error == 0) return Ok();
  DeleteFileW(path.c_str());
  return failed("writing it failed", error);
}

}  // namespace plume::os
