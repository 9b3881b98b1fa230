#include "cli/launcher/direct_start.h"

#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "nlohmann/json.hpp"

namespace plume::launcher {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;  // agent/control.h
constexpr int kFailure = 125;
constexpr int kPatienceMillis = 10000;  // how long the agent may say nothing about what it was asked
constexpr uint32_t kMaxFrame = 16u << 20;

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

std::string ReadFile(const std::string& path) {
  std::string out;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return out;
  char buffer[4096];
  for (ssize_t n; (n = read(file, buffer, sizeof(buffer))) > 0;) out.append(buffer, static_cast<size_t>(n));
  close(file);
  return out;
}

std::string ReadLink(const std::string& path) {
  char buffer[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), buffer, sizeof(buffer));
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
}

// --- is a child of the agent's the same as one of ours?
// -------------------------------------------------------

bool StandardHandlesGo() {
  for (int fd = 0; fd < 3; ++fd)
    // A terminal makes a console, whose driver is a program of ours.
    if (fcntl(fd, F_GETFD) < 0 || isatty(fd)) return false;
  return true;
}

bool SameLimits(pid_t agent) {
  for (int i = 0; i < RLIMIT_NLIMITS; ++i) {
    rlimit mine, its;
    if (prlimit(0, static_cast<__rlimit_resource>(i), nullptr, &mine) != 0) continue;
    // Wine's processes raise what they may have open as far as they may; so would ours.
    const bool only_hard = i == RLIMIT_NOFILE;
    if (prlimit(agent, static_cast<__rlimit_resource>(i), nullptr, &its) != 0 ||
        mine.rlim_max != its.rlim_max || (mine.rlim_cur != its.rlim_cur && !only_hard))
      return false;
  }
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, 0),
            its_nice = getpriority(PRIO_PROCESS, static_cast<id_t>(agent));
  if (errno != 0 || nice != its_nice) return false;
  cpu_set_t mine, its;
  return sched_getaffinity(0, sizeof(mine), &mine) == 0 && sched_getaffinity(agent, sizeof(its), &its) == 0 &&
         CPU_EQUAL(&mine, &its) && sched_getscheduler(0) == sched_getscheduler(agent);
}

bool SameMask(const std::string& agent) {
  const mode_t mine = umask(077);
  umask(mine);
  const std::string status = ReadFile(agent + "/status");
  const size_t at = status.find("\nUmask:");
  return at != status.npos && strtoul(status.c_str() + at + 7, nullptr, 8) == mine;
}

bool SameHome(const std::string& agent) {
  const std::string home = Variable("HOME"), all = '\0' + ReadFile(agent + "/environ");
  const std::string wanted = std::string("\0HOME=", 6) + home + '\0';
  return all.size() > 1 &&
         (all.find(wanted) != all.npos || (home.empty() && all.find(wanted.substr(0, 6)) == all.npos));
}

bool SamePlace(pid_t pid) {
  const std::string agent = "/proc/" + std::to_string(pid);
  for (const char* place : {"/ns/mnt", "/ns/net", "/ns/pid", "/ns/user", "/ns/ipc", "/ns/uts", "/root"}) {
    const std::string its = ReadLink(agent + place);
    if (its.empty() || its != ReadLink(std::string("/proc/self") + place)) return false;
  }
  const std::string traits = ReadFile(agent + "/personality");
  return strtoul(traits.c_str(), nullptr, 16) == static_cast<unsigned long>(personality(0xFFFFFFFF)) &&
         !traits.empty() && SameLimits(pid) && SameMask(agent) && SameHome(agent);
}

