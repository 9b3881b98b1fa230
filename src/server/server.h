// plume-server's life: storage, listener, threads, graceful end.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "os/file.h"
#include "server/connection.h"

namespace plume::server {

struct ServerOptions {
  os::Path root;
  std::string host = "127.0.0.1";
  uint16_t port = 5000;  // 0 = any free one
  int io_threads = 2;
  int worker_threads = 4;
  Limits limits;
  ServiceOptions service;
  std::function<void(const RequestRecord&)> log;
};

class Server {
 public:
  // Opens the storage and the listening socket and starts serving. The process ignores SIGPIPE from then on.
  // Errors are for the user: kBusy (port or root in use), kDenied, kInvalid (host).
  static Result<std::unique_ptr<Server>> Start(ServerOptions options);
  virtual ~Server() = default;  // stops
  virtual uint16_t port() const = 0;
  // No new connections; requests in progress are finished, for at most Limits::drain. Returns when all has
  // ended.
  virtual void Stop() = 0;
};

}  // namespace plume::server
