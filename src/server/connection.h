// One HTTP/1.1 connection: reads requests, runs them through the Service, writes replies. A coroutine on a
// strand; disk work that can wait runs on worker threads. Every wait has a limit, so a silent or very slow
// peer costs one socket for a bounded time.
#pragma once
// Boost 1.74's awaitable.hpp needs it before and does not say so.
// clang-format off
#include <utility>
// clang-format on

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "server/service.h"

namespace plume::server {

struct Limits {
  std::chrono::milliseconds idle{75'000};      // between requests
  std::chrono::milliseconds header{15'000};    // from the first byte of a request to the end of its header
  std::chrono::milliseconds transfer{30'000};  // for each piece of a body, besides what min_rate allows
  uint64_t min_rate = 4096;                    // bytes per second below which a transfer is given up
  std::chrono::milliseconds drain{10'000};     // how long a stopping server waits for requests in progress
  size_t header_bytes = 16u << 10;
  size_t connections = 4096;
};

struct RequestRecord {  // what is logged of a request
  std::string peer, method, target;
  unsigned status = 0;
  uint64_t received = 0, sent = 0;  // body bytes
  std::string trouble;              // what the storage could not do; empty = nothing
  std::chrono::microseconds took{0};
};

class Connection;

// What all connections of a server share. Outlives them.
struct ConnectionContext {
  Service* service = nullptr;
  boost::asio::thread_pool* workers = nullptr;
  Limits limits;
  std::function<void(const RequestRecord&)> log;  // called on io threads
  std::atomic<bool> stopping{false};

  std::mutex mutex;
  std::set<std::shared_ptr<Connection>> open;  // guarded by mutex
};

// Starts serving `socket`, whose executor must be a strand of its own.
void StartConnection(boost::asio::ip::tcp::socket socket, ConnectionContext* context);
// Asks the open connections to end: idle ones now, the others after the request in progress.
void EndConnections(ConnectionContext* context);
// Closes those that are left.
void AbandonConnections(ConnectionContext* context);

}  // namespace plume::server
