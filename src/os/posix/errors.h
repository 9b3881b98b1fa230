// errno -> Error, one table.
#pragma once
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/result.h"

namespace plume::os {

// The message names the path before it, and so the disk.
inline constexpr char kDiskFull[] = "the disk is full (free some space on it, then try again)";

inline Error ErrnoError(int code, const std::string& what) {
  Errc kind = Errc::kInternal;
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      kind = Errc::kNotFound;
      break;
    case EEXIST:
      kind = Errc::kExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      kind = Errc::kDenied;
      break;
    case EBUSY:
    case ETXTBSY:
    case EAGAIN:
    case ENOTEMPTY:
    case EDEADLK:
    case EMFILE:
    case ENFILE:
      kind = Errc::kBusy;
      break;
    case ENOSPC:
    case EDQUOT:
      kind = Errc::kNoSpace;
      break;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case EILSEQ:
    case ELOOP:
      kind = Errc::kInvalid;
      break;
    case ENOTSUP:
    case ENOSYS:
    case EXDEV:
    case EMLINK:
      kind = Errc::kUnsupported;
      break;
    case EIO:
      kind = Errc::kCorrupt;
      break;
    default:
      break;
  }
  std::string reason = kind == Errc::kNoSpace ? kDiskFull : std::strerror(code);
  if (!reason.empty()) reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  return Error{kind, what + ": " + reason};
}

}  // namespace plume::os
