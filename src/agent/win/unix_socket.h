// Sockets of the Unix system below Wine, for the agent: the launcher, a native program, hands over its
// standard handles through one. Wine's Winsock has none (Wine 8), so these are Linux's own system calls; Wine
// itself makes handles of the descriptors, as it does of its own at the start of a program. x86-64 Linux.
#pragma once
#include <windows.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/win/handle.h"
#include "base/result.h"

namespace plume::agent {

// A descriptor of the Unix system, closed with its owner.
class UnixFile {
 public:
  UnixFile() = default;
  explicit UnixFile(int fd) : fd_(fd) {}
  UnixFile(UnixFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UnixFile& operator=(UnixFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UnixFile();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// True if this process can make such calls: Wine on Linux, of a version that passes them on to the system.
bool UnixSocketsWork();

// Listens at `name` in the folder `unix_folder`, for the current user alone. An old socket of that name is
// replaced: the caller has the folder for himself.
Result<UnixFile> ListenUnix(const std::string& unix_folder, const std::string& name);
// Waits for the next client of the same user; others are turned away. Nothing if the socket is broken.
UnixFile AcceptUnix(const UnixFile& listener);

bool SendUnix(const UnixFile& to, std::string_view bytes);
// Exactly `bytes`; what comes with them goes to `files` (null: is closed). False if the other side is gone.
bool ReceiveUnix(const UnixFile& from, void* to, size_t bytes, std::vector<UnixFile>* files);
bool IsGone(const UnixFile& peer);    // has closed its end; does not wait
void ShutDown(const UnixFile& peer);  // who waits in ReceiveUnix gets false

// A handle of Wine's for the descriptor, which stays the caller's. `access` as for CreateFile.
Handle HandleOf(const UnixFile& file, DWORD access);

uint32_t UnixMask();  // the umask of this process; only before there are other threads

// The Unix name of a DOS path; empty if it has none.
std::string UnixName(const std::u16string& dos);

}  // namespace plume::agent
