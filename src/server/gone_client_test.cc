// Clients that go away in the middle of a blob.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <filesystem>

#include "os/random.h"
#include "os/sha256.h"
#include "repository/artifact.h"
#include "server/server.h"

namespace plume::server {
namespace {

using boost::asio::ip::tcp;

TEST(GoneClients, EndNothing) {
  std::signal(SIGPIPE, SIG_DFL);  // whatever who started us left
  ServerOptions options;
  options.root = std::filesystem::temp_directory_path() / ("plume-gone-" + os::RandomHex(8));
  options.port = 0;
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.error().message;
  repository::OpenOptions open;
  open.credentials = options.root / "none.json";
  const auto repository =
      std::move(*repository::Open("http://127.0.0.1:" + std::to_string((*server)->port()) + "/a", open));
  const std::string blob(16u << 20, 'x');
  const std::string digest = os::DigestText(os::Sha256::Of(std::string_view(blob)));
  ASSERT_TRUE(repository::PutSmallBlob(*repository, digest, blob).ok());
  const std::string request = "GET /v2/a/blobs/" + digest + " HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 60; ++i) {
    boost::asio::io_context io;
    tcp::socket client(io);
    client.open(tcp::v4());
    client.set_option(boost::asio::socket_base::receive_buffer_size(4096));
    client.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), (*server)->port()));
    boost::asio::write(client, boost::asio::buffer(request));
    char some[1000];
    ASSERT_GT(client.read_some(boost::asio::buffer(some)), 0u);
    boost::system::error_code ignored;
    if (i % 3 == 0) client.shutdown(tcp::socket::shutdown_both, ignored);
    if (i % 3 == 1) client.set_option(boost::asio::socket_base::linger(true, 0));
    client.close(ignored);
  }
  const auto has = repository->HasBlob(digest);
  ASSERT_TRUE(has.ok()) << has.error().message;
  EXPECT_TRUE(*has);
  server->reset();
  std::filesystem::remove_all(options.root);
}

}  // namespace
}  // namespace plume::server
