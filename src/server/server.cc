#include "server/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <thread>
#include <vector>

namespace plume::server {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(ServerOptions options, std::unique_ptr<Storage> storage)
      : options_(std::move(options)),
        storage_(std::move(storage)),
        service_(storage_.get(), options_.service),
        workers_(static_cast<size_t>(options_.worker_threads)),
        acceptor_(asio::make_strand(io_)),
        tick_(acceptor_.get_executor()) {
    context_.service = &service_;
    context_.workers = &workers_;
    context_.limits = options_.limits;
    context_.log = options_.log;
  }
  ~ServerImpl() override { Stop(); }

  Status Listen();
  void Run();
  uint16_t port() const override { return port_; }
  void Stop() override;

 private:
  asio::awaitable<void> Accept();
  asio::awaitable<void> Housekeeping();
  size_t OpenConnections() {
    std::lock_guard hold(context_.mutex);
    return context_.open.size();
  }

  const ServerOptions options_;
  const std::unique_ptr<Storage> storage_;
  Service service_;
  ConnectionContext context_;
  asio::thread_pool workers_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  asio::steady_timer tick_;
  uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

Status ServerImpl::Listen() {
  const std::string where = options_.host + ":" + std::to_string(options_.port);
  error_code error;
  tcp::resolver resolver(io_);
  const auto found = resolver.resolve(options_.host, std::to_string(options_.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return Error{Errc::kInvalid,
                 "listening on " + where + " failed: the host is unknown (use --listen ADDRESS:PORT)"};
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
#if !defined(_WIN32)
  // On Windows this option would let two servers share a port; elsewhere it only skips the wait after a
  // restart.
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
#endif
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool used = error == asio::error::address_in_use;
    const bool denied = error == asio::error::access_denied;
    return Error{used     ? Errc::kBusy
                 : denied ? Errc::kDenied
                          : Errc::kInvalid,
                 "listening on " + where + " failed: " +
                     (used ? "another program uses this port (choose another one with --listen HOST:PORT)"
                           : error.message())};
  }
  port_ = acceptor_.local_endpoint(error).port();
  return Ok();
}

void ServerImpl::Run() {
  asio::co_spawn(acceptor_.get_executor(), Accept(), asio::detached);
  asio::co_spawn(acceptor_.get_executor(), Housekeeping(), asio::detached);
  for (int i = 0; i < options_.io_threads; ++i) threads_.emplace_back([this] { io_.run(); });
}

asio::awaitable<void> ServerImpl::Accept() {
  while (acceptor_.is_open()) {
    error_code error;
    asio::any_io_executor executor = asio::make_strand(io_);
    tcp::socket socket =
        co_await acceptor_.async_accept(executor, asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) break;
    if (!error) StartConnection(std::move(socket), &context_);
    // Out of descriptors, or full: let some connections end first.
    if ((error && error != asio::error::connection_aborted) ||
        OpenConnections() >= options_.limits.connections) {
      asio::steady_timer pause(co_await asio::this_coro::executor, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> ServerImpl::Housekeeping() {
  while (acceptor_.is_open()) {
    error_code error;
    tick_.expires_after(std::chrono::seconds(10));
    co_await tick_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (!error) service_.Expire();
  }
}

void ServerImpl::Stop() {
  if (stopped_) return;
  stopped_ = true;
  asio::post(acceptor_.get_executor(), [this] {
    error_code ignored;
    acceptor_.close(ignored);
    tick_.cancel();
  });
  EndConnections(&context_);
  const auto give_up = std::chrono::steady_clock::now() + options_.limits.drain;
  while (OpenConnections() > 0 && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  AbandonConnections(&context_);
  // A connection may still be waiting for a worker, so the workers go after the last of them.
  while (OpenConnections() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  workers_.join();
  // With every socket closed nothing is left to wait for, and run() returns by itself.
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
#ifdef SIGPIPE
  // sendfile has no flag against it: a client that goes in the middle of a blob must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
#endif
  const std::string root = os::Utf8(options.root);
  auto storage = Storage::OpenForServing(options.root, os::SystemFiles());
  if (!storage.ok()) return storage.error().In("opening the storage in " + root + " failed");
  auto server = std::make_unique<ServerImpl>(std::move(options), std::move(*storage));
  TRY(server->Listen());
  server->Run();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace plume::server