// Wine reads names and text in the locale's character set; the agent reads UTF-8.
bool IsUtf8Here(const std::vector<std::string>& texts) {
  bool plain = true;
  for (const std::string& text : texts)
    for (const char c : text) plain = plain && static_cast<unsigned char>(c) < 0x80;
  return plain || (setlocale(LC_CTYPE, "") != nullptr && strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
}

// --- the socket
// -------------------------------------------------------------------------------------------------

class Socket {
 public:
  Socket() = default;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // To the agent of this state folder, which runs for this user.
  bool Connect(const std::filesystem::path& state) {
    const int folder = open(state.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return false;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    // A socket's name has 107 characters, a folder's may have more.
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/launch.sock", folder);
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        fd_ >= 0 && connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(folder);
    ucred peer = {};
    socklen_t bytes = sizeof(peer);
    if (!connected || getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || peer.uid != geteuid())
      return false;
    agent_ = peer.pid;
    return true;
  }
  pid_t agent() const { return agent_; }
  int fd() const { return fd_; }

  bool Send(const Json& message, bool with_standard_handles = false) const {
    const std::string body = message.dump();
    std::string frame;
    for (int shift = 0; shift < 32; shift += 8) frame += static_cast<char>((body.size() >> shift) & 0xFF);
    frame += body;
    for (size_t done = 0; done < frame.size();) {
      iovec piece = {frame.data() + done, frame.size() - done};
      msghdr sent = {};
      sent.msg_iov = &piece;
      sent.msg_iovlen = 1;
      alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
      if (with_standard_handles && done == 0) {
        sent.msg_control = control;
        sent.msg_controllen = sizeof(control);
        cmsghdr* header = CMSG_FIRSTHDR(&sent);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(3 * sizeof(int));
        const int handles[3] = {0, 1, 2};
        memcpy(CMSG_DATA(header), handles, sizeof(handles));
      }
      const ssize_t n = sendmsg(fd_, &sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }

  // The next message. Nothing if the agent is gone.
  std::optional<Json> Receive() const {
    uint8_t header[4];
    if (!Read(header, sizeof(header))) return std::nullopt;
    uint32_t size = 0;
    for (int i = 0; i < 4; ++i) size |= static_cast<uint32_t>(header[i]) << (8 * i);
    if (size == 0 || size > kMaxFrame) return std::nullopt;
    std::string body(size, 0);
    if (!Read(body.data(), size)) return std::nullopt;
    Json message = Json::parse(body, nullptr, false);
    if (!message.is_object() || message.value("v", 0) != kVersion) return std::nullopt;
    return message;
  }

 private:
  bool Read(void* to, size_t bytes) const {
    for (char* at = static_cast<char*>(to); bytes > 0;) {
      const ssize_t n = recv(fd_, at, bytes, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      at += n;
      bytes -= static_cast<size_t>(n);
    }
    return true;
  }

  int fd_ = -1;
  pid_t agent_ = -1;
};

volatile sig_atomic_t g_interrupted = 0;

// Ctrl-C is the program's, which does not hear of it by itself. Only let in while we wait.
class Interrupts {
 public:
  Interrupts() {
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigprocmask(SIG_BLOCK, &block, &before_);
    struct sigaction action = {};
    action.sa_handler = [](int) { g_interrupted = 1; };
    sigaction(SIGINT, nullptr, &old_);
    if (old_.sa_handler != SIG_IGN) sigaction(SIGINT, &action, nullptr);
  }
  ~Interrupts() {
    sigaction(SIGINT, &old_, nullptr);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  const sigset_t* before() const { return &before_; }

 private:
  sigset_t before_;
  struct sigaction old_ = {};
};

void Warn(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  fprintf(stderr, "plume: %s\n", text.c_str());
}

std::string CurrentDirectory() {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error), named = Variable("PWD");
  struct stat a, b;
  // As Wine does it: the name by which the shell came here.
  if (!named.empty() && named[0] == '/' && stat(named.c_str(), &a) == 0 && stat(".", &b) == 0 &&
      a.st_dev == b.st_dev && a.st_ino == b.st_ino)
    return named;
  return here;
}

Json Request(const DirectStart& start, const std::string& folder,
             const std::vector<std::string>& environment) {
  Json prepare = {{"create", true}, {"rm", start.remove}};
  if (start.application) {
    prepare["app"] = start.name;
    prepare["name"] = start.vm;
    prepare["offline"] = start.offline;
  } else {
    prepare["name"] = start.name;
    prepare["images"] = start.images;
  }
  return Json{{"v", kVersion},
              {"verb", "launch"},
              {"args",
               {{"prepare", std::move(prepare)},
                {"program", start.program},
                {"entry", start.entry},
                {"arguments", start.arguments},
                {"cwd", start.cwd},
                {"env", start.environment},
                {"unix_directory", folder},
                {"unix_environment", environment}}}};
}

DirectResult Finish(const Json& reply) {
  if (!reply.value("ok", false)) {
    const Json error = reply.value("error", Json::object());
    std::string text = error.is_object() ? error.value("message", std::string()) : std::string();
    // As plume.exe puts it (src/cli/terminal.cc).
    if (text.find(" failed") == text.npos) {
      const size_t colon = text.find(": ");
      text = colon == text.npos ? "running the command failed: " + text : text.insert(colon, " failed");
    }
    Warn(text);
    return {kFailure, {}};
  }
  const Json result = reply.value("result", Json::object());
  if (const auto notes = result.find("notes"); notes != result.end() && notes->is_array())
    for (const Json& note : *notes)
      if (note.is_string()) Warn(note.get<std::string>());
  return {static_cast<int>(result.value("exit_code", uint32_t{kFailure}) & 0xFF), {}};
}

}  // namespace

std::optional<DirectResult> StartDirectly(const DirectStart& start, const std::filesystem::path& state) try {
  // Wine's own messages go to the standard error of the process that starts the program.
  if (Variable("WINEDEBUG") != "-all" || Variable("PLUME_DIRECT_START") == "0" || !StandardHandlesGo())
    return std::nullopt;
  const std::string folder = CurrentDirectory();
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  std::vector<std::string> texts = environment;
  for (const auto* list : {&start.arguments, &start.environment, &start.images})
    texts.insert(texts.end(), list->begin(), list->end());
  for (const std::string* text : {&start.name, &start.vm, &start.entry, &start.program, &start.cwd, &folder})
    texts.push_back(*text);
  if (folder.empty() || !IsUtf8Here(texts)) return std::nullopt;

  Socket agent;
  if (!agent.Connect(state) || !SamePlace(agent.agent())) return std::nullopt;
  // Not UTF-8 in spite of the locale: dump() throws.
  if (!agent.Send(Request(start, folder, environment), true)) return std::nullopt;

  const Interrupts interrupts;
  std::optional<Json> started;
  bool asked = false;
  for (;;) {
    pollfd wait = {agent.fd(), POLLIN, 0};
    const timespec patience = {kPatienceMillis / 1000, 0};
    const int ready = ppoll(&wait, 1, &patience, interrupts.before());
    if (g_interrupted) {
      g_interrupted = 0;
      // Before it runs there is nothing to interrupt but us.
      if (!started) return DirectResult{128 + SIGINT, {}};
      (void)agent.Send(Json{{"v", kVersion}, {"verb", "interrupt"}});
    }
    if (ready < 0) continue;
    std::optional<Json> message;
    if (ready == 0 && !asked) {
      asked = true;
      // While it prepares it says nothing and hears nothing; plume.exe asks in another way whether it lives.
      if (!started) continue;
      if (agent.Send(Json{{"v", kVersion}, {"verb", "ping"}})) continue;
    } else if (ready > 0) {
      message = agent.Receive();
    }
    asked = false;
    if (!message) break;
    if (message->contains("alive")) continue;
    if (message->contains("started"))
      started = (*message)["started"];
    else if (message->contains("ok"))
      return Finish(*message);
  }
  if (!started) return std::nullopt;
  return DirectResult{0,
                      {"--await-guest", started->value("name", std::string()),
                       started->value("id", std::string()), std::to_string(started->value("pid", 0u))}};
} catch (const Json::exception&) {
  return std::nullopt;
}

}  // namespace plume::launcher
