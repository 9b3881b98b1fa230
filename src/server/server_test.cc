// The server over a real socket: every endpoint, hostile and broken clients, crashes. Each test has its own
// folder.
#include "server/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "os/random.h"
#include "os/sha256.h"
#include "server/gc.h"

namespace plume::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Response = http::response<http::string_body>;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";

std::string DigestOf(std::string_view bytes) { return os::DigestText(os::Sha256::Of(bytes)); }

std::string RandomText(size_t size) {
  std::string text(size, '\0');
  os::RandomBytes({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return text;
}

std::string ManifestOf(const std::string& config, const std::vector<std::string>& layers,
                       const std::string& subject = "") {
  nlohmann::json manifest = {
      {"schemaVersion", 2},
      {"mediaType", kManifestType},
      {"config", {{"mediaType", "application/x.test"}, {"digest", config}, {"size", 2}}},
      {"layers", nlohmann::json::array()}};
  for (const std::string& layer : layers) {
    manifest["layers"].push_back({{"mediaType", "application/y"}, {"digest", layer}, {"size", 1}});
  }
  if (!subject.empty())
    manifest["subject"] = {{"mediaType", kManifestType}, {"digest", subject}, {"size", 1}};
  return manifest.dump();
}

// One keep-alive connection; throws on transport errors (tests only).
class Client {
 public:
  explicit Client(uint16_t port) : socket_(io_) {
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    socket_.set_option(tcp::no_delay(true));
  }
  Response Do(http::verb verb, const std::string& target, std::string body = "",
              const Headers& headers = {}) {
    http::request<http::string_body> request(verb, target, 11);
    request.set(http::field::host, "localhost");
    for (const auto& [name, value] : headers) request.set(name, value);
    request.body() = std::move(body);
    request.prepare_payload();
    http::write(socket_, request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(1u << 30);
    parser.skip(verb == http::verb::head);
    http::read(socket_, buffer_, parser);
    return parser.release();
  }
  Response Get(const std::string& target, const Headers& headers = {}) {
    return Do(http::verb::get, target, "", headers);
  }
  std::string Push(const std::string& name, const std::string& bytes) {
    const std::string digest = DigestOf(bytes);
    const Response begun = Do(http::verb::post, "/v2/" + name + "/blobs/uploads/");
    EXPECT_EQ(begun.result_int(), 202u);
    const std::string location(begun[http::field::location]);
    const Response done = Do(http::verb::put, location + "?digest=" + digest, bytes);
    EXPECT_EQ(done.result_int(), 201u) << done.body();
    return digest;
  }
  Response PutManifest(const std::string& name, const std::string& reference, const std::string& text) {
    return Do(http::verb::put, "/v2/" + name + "/manifests/" + reference, text,
              {{"Content-Type", kManifestType}});
  }
  tcp::socket& socket() { return socket_; }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

std::string ErrorCode(const Response& response) {
  const auto body = nlohmann::json::parse(response.body(), nullptr, false);
  return body.is_object() ? body["errors"][0]["code"].get<std::string>() : "not JSON: " + response.body();
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("plume-server-" + os::RandomHex(8));
    Start();
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(root_);
  }
  void Start() {
    options_.root = root_;
    options_.port = 0;
    auto server = Server::Start(options_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(*server);
  }
  Client Connect() { return Client(server_->port()); }
  size_t FilesBelow(const char* folder) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / folder)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  os::Path root_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, BaseAndErrors) {
  Client client = Connect();
  EXPECT_EQ(client.Get("/v2/").result_int(), 200u);
  EXPECT_EQ(client.Get("/healthz").result_int(), 200u);
  EXPECT_EQ(client.Get("/nothing").result_int(), 404u);
  EXPECT_EQ(ErrorCode(client.Get("/v2/..%2f..%2fetc/manifests/passwd")), "NAME_INVALID");
  EXPECT_EQ(ErrorCode(client.Get("/v2/a/manifests/v1")), "MANIFEST_UNKNOWN");
  EXPECT_EQ(ErrorCode(client.Get("/v2/a/tags/list")), "NAME_UNKNOWN");
  EXPECT_EQ(ErrorCode(client.Get("/v2/a/blobs/" + DigestOf("x"))), "BLOB_UNKNOWN");
  EXPECT_EQ(ErrorCode(client.Do(http::verb::delete_, "/v2/")), "UNSUPPORTED");
}

TEST_F(ServerTest, BlobsAndRanges) {
  Client client = Connect();
  const std::string bytes = RandomText(1'000'000);
  const std::string digest = client.Push("team/app", bytes);
  const std::string target = "/v2/team/app/blobs/" + digest;
  const Response whole = client.Get(target);
  EXPECT_EQ(whole.result_int(), 200u);
  EXPECT_EQ(whole.body(), bytes);
  EXPECT_EQ(whole["Docker-Content-Digest"], digest);
  EXPECT_EQ(whole[http::field::accept_ranges], "bytes");
  const Response head = client.Do(http::verb::head, target);
  EXPECT_EQ(head[http::field::content_length], "1000000");
  for (const auto& [range, offset, length] :
       std::vector<std::tuple<std::string, size_t, size_t>>{{"bytes=0-0", 0, 1},
                                                            {"bytes=10-200009", 10, 200000},
                                                            {"bytes=999999-", 999999, 1},
                                                            {"bytes=-5", 999995, 5}}) {
    const Response part = client.Get(target, {{"Range", range}});
    EXPECT_EQ(part.result_int(), 206u) << range;
    EXPECT_EQ(part.body(), bytes.substr(offset, length)) << range;
    EXPECT_EQ(part[http::field::content_range],
              "bytes " + std::to_string(offset) + "-" + std::to_string(offset + length - 1) + "/1000000");
  }
  const Response outside = client.Get(target, {{"Range", "bytes=1000000-"}});
  EXPECT_EQ(outside.result_int(), 416u);
  EXPECT_EQ(outside[http::field::content_range], "bytes */1000000");
  EXPECT_EQ(client.Get(target, {{"If-None-Match", "\"" + digest + "\""}}).result_int(), 304u);
  EXPECT_EQ(client.Get(target, {{"Range", "bytes=0-0"}, {"If-Range", "\"other\""}}).result_int(), 200u);
  // Another repository has it only once it is mounted there.
  EXPECT_EQ(client.Get("/v2/other/blobs/" + digest).result_int(), 404u);
  EXPECT_EQ(client.Do(http::verb::post, "/v2/other/blobs/uploads/?from=nobody&mount=" + digest).result_int(),
            202u);
  EXPECT_EQ(
      client.Do(http::verb::post, "/v2/other/blobs/uploads/?from=team/app&mount=" + digest).result_int(),
      201u);
  EXPECT_EQ(client.Get("/v2/other/blobs/" + digest).body(), bytes);
  EXPECT_EQ(client.Do(http::verb::delete_, target).result_int(), 202u);
  EXPECT_EQ(client.Get(target).result_int(), 404u);
  EXPECT_EQ(client.Get("/v2/other/blobs/" + digest).result_int(), 200u);
  // The empty blob.
  const std::string empty = client.Push("team/app", "");
  EXPECT_EQ(client.Get("/v2/team/app/blobs/" + empty).body(), "");
}

TEST_F(ServerTest, Uploads) {
  Client client = Connect();
  const std::string bytes = RandomText(700'000), digest = DigestOf(bytes);
  // Monolithic.
  EXPECT_EQ(client.Do(http::verb::post, "/v2/a/blobs/uploads/?digest=" + digest, bytes).result_int(), 201u);
  EXPECT_EQ(client.Get("/v2/a/blobs/" + digest).body(), bytes);
  // In chunks, with a status request and a chunk out of order.
  const Response begun = client.Do(http::verb::post, "/v2/b/blobs/uploads/");
  const std::string location(begun[http::field::location]);
  const Response first =
      client.Do(http::verb::patch, location, bytes.substr(0, 300'000), {{"Content-Range", "0-299999"}});
  EXPECT_EQ(first.result_int(), 202u);
  EXPECT_EQ(first[http::field::range], "0-299999");
  const Response gap =
      client.Do(http::verb::patch, location, bytes.substr(0, 10), {{"Content-Range", "5-14"}});
  EXPECT_EQ(gap.result_int(), 416u);
  EXPECT_EQ(gap[http::field::range], "0-299999");
  const Response status = client.Get(location);
  EXPECT_EQ(status.result_int(), 204u);
  EXPECT_EQ(status[http::field::range], "0-299999");
  EXPECT_EQ(client.Do(http::verb::patch, location, bytes.substr(300'000, 300'000)).result_int(), 202u);
  EXPECT_EQ(client.Do(http::verb::put, location + "?digest=" + digest, bytes.substr(600'000)).result_int(),
            201u);
  EXPECT_EQ(client.Get("/v2/b/blobs/" + digest).body(), bytes);
  EXPECT_EQ(client.Get(location).result_int(), 404u);
  // Cancelled; an id is of no use in another repository.
  const std::string second(client.Do(http::verb::post, "/v2/b/blobs/uploads/")[http::field::location]);
  const std::string elsewhere = "/v2/c" + second.substr(5);
  EXPECT_EQ(ErrorCode(client.Get(elsewhere)), "BLOB_UPLOAD_UNKNOWN");
  EXPECT_EQ(client.Do(http::verb::delete_, second).result_int(), 204u);
  EXPECT_EQ(ErrorCode(client.Do(http::verb::patch, second, "x")), "BLOB_UPLOAD_UNKNOWN");
  EXPECT_EQ(FilesBelow("uploads"), 0u);
}

TEST_F(ServerTest, WrongDigestIsRefusedAndInvisible) {
  Client client = Connect();
  const std::string digest = DigestOf("right");
  const std::string location(client.Do(http::verb::post, "/v2/a/blobs/uploads/")[http::field::location]);
  const Response refused = client.Do(http::verb::put, location + "?digest=" + digest, "wrong");
  EXPECT_EQ(refused.result_int(), 400u);
  EXPECT_EQ(ErrorCode(refused), "DIGEST_INVALID");
  EXPECT_EQ(client.Get("/v2/a/blobs/" + digest).result_int(), 404u);
  EXPECT_EQ(client.Get("/v2/a/blobs/" + DigestOf("wrong")).result_int(), 404u);
  EXPECT_EQ(FilesBelow("uploads") + FilesBelow("blobs"), 0u);
  EXPECT_EQ(ErrorCode(client.Do(http::verb::post, "/v2/a/blobs/uploads/?digest=sha256:1", "x")),
            "DIGEST_INVALID");
}

TEST_F(ServerTest, Manifests) {
  Client client = Connect();
  const std::string config = DigestOf("{}"), layer = DigestOf("layer");
  const std::string text = ManifestOf(config, {layer}), digest = DigestOf(text);
  const Response early = client.PutManifest("a", "v1", text);
  EXPECT_EQ(early.result_int(), 404u);
  EXPECT_EQ(ErrorCode(early), "MANIFEST_BLOB_UNKNOWN");
  client.Push("a", "{}");
  client.Push("a", "layer");
  EXPECT_EQ(ErrorCode(client.PutManifest("a", "v1", "{")), "MANIFEST_INVALID");
  EXPECT_EQ(ErrorCode(client.PutManifest("a", DigestOf("other"), text)), "DIGEST_INVALID");
  const Response put = client.PutManifest("a", "v1", text);
  EXPECT_EQ(put.result_int(), 201u) << put.body();
  EXPECT_EQ(put["Docker-Content-Digest"], digest);
  for (const std::string& reference : {std::string("v1"), digest}) {
    const Response got = client.Get("/v2/a/manifests/" + reference);
    EXPECT_EQ(got.body(), text);
    EXPECT_EQ(got[http::field::content_type], kManifestType);
    EXPECT_EQ(client.Do(http::verb::head, "/v2/a/manifests/" + reference)["Docker-Content-Digest"], digest);
  }
  for (const char* tag : {"v10", "v2", "latest"}) client.PutManifest("a", tag, text);
  EXPECT_EQ(nlohmann::json::parse(client.Get("/v2/a/tags/list").body())["tags"],
            nlohmann::json({"latest", "v1", "v10", "v2"}));
  const Response page = client.Get("/v2/a/tags/list?n=2&last=latest");
  EXPECT_EQ(nlohmann::json::parse(page.body())["tags"], nlohmann::json({"v1", "v10"}));
  EXPECT_EQ(page[http::field::link], "</v2/a/tags/list?n=2&last=v10>; rel=\"next\"");
  EXPECT_EQ(nlohmann::json::parse(client.Get("/v2/_catalog").body())["repositories"], nlohmann::json({"a"}));

  EXPECT_EQ(client.Do(http::verb::delete_, "/v2/a/manifests/v1").result_int(), 202u);
  EXPECT_EQ(client.Get("/v2/a/manifests/v1").result_int(), 404u);
  EXPECT_EQ(client.Get("/v2/a/manifests/" + digest).result_int(), 200u);
  EXPECT_EQ(client.Do(http::verb::delete_, "/v2/a/manifests/" + digest).result_int(), 202u);
  EXPECT_EQ(client.Get("/v2/a/manifests/v2").result_int(), 404u);
  EXPECT_EQ(nlohmann::json::parse(client.Get("/v2/a/tags/list").body())["tags"], nlohmann::json::array());
  EXPECT_EQ(client.PutManifest("a", "big", std::string(5u << 20, ' ')).result_int(), 413u);
}

TEST_F(ServerTest, Referrers) {
  Client client = Connect();
  const std::string config = client.Push("a", "{}");
  const std::string subject_text = ManifestOf(config, {}), subject = DigestOf(subject_text);
  const std::string signature_text = ManifestOf(config, {}, subject);
  const Response put =
      client.PutManifest("a", DigestOf(signature_text), signature_text);  // before its subject
  EXPECT_EQ(put["OCI-Subject"], subject);
  client.PutManifest("a", "v1", subject_text);
  const auto index = nlohmann::json::parse(client.Get("/v2/a/referrers/" + subject).body());
  ASSERT_EQ(index["manifests"].size(), 1u);
  EXPECT_EQ(index["manifests"][0]["digest"], DigestOf(signature_text));
  EXPECT_EQ(index["manifests"][0]["artifactType"], "application/x.test");
  const Response filtered = client.Get("/v2/a/referrers/" + subject + "?artifactType=other");
  EXPECT_EQ(filtered["OCI-Filters-Applied"], "artifactType");
  EXPECT_TRUE(nlohmann::json::parse(filtered.body())["manifests"].empty());
  client.Do(http::verb::delete_, "/v2/a/manifests/" + DigestOf(signature_text));
  EXPECT_TRUE(nlohmann::json::parse(client.Get("/v2/a/referrers/" + subject).body())["manifests"].empty());
  EXPECT_EQ(client.Get("/v2/none/referrers/" + subject).result_int(), 200u);
}

TEST_F(ServerTest, GarbageCollection) {
  Client client = Connect();
  const std::string config = client.Push("a", "{}"), layer = client.Push("a", "layer"),
                    loose = client.Push("a", "loose");
  client.PutManifest("a", "v1", ManifestOf(config, {layer}));
  GcOptions options;
  auto spared = CollectGarbage(root_, os::SystemFiles(), options);
  ASSERT_TRUE(spared.ok()) << spared.error().message;
  EXPECT_EQ(spared->blobs_removed, 0u) << "grace period";
  options.grace_seconds = -10;  // everything is old
  options.dry_run = true;
  EXPECT_EQ(CollectGarbage(root_, os::SystemFiles(), options)->bytes_removed, 5u) << "says what it would do";
  options.dry_run = false;
  auto removed = CollectGarbage(root_, os::SystemFiles(), options);
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_EQ(removed->blobs_removed, 1u);
  EXPECT_EQ(client.Get("/v2/a/blobs/" + loose).result_int(), 404u);
  EXPECT_EQ(client.Get("/v2/a/blobs/" + layer).body(), "layer");
  client.Do(http::verb::delete_, "/v2/a/manifests/v1");
  options.untagged = true;
  removed = CollectGarbage(root_, os::SystemFiles(), options);
  EXPECT_EQ(removed->manifests_removed, 1u);
  EXPECT_EQ(FilesBelow("blobs"), 0u);
  EXPECT_EQ(CollectGarbage(root_ / "uploads", os::SystemFiles(), options).error().code, Errc::kNotFound);
}

TEST_F(ServerTest, GarbageCollectionKeepsWhatIsAttachedToKeptImages) {
  Client client = Connect();
  const std::string config = client.Push("a", "{}");
  GcOptions options;
  options.grace_seconds = -10;
  options.untagged = true;
  std::vector<std::string> signatures, referrers, images;
  for (const char* tag : {"v1", "v2"}) {
    const std::string image = ManifestOf(config, {client.Push("a", tag)});
    const std::string signature = ManifestOf(config, {client.Push("a", std::string("signs ") + tag)});
    const std::string referrer =
        ManifestOf(config, {client.Push("a", std::string("of ") + tag)}, DigestOf(image));
    client.PutManifest("a", tag, image);
    client.PutManifest("a", "sha256-" + DigestOf(image).substr(7) + ".sig", signature);
    client.PutManifest("a", DigestOf(referrer), referrer);
    images.push_back(DigestOf(image));
    signatures.push_back(DigestOf(signature));
    referrers.push_back(DigestOf(referrer));
  }
  const auto there = [&](const std::string& digest) {
    return client.Get("/v2/a/manifests/" + digest).result_int() == 200u;
  };
  EXPECT_EQ(CollectGarbage(root_, os::SystemFiles(), options)->manifests_removed, 0u);
  client.Do(http::verb::delete_, "/v2/a/manifests/v2");
  EXPECT_EQ(CollectGarbage(root_, os::SystemFiles(), options)->manifests_removed, 3u);
  EXPECT_TRUE(there(images[0]) && there(signatures[0]) && there(referrers[0]));
  EXPECT_FALSE(there(images[1]) || there(signatures[1]) || there(referrers[1]));
  EXPECT_EQ(nlohmann::json::parse(client.Get("/v2/a/tags/list").body())["tags"].size(), 2u);
}

TEST_F(ServerTest, ParallelClients) {
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  const std::string shared = RandomText(400'000);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Client client = Connect();
      const std::string name = "team/app" + std::to_string(i % 3);
      for (int round = 0; round < 5; ++round) {
        const std::string own = RandomText(100'000);
        const std::string a = client.Push(name, shared), b = client.Push(name, own);
        if (client.PutManifest(name, "v" + std::to_string(i), ManifestOf(a, {b})).result_int() != 201)
          ++failures;
        if (client.Get("/v2/" + name + "/blobs/" + b).body() != own) ++failures;
        if (client.Get("/v2/" + name + "/blobs/" + a).body() != shared) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(ServerTest, SlowAndBrokenClients) {
  server_.reset();
  options_.limits.header = std::chrono::milliseconds(300);
  options_.limits.idle = std::chrono::milliseconds(600);
  options_.limits.transfer = std::chrono::milliseconds(300);
  options_.limits.min_rate = 1u << 30;
  Start();
  char byte = 0;
  {  // Slow header: cut although it never stops sending.
    Client slow = Connect();
    const auto start = std::chrono::steady_clock::now();
    boost::system::error_code error;
    for (char c : std::string(200, 'G')) {
      asio::write(slow.socket(), asio::buffer(&c, 1), error);
      if (error) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(error);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  }
  {  // Silence.
    Client idle = Connect();
    EXPECT_EQ(::read(idle.socket().native_handle(), &byte, 1), 0);
  }
  {  // A body that stops: what arrived is kept, and can be continued.
    Client client = Connect();
    const std::string location(client.Do(http::verb::post, "/v2/a/blobs/uploads/")[http::field::location]);
    {
      Client broken = Connect();
      const std::string text =
          "PATCH " + location + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12345";
      asio::write(broken.socket(), asio::buffer(text));
      EXPECT_EQ(::read(broken.socket().native_handle(), &byte, 1), 0);
    }
    Client again = Connect();
    EXPECT_EQ(again.Get(location)[http::field::range], "0-4");
    EXPECT_EQ(again.Do(http::verb::put, location + "?digest=" + DigestOf("1234567"), "67").result_int(),
              201u);
  }
  for (const std::string text :
       {"GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\nA\r\n\r\n"}) {
    Client broken = Connect();
    asio::write(broken.socket(), asio::buffer(text + std::string(64, '\n')));
    std::string answer(12, '\0');
    boost::system::error_code error;
    asio::read(broken.socket(), asio::buffer(answer), error);
    EXPECT_TRUE(error || answer == "HTTP/1.1 400") << answer;
  }
  {  // A header without end.
    Client large = Connect();
    const std::string text = "GET / HTTP/1.1\r\nX: " + std::string(64u << 10, 'a');
    boost::system::error_code error;
    asio::write(large.socket(), asio::buffer(text), error);
    std::string answer(12, '\0');
    asio::read(large.socket(), asio::buffer(answer), error);
    EXPECT_EQ(answer, "HTTP/1.1 431");
  }
  EXPECT_EQ(Connect().Get("/v2/").result_int(), 200u);
}

TEST_F(ServerTest, ExpectAndPipelining) {
  Client client = Connect();
  const std::string text = "POST /v2/a/blobs/uploads/?digest=" + DigestOf("abc") +
                           " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  asio::write(client.socket(), asio::buffer(text));
  std::string go(25, '\0');
  asio::read(client.socket(), asio::buffer(go));
  EXPECT_EQ(go, "HTTP/1.1 100 Continue\r\n\r\n");
  const std::string rest = "abcGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";
  asio::write(client.socket(), asio::buffer(rest));
  boost::beast::flat_buffer buffer;
  Response first, second;
  http::read(client.socket(), buffer, first);
  http::read(client.socket(), buffer, second);
  EXPECT_EQ(first.result_int(), 201u);
  EXPECT_EQ(second.result_int(), 200u);
}

TEST_F(ServerTest, StopFinishesRequestsInProgress) {
  Client client = Connect(), idle = Connect();
  idle.Get("/v2/");
  const std::string bytes = RandomText(3'000'000), digest = DigestOf(bytes);
  const std::string head = "POST /v2/a/blobs/uploads/?digest=" + digest +
                           " HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n";
  asio::write(client.socket(), asio::buffer(head + bytes.substr(0, 1'000'000)));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::thread stop([&] { server_->Stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  asio::write(client.socket(), asio::buffer(bytes.substr(1'000'000)));
  boost::beast::flat_buffer buffer;
  Response reply;
  http::read(client.socket(), buffer, reply);
  EXPECT_EQ(reply.result_int(), 201u);
  EXPECT_FALSE(reply.keep_alive());
  stop.join();
}

TEST_F(ServerTest, BadStarts) {
  ServerOptions second;
  second.root = root_;
  second.port = 0;
  EXPECT_EQ(Server::Start(second).error().code, Errc::kBusy);
  second.root = root_.string() + "-2";
  second.port = server_->port();
  auto used = Server::Start(second);
  ASSERT_FALSE(used.ok());
  EXPECT_EQ(used.error().code, Errc::kBusy);
  EXPECT_NE(used.error().message.find("--listen"), std::string::npos);
  std::filesystem::remove_all(second.root);
  second.root = "/proc/nowhere";
  EXPECT_FALSE(Server::Start(second).ok());
}

TEST_F(ServerTest, ReadOnly) {
  const std::string digest = Connect().Push("a", "x");
  server_.reset();
  options_.service.read_only = true;
  Start();
  Client client = Connect();
  EXPECT_EQ(client.Get("/v2/a/blobs/" + digest).body(), "x");
  EXPECT_EQ(client.Do(http::verb::post, "/v2/a/blobs/uploads/").result_int(), 405u);
  EXPECT_EQ(client.PutManifest("a", "v1", "{}").result_int(), 405u);
  EXPECT_EQ(client.Do(http::verb::delete_, "/v2/a/blobs/" + digest).result_int(), 405u);
}

// A server in a child process is killed while clients push; whatever a restarted one shows must be whole.
TEST(ServerCrash, NothingHalfWrittenIsVisible) {
  const os::Path root = std::filesystem::temp_directory_path() / ("plume-server-" + os::RandomHex(8));
  const std::string shared = RandomText(300'000);
  uint64_t manifests_seen = 0;
  // On a busy machine a server may be killed before anything was pushed: then it is left to live longer and
  // longer.
  for (int round = 0; round < 8 || (manifests_seen == 0 && round < 40); ++round) {
    int port_pipe[2];
    ASSERT_EQ(::pipe(port_pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ServerOptions options;
      options.root = root;
      options.port = 0;
      auto server = Server::Start(options);
      const uint16_t port = server.ok() ? (*server)->port() : 0;
      if (::write(port_pipe[1], &port, sizeof port) != sizeof port) ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    uint16_t port = 0;
    ASSERT_EQ(::read(port_pipe[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
    ASSERT_NE(port, 0);
    std::vector<std::thread> pushers;
    for (int i = 0; i < 3; ++i) {
      pushers.emplace_back([&, i] {
        try {
          Client client(port);
          for (int n = 0;; ++n) {
            const std::string name = "app" + std::to_string(i);
            // Not Push: its expectations would fail when the server dies, which is what happens here.
            std::vector<std::string> digests;
            for (const std::string& bytes : {shared, RandomText(200'000)}) {
              digests.push_back(DigestOf(bytes));
              client.Do(http::verb::post, "/v2/" + name + "/blobs/uploads/?digest=" + digests.back(), bytes);
            }
            client.PutManifest(name, "r" + std::to_string(round) + "-" + std::to_string(n),
                               ManifestOf(digests[0], {digests[1]}));
          }
        } catch (const std::exception&) {  // the server is gone
        }
      });
    }
    const int longer = round < 8 ? 0 : 100 * (round - 7);
    std::this_thread::sleep_for(
        std::chrono::milliseconds(40 + longer + static_cast<int>(os::RandomNumber() % 150)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (std::thread& thread : pushers) thread.join();
    ::close(port_pipe[0]);
    ::close(port_pipe[1]);

    ServerOptions options;
    options.root = root;
    options.port = 0;
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(root / "uploads"));
    Client client((*server)->port());
    const auto catalog = nlohmann::json::parse(client.Get("/v2/_catalog").body());
    for (const std::string name : catalog["repositories"]) {
      const auto tags = nlohmann::json::parse(client.Get("/v2/" + name + "/tags/list").body());
      for (const std::string tag : tags["tags"]) {
        const Response manifest = client.Get("/v2/" + name + "/manifests/" + tag);
        ASSERT_EQ(manifest.result_int(), 200u) << name << ":" << tag;
        ASSERT_EQ(DigestOf(manifest.body()), manifest["Docker-Content-Digest"]);
        const auto document = nlohmann::json::parse(manifest.body());
        for (const std::string digest : {document["config"]["digest"], document["layers"][0]["digest"]}) {
          const Response blob = client.Get("/v2/" + name + "/blobs/" + digest);
          ASSERT_EQ(DigestOf(blob.body()), digest);
        }
        ++manifests_seen;
      }
    }
  }
  EXPECT_GT(manifests_seen, 0u);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace plume::server
