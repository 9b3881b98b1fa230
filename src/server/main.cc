// plume-server: the command line. Exit codes: 0 done, 125 Plume's own failure (one line on stderr).
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "server/gc.h"
#include "server/server.h"

namespace plume::server {
namespace {

constexpr int kFailure = 125;

int Fail(const Error& error) {
  std::fprintf(stderr, "plume: %s\n", error.message.c_str());
  return kFailure;
}

Result<os::Path> DefaultRoot() {
  ASSIGN(const os::Path state, os::DefaultStateFolder());
  return state / "server";
}

// "HOST:PORT", "[V6]:PORT" or "PORT".
Status ParseListen(const std::string& text, ServerOptions* options) {
  const Error bad{Errc::kInvalid,
                  "reading --listen " + text + " failed: it is not HOST:PORT (as in 127.0.0.1:5000)"};
  const size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options->port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return bad;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (!host.empty()) options->host = host;
  return Ok();
}

struct ServeArguments {
  std::string root, listen = "127.0.0.1:5000", port_file;
  bool read_only = false, quiet = false;
};

int Serve(const ServeArguments& arguments) {
  ServerOptions options;
  if (arguments.root.empty()) {
    auto root = DefaultRoot();
    if (!root.ok()) return Fail(root.error());
    options.root = *root;
  } else {
    options.root = os::FromUtf8(arguments.root);
  }
  if (auto parsed = ParseListen(arguments.listen, &options); !parsed.ok()) return Fail(parsed.error());
  options.service.read_only = arguments.read_only;
  auto logger = spdlog::stderr_logger_mt("plume-server");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %v");
  if (!arguments.quiet) {
    options.log = [logger](const RequestRecord& record) {
      logger->info("{} {} {} {} in={} out={} {:.1f}ms", record.peer, record.method, record.target,
                   record.status, record.received, record.sent,
                   static_cast<double>(record.took.count()) / 1000.0);
      if (!record.trouble.empty()) logger->error("{}", record.trouble);
    };
  } else {
    options.log = [logger](const RequestRecord& record) {
      if (!record.trouble.empty()) logger->error("{}", record.trouble);
    };
  }
  // Before the first thread exists, so that no signal is missed.
  boost::asio::io_context signals_context;
  boost::asio::signal_set signals(signals_context, SIGINT, SIGTERM);
  const os::Path root = options.root;
  const std::string host = options.host;
  auto server = Server::Start(std::move(options));
  if (!server.ok()) return Fail(server.error());
  logger->info("serving {} on http://{}:{}", os::Utf8(root), host, (*server)->port());
  if (!arguments.port_file.empty()) {
    auto written = os::WriteAtomic(os::SystemFiles(), os::FromUtf8(arguments.port_file),
                                   std::string_view(std::to_string((*server)->port()) + "\n"));
    if (!written.ok()) return Fail(written.error().In("writing the port file failed"));
  }
  signals.async_wait([](const boost::system::error_code&, int) {});
  signals_context.run();
  logger->info("stopping");
  (*server)->Stop();
  return 0;
}

int Collect(const std::string& root_text, const GcOptions& options) {
  os::Path root = os::FromUtf8(root_text);
  if (root_text.empty()) {
    auto found = DefaultRoot();
    if (!found.ok()) return Fail(found.error());
    root = *found;
  }
  auto result = CollectGarbage(root, os::SystemFiles(), options);
  if (!result.ok()) return Fail(result.error().In("collecting garbage failed"));
  std::printf("%s %llu blobs (%llu bytes) and %llu manifests; kept %llu blobs (%llu bytes)\n",
              options.dry_run ? "would remove" : "removed",
              static_cast<unsigned long long>(result->blobs_removed),
              static_cast<unsigned long long>(result->bytes_removed),
              static_cast<unsigned long long>(result->manifests_removed),
              static_cast<unsigned long long>(result->blobs_kept),
              static_cast<unsigned long long>(result->bytes_kept));
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "plume-server: a repository of images that any OCI client can use (OCI Distribution API 1.1).");
  app.set_version_flag("--version", "plume-server 0.1.0");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  plume-server serve --root /srv/plume --listen 0.0.0.0:5000\n"
      "  plume publish editor:1.2 http://server:5000/apps\n"
      "  plume-server gc --root /srv/plume --grace 86400");

  ServeArguments serve;
  CLI::App* serve_verb = app.add_subcommand("serve", "Serve a folder until SIGTERM or Ctrl-C.");
  serve_verb->add_option("--root", serve.root,
                         "Folder of the repository (default: below Plume's state folder)");
  serve_verb->add_option("--listen", serve.listen, "Address and port; port 0 = any free one")
      ->capture_default_str();
  serve_verb->add_option("--port-file", serve.port_file,
                         "Write the port to this file once the server is ready");
  serve_verb->add_flag("--read-only", serve.read_only, "Refuse every change");
  serve_verb->add_flag("--quiet", serve.quiet, "No line per request, only for troubles");
  serve_verb->footer("Example: plume-server serve --root /srv/plume --listen 0.0.0.0:5000");

  std::string gc_root;
  GcOptions gc;
  bool verbose = false;
  CLI::App* gc_verb = app.add_subcommand("gc", "Remove what no manifest needs; safe while serving.");
  gc_verb->add_option("--root", gc_root, "Folder of the repository");
  gc_verb->add_option("--grace", gc.grace_seconds, "Spare what was pushed or asked for in the last SECONDS")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  gc_verb->add_flag("--untagged", gc.untagged, "Also remove manifests that no tag leads to");
  gc_verb->add_flag("--dry-run", gc.dry_run, "Only say what would be removed");
  gc_verb->add_flag("--verbose", verbose, "Name each removed blob");
  gc_verb->footer("Example: plume-server gc --root /srv/plume --grace 86400 --untagged");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return Fail(Error{Errc::kInvalid, std::string("reading the arguments failed: ") + error.what() +
                                          " (plume-server --help shows them)"});
  }
  if (*serve_verb) return Serve(serve);
  if (verbose) gc.report = [](const std::string& what) { std::printf("%s\n", what.c_str()); };
  return Collect(gc_root, gc);
}

}  // namespace
}  // namespace plume::server

int main(int argc, char** argv) { return plume::server::Main(argc, argv); }
