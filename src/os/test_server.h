// A scripted HTTP server for tests: one thread per connection, every request goes to a function. posix only.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace plume::os::testing {

struct TestRequest {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
  int connection = 0;                          // number of the connection, from 0
};

struct TestAnswer {
  int status = 200;
  std::string headers = {};  // "Name: value\r\n..."
  std::string body = {};
  bool close = false;      // close the connection after it
  int64_t cut_after = -1;  // send only so many bytes of the body, then close
  bool drop = false;       // close without answering
  int trickle_ms = 0;      // pause after each byte of the body
  bool raw = false;        // no Content-Length: `headers` says how the body ends
};

class TestServer {
 public:
  using Handler = std::function<TestAnswer(const TestRequest&)>;
  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listener_, 64);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~TestServer() {
    shutdown(listener_, SHUT_RDWR);
    close(listener_);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }
  std::string Url(const std::string& path = "") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_.load(); }

 private:
  void Accept() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, number = connections_.fetch_add(1)] { Serve(fd, number); });
    }
  }

  static bool ReadMore(int fd, std::string* buffer) {
    char bytes[65536];
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer->append(bytes, static_cast<size_t>(n));
    return true;
  }

  static bool SendAll(int fd, const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }

  static std::string Lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }

  void Serve(int fd, int number) {
    std::string buffer;
    while (One(fd, number, &buffer)) {
    }
    shutdown(fd, SHUT_RDWR);
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    close(fd);
  }

  bool One(int fd, int number, std::string* buffer) {
    size_t head_end;
    while ((head_end = buffer->find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore(fd, buffer)) return false;
    }
    TestRequest request;
    request.connection = number;
    const std::string head = buffer->substr(0, head_end);
    buffer->erase(0, head_end + 4);
    size_t line_end = head.find("\r\n");
    const std::string line = head.substr(0, line_end);
    request.method = line.substr(0, line.find(' '));
    request.target = line.substr(line.find(' ') + 1, line.rfind(' ') - line.find(' ') - 1);
    while (line_end != std::string::npos) {
      const size_t at = line_end + 2, end = head.find("\r\n", at);
      const std::string field = head.substr(at, end == std::string::npos ? end : end - at);
      const size_t colon = field.find(": ");
      if (colon != std::string::npos)
        request.headers[Lower(field.substr(0, colon))] = field.substr(colon + 2);
      line_end = end;
    }
    const size_t length =
        request.headers.contains("content-length") ? std::stoul(request.headers["content-length"]) : 0;
    while (buffer->size() < length) {
      if (!ReadMore(fd, buffer)) {
        request.body = *buffer;
        handler_(request);  // it sees what arrived of a broken upload
        return false;
      }
    }
    request.body = buffer->substr(0, length);
    buffer->erase(0, length);
    const TestAnswer answer = handler_(request);
    if (answer.drop) return false;
    std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " Status\r\n" + answer.headers;
    const bool bodiless = answer.status == 204 || answer.status == 304;
    if (!answer.raw && !bodiless) out += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    if (answer.close) out += "Connection: close\r\n";
    out += "\r\n";
    if (answer.trickle_ms > 0) {
      if (!SendAll(fd, out)) return false;
      for (const char byte : answer.body) {
        if (!SendAll(fd, std::string(1, byte))) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(answer.trickle_ms));
      }
      return !answer.close;
    }
    if (request.method != "HEAD")
      out +=
          answer.cut_after < 0 ? answer.body : answer.body.substr(0, static_cast<size_t>(answer.cut_after));
    return SendAll(fd, out) && !answer.close && answer.cut_after < 0;
  }

  const Handler handler_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace plume::os::testing
