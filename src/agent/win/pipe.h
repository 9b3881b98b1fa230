// Named pipes between programs of one user. Windows.
#pragma once
#include <functional>
#include <string>

#include "agent/control.h"
#include "agent/win/handle.h"
#include "base/result.h"

namespace plume::agent {

// A connected pipe that carries frames of agent/control.h. One thread at a time.
class Connection {
 public:
  explicit Connection(Handle pipe) : pipe_(std::move(pipe)) {}
  // The client's side, over a pipe of ConnectPipe: whenever nothing has come for `patience_ms`, `lives` says
  // whether to go on waiting; if not, the call fails with kUnreachable and hung() is true. Null: it does not
  // go on.
  Connection(Handle pipe, uint32_t patience_ms, std::function<bool()> lives)
      : pipe_(std::move(pipe)), patience_ms_(patience_ms), lives_(std::move(lives)) {}
  HANDLE pipe() const { return pipe_.get(); }
  Status Send(const Json& message);
  Result<std::string> Receive(uint32_t limit);  // kUnreachable when the other side is gone
  // Sends a request and waits for its answer; progress notes go to `on_progress`.
  Result<Json> Call(std::string_view verb, Json args,
                    const std::function<void(const Progress&)>& on_progress = nullptr);
  uint32_t ClientProcess() const;  // 0 if not known
  uint32_t ServerProcess() const;
  bool broken() const { return broken_; }
  bool hung() const { return hung_; }

 private:
  Error Gone() const;
  bool Read(void* to, uint32_t bytes);
  bool Write(const void* from, uint32_t bytes);
  // Waits for what was begun on the asynchronous pipe; false if it failed or the other side hangs.
  bool Finish(bool begun, OVERLAPPED* at, DWORD* moved);

  bool broken_ = false, hung_ = false;
  Handle pipe_;
  uint32_t patience_ms_ = 0;  // 0: the pipe is synchronous
  std::function<bool()> lives_;
};

bool ReadExactly(HANDLE pipe, void* to, uint32_t bytes);
bool WriteExactly(HANDLE pipe, const void* from, uint32_t bytes);

// Connects to `name`, waiting up to `timeout_ms` while all instances are busy; kNotFound at once if there is
// no such pipe. The pipe is asynchronous.
Result<Handle> ConnectPipe(const std::u16string& name, uint32_t timeout_ms);

// Accepts clients of `name` on `acceptors` threads for ever and runs `serve` for each on a thread of its own,
// so that no client waits for another. Only the current user may connect. Returns an error if the name is
// taken already.
Status ServePipe(const std::u16string& name, const std::u16string& user_sid, int acceptors,
                 std::function<void(Handle)> serve);

}  // namespace plume::agent
