#include "server/connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "server/file_sender.h"
#include "server/offload.h"

namespace plume::server {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kPiece = 256u << 10;    // of an upload: one hop to a worker thread
constexpr uint64_t kInline = 64u << 10;  // replies up to this size go out with their header in one segment
constexpr uint64_t kDiscard =
    64u << 10;  // an unwanted request body is read up to this, else the connection ends

Method MethodOf(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::patch:
      return Method::kPatch;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

}  // namespace

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, ConnectionContext* context)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        context_(context),
        limits_(context->limits) {
    error_code ignored;
    const auto peer = socket_.remote_endpoint(ignored);
    if (!ignored) peer_ = peer.address().to_string();
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }

  asio::awaitable<void> Run();
  asio::any_io_executor executor() { return socket_.get_executor(); }
  void EndWhenIdle() {
    ending_ = true;
    if (idle_) Close();
  }
  void Close() {
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

 private:
  using Parser = http::request_parser<http::buffer_body>;
  struct Exchange {
    RequestHead head;
    RequestRecord record;
    unsigned version = 11;
    bool keep_alive = true;
  };

  asio::awaitable<bool> ServeOne();
  asio::awaitable<Reply> Execute(Parser* parser, Exchange* exchange);
  asio::awaitable<Reply> ExecuteUpload(Parser* parser, Exchange* exchange);
  asio::awaitable<bool> ReadPiece(Parser* parser, std::vector<uint8_t>* piece);
  asio::awaitable<void> Discard(Parser* parser, Exchange* exchange);
  asio::awaitable<bool> Continue(const Parser& parser);
  asio::awaitable<bool> Send(const Reply& reply, Exchange* exchange);
  asio::awaitable<bool> SendFileBody(const FileBody& file, Exchange* exchange);
  asio::awaitable<void> Linger();

  // The deadline: when it passes the socket is closed, which ends whatever operation is waiting.
  void SetDeadline(std::chrono::milliseconds from_now);
  void ArmTimer();
  std::chrono::milliseconds PieceTime(size_t bytes) const {
    return limits_.transfer +
           std::chrono::milliseconds(bytes * 1000 / std::max<uint64_t>(1, limits_.min_rate));
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  ConnectionContext* const context_;
  const Limits& limits_;
  std::string peer_;
  boost::beast::flat_buffer buffer_;
  Clock::time_point deadline_{}, armed_{};
  bool idle_ = false, ending_ = false;
};

void Connection::SetDeadline(std::chrono::milliseconds from_now) {
  deadline_ = Clock::now() + from_now;
  // A timer that rings too early is simply armed again; only an earlier deadline needs a new one at once.
  if (armed_ == Clock::time_point{} || deadline_ < armed_) ArmTimer();
}

void Connection::ArmTimer() {
  armed_ = deadline_;
  timer_.expires_at(armed_);
  timer_.async_wait([self = weak_from_this()](const error_code& error) {
    const auto connection = self.lock();
    if (error || connection == nullptr) return;
    if (Clock::now() >= connection->deadline_) {
      connection->Close();
    } else {
      connection->ArmTimer();
    }
  });
}

asio::awaitable<void> Connection::Run() {
  // An exception here would be a defect or exhausted memory; it must end this connection only.
  try {
    while (co_await ServeOne()) {
    }
  } catch (const std::exception&) {
  }
  Close();
}

// False when the connection is to end.
asio::awaitable<bool> Connection::ServeOne() {
  error_code error;
  if (buffer_.size() == 0) {
    if (ending_) co_return false;
    SetDeadline(limits_.idle);
    idle_ = true;
    co_await socket_.async_wait(tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
    idle_ = false;
    if (error) co_return false;
  }
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser.body_limit(UINT64_MAX);  // each use has its own limit; "none" refuses every body in Boost 1.74
  SetDeadline(limits_.header);
  co_await http::async_read_header(socket_, buffer_, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
  Exchange exchange;
  const auto start = Clock::now();
  exchange.record.peer = peer_;
  if (error) {
    if (error == http::error::end_of_stream || !socket_.is_open() ||
        error.category() == asio::error::get_system_category() || error == http::error::partial_message) {
      co_return false;
    }
    exchange.keep_alive = false;
    const bool large = error == http::error::header_limit;
    const Reply reply = Service::FromError({large ? 431u : 400u, "UNSUPPORTED", "malformed request"});
    co_await Send(reply, &exchange);
    co_await Linger();
    co_return false;
  }
  const auto& request = parser.get();
  exchange.record.method = std::string(request.method_string());
  exchange.record.target = std::string(request.target());
  exchange.version = request.version();
  exchange.keep_alive = request.keep_alive() && !ending_;
  SetDeadline(PieceTime(kPiece));

  Reply reply;
  auto parsed = ParseTarget(exchange.record.target);
  if (auto* refusal = std::get_if<ApiError>(&parsed)) {
    reply = Service::FromError(*refusal);
  } else {
    exchange.head.route = std::move(std::get<Route>(parsed));
    exchange.head.method = MethodOf(request.method());
    exchange.head.content_type = std::string(request[http::field::content_type]);
    exchange.head.content_range = std::string(request[http::field::content_range]);
    exchange.head.range = std::string(request[http::field::range]);
    exchange.head.if_none_match = std::string(request[http::field::if_none_match]);
    exchange.head.if_range = std::string(request[http::field::if_range]);
    if (parser.content_length()) exchange.head.content_length = *parser.content_length();
    reply = co_await Execute(&parser, &exchange);
  }
  if (!socket_.is_open()) co_return false;
  if (!parser.is_done()) co_await Discard(&parser, &exchange);
  if (ending_) exchange.keep_alive = false;
  const bool sent = co_await Send(reply, &exchange);
  exchange.record.status = reply.status;
  exchange.record.trouble = reply.trouble;
  exchange.record.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  if (context_->log) context_->log(exchange.record);
  if (!sent) co_return false;
  if (!exchange.keep_alive) co_await Linger();
  co_return exchange.keep_alive;
}

asio::awaitable<bool> Connection::Continue(const Parser& parser) {
  const auto& request = parser.get();
  if (!boost::beast::iequals(request[http::field::expect], "100-continue")) co_return true;
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  error_code error;
  co_await asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                             asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

// Fills `piece` with the next bytes of the body (fewer than kPiece only at its end). False: the peer is gone.
asio::awaitable<bool> Connection::ReadPiece(Parser* parser, std::vector<uint8_t>* piece) {
  piece->resize(kPiece);
  auto& body = parser->get().body();
  body.data = piece->data();
  body.size = piece->size();
  SetDeadline(PieceTime(kPiece));
  error_code error;
  co_await http::async_read(socket_, buffer_, *parser, asio::redirect_error(asio::use_awaitable, error));
  if (error == http::error::need_buffer) error = {};
  piece->resize(kPiece - body.size);
  co_return !error;
}

asio::awaitable<Reply> Connection::Execute(Parser* parser, Exchange* exchange) {
  Service* const service = context_->service;
  const BodyUse use = service->UseOf(exchange->head);
  if (use == BodyUse::kUpload) co_return co_await ExecuteUpload(parser, exchange);
  std::string body;
  if (use == BodyUse::kMemory) {
    const ApiError too_large{413, "SIZE_INVALID", "manifests are limited to 4 MiB"};
    if (exchange->head.content_length.value_or(0) > kMaxManifest) co_return Service::FromError(too_large);
    if (!co_await Continue(*parser)) co_return Reply{};
    std::vector<uint8_t> piece;
    while (!parser->is_done()) {
      if (!co_await ReadPiece(parser, &piece)) {
        Close();
        co_return Reply{};
      }
      body.append(piece.begin(), piece.end());
      if (body.size() > kMaxManifest) co_return Service::FromError(too_large);
    }
    exchange->record.received = body.size();
  }
  const RequestHead& head = exchange->head;
  if (!Service::IsSlow(head)) co_return service->Answer(head, body);
  co_return co_await Offload(context_->workers,
                             [service, &head, &body] { return service->Answer(head, body); });
}

asio::awaitable<Reply> Connection::ExecuteUpload(Parser* parser, Exchange* exchange) {
  Service* const service = context_->service;
  const RequestHead& head = exchange->head;
  auto begun = co_await Offload(context_->workers, [service, &head] { return service->Begin(head); });
  if (auto* reply = std::get_if<Reply>(&begun)) co_return std::move(*reply);
  const auto upload = std::get<std::shared_ptr<Upload>>(begun);
  bool arriving = co_await Continue(*parser);
  std::vector<uint8_t> piece;
  while (arriving && !parser->is_done()) {
    arriving = co_await ReadPiece(parser, &piece);
    // What did arrive is kept also when the peer is gone: it may ask for the status and go on from there.
    if (piece.empty()) continue;
    exchange->record.received += piece.size();
    Status appended = co_await Offload(context_->workers,
                                       [service, &upload, &piece] { return service->Append(upload, piece); });
    if (!appended.ok()) {
      service->Abort(upload, false);
      co_return Service::FromStorage(appended.error());
    }
  }
  if (!arriving) {
    // A POST's reply would have told the id; nobody can continue that one.
    service->Abort(upload, head.method != Method::kPost);
    Close();
    co_return Reply{};
  }
  co_return co_await Offload(context_->workers,
                             [service, &head, &upload] { return service->Finish(head, upload); });
}

// A reply that comes before the whole request was read: read the rest if it is little, else end the
// connection.
asio::awaitable<void> Connection::Discard(Parser* parser, Exchange* exchange) {
  const bool waiting = parser->get().count(http::field::expect) != 0;  // the peer has not sent its body yet
  if (waiting || exchange->head.content_length.value_or(kDiscard + 1) > kDiscard) {
    exchange->keep_alive = false;
    co_return;
  }
  std::vector<uint8_t> piece;
  while (!parser->is_done()) {
    if (!co_await ReadPiece(parser, &piece)) {
      exchange->keep_alive = false;
      co_return;
    }
  }
}

asio::awaitable<bool> Connection::Send(const Reply& reply, Exchange* exchange) {
  const bool head_only = exchange->head.method == Method::kHead;
  const uint64_t length = reply.file ? reply.file->length : reply.body.size();
  http::response<http::string_body> response;
  response.version(exchange->version);
  response.result(reply.status);
  response.set(http::field::server, "plume-server");
  response.set("Docker-Distribution-Api-Version", "registry/2.0");
  for (const auto& [name, value] : reply.headers) response.set(name, value);
  response.keep_alive(exchange->keep_alive);
  if (reply.status != 204 && reply.status != 304) response.content_length(length);

  bool file_follows = false;
  if (!head_only && reply.file) {
    file_follows = length > kInline;
    if (!file_follows && !ReadWhole(*reply.file, &response.body())) {
      // Nothing was sent yet, so the failure can be said; the log shows the status.
      co_return co_await Send(Service::FromError({500, "UNKNOWN", "the blob could not be read"}), exchange);
    }
  } else if (!head_only) {
    response.body() = reply.body;
  }
  SetDeadline(PieceTime(kInline));
  error_code error;
  http::response_serializer<http::string_body> serializer(response);
  if (file_follows || head_only) {
    HoldBack hold(socket_, file_follows);
    co_await http::async_write_header(socket_, serializer, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    if (!file_follows) co_return true;
    co_return co_await SendFileBody(*reply.file, exchange);
  }
  co_await http::async_write(socket_, serializer, asio::redirect_error(asio::use_awaitable, error));
  exchange->record.sent = length;
  co_return !error;
}

asio::awaitable<bool> Connection::SendFileBody(const FileBody& file, Exchange* exchange) {
  FileSender sender;
  if (!sender.Open(file)) {
    exchange->keep_alive =
        false;  // the header has promised bytes that will not come: only closing tells the peer
    co_return false;
  }
  error_code error;
  while (sender.remaining() > 0) {
    SetDeadline(PieceTime(FileSender::kPiece));
    size_t sent = 0;
    const FileSender::Step step = sender.SendSome(socket_, &sent);
    exchange->record.sent += sent;
    if (step == FileSender::Step::kFailed) co_return false;
    if (step == FileSender::Step::kWait) {
      co_await socket_.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
    } else if (sender.remaining() > 0) {
      co_await asio::post(socket_.get_executor(), asio::use_awaitable);  // others get their turn
    }
  }
  co_return true;
}

// Closing with unread bytes would reset the connection and could destroy the reply on its way to the peer.
asio::awaitable<void> Connection::Linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  SetDeadline(std::chrono::milliseconds(2000));
  std::array<char, 4096> waste;
  size_t total = 0;
  while (!error && total < (8u << 20)) {
    total += co_await socket_.async_read_some(asio::buffer(waste),
                                              asio::redirect_error(asio::use_awaitable, error));
  }
}

void StartConnection(tcp::socket socket, ConnectionContext* context) {
  const auto connection = std::make_shared<Connection>(std::move(socket), context);
  {
    std::lock_guard hold(context->mutex);
    context->open.insert(connection);
  }
  asio::co_spawn(
      connection->executor(),
      [connection, context]() -> asio::awaitable<void> {
        if (context->stopping) connection->EndWhenIdle();
        co_await connection->Run();
        std::lock_guard hold(context->mutex);
        context->open.erase(connection);
      },
      asio::detached);
}

void EndConnections(ConnectionContext* context) {
  context->stopping = true;
  std::lock_guard hold(context->mutex);
  for (const auto& connection : context->open) {
    asio::post(connection->executor(), [connection] { connection->EndWhenIdle(); });
  }
}

void AbandonConnections(ConnectionContext* context) {
  std::lock_guard hold(context->mutex);
  for (const auto& connection : context->open) {
    asio::post(connection->executor(), [connection] { connection->Close(); });
  }
}

}  // namespace plume::server
