// Files for this user's eyes only: by mode.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os/private_file.h"

namespace plume::os {

Status WriteNewPrivate(const Path& path, std::string_view text) {
  const auto failed = [&](int error) {
    return Error{error == EEXIST   ? Errc::kExists
                 : error == ENOSPC ? Errc::kNoSpace
                                   : Errc::kDenied,
                 "creating " + Utf8(path) + ": " + std::strerror(error)};
  };
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(errno);
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR)
      error = errno;
  }
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0) return Ok();
  (void)unlink(path.c_str());
  return failed(error);
}

}  // namespace plume::os
