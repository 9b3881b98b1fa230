// plume on Linux: finds the Wine prefix that plays the client machine, makes sure that Plume's agent runs
// there with no hold on our terminal, then becomes `wine plume.exe ARGS`.
//
// Why the agent is started here: a Windows program cannot give its child another stderr than its own under
// Wine, so an agent (and the wineserver, services and explorer that come with the first process of a prefix)
// started by plume.exe would keep the caller's pipes open, and `x=$(plume ...)` would never return.
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launcher/direct_start.h"

namespace {

namespace fs = std::filesystem;

constexpr int kFailure = 125;

[[noreturn]] void Fail(const std::string& text) {
  fprintf(stderr, "plume: %s\n", text.c_str());
  exit(kFailure);
}

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

fs::path ProgramFolder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) Fail("finding its own folder failed: " + error.message() + " (is /proc mounted?)");
  return self.parent_path();
}

std::string FindWine() {
  if (const std::string named = Variable("PLUME_WINE"); !named.empty()) return named;
  for (const char* name : {"wine", "wine64"}) {
    std::string path = Variable("PATH");
    if (path.empty()) path = "/usr/local/bin:/usr/bin:/bin";
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find(':', begin), path.size());
      const std::string file = path.substr(begin, end - begin) + "/" + name;
      if (end > begin && access(file.c_str(), X_OK) == 0) return file;
      begin = end + 1;
    }
  }
  Fail("starting Wine failed: there is no wine on the PATH (Debian: apt-get install wine64)");
}

fs::path HomeFolder() {
  if (const std::string home = Variable("HOME"); !home.empty()) return home;
  const passwd* user = getpwuid(getuid());
  return user ? user->pw_dir : "/";
}

fs::path Prefix() {
  for (const char* name : {"PLUME_WINEPREFIX", "WINEPREFIX"}) {
    const std::string value = Variable(name);
    if (value.empty()) continue;
    if (value[0] != '/')
      Fail(std::string("choosing the Wine prefix failed: ") + name + "='" + value +
           "' is not an absolute path");
    return value;
  }
  return HomeFolder() / ".wine";
}

// Wine 8 fails about one start of a program in 4,000 when Linux puts things at random addresses (of the
// smallest program, outside any VM: 5 of 20,737 starts with, 0 of 23,289 without), so what is started here,
// and what that starts, does without. Where this may not be asked for, it stays as it is.
void FixAddresses() {
  const int now = personality(0xFFFFFFFF);
  if (now != -1 && Variable("PLUME_RANDOM_ADDRESSES").empty())
    (void)personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE);
}

// Detaches from everything of the caller: session, terminal, standard handles.
void GoNowhere() {
  setsid();
  const int nowhere = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) dup2(nowhere, fd);
  for (int fd = 3; fd < 64; ++fd) close(fd);
}

// Runs a Wine program with no connection to us.
pid_t Start(const std::string& wine, const std::vector<std::string>& arguments) {
  const pid_t child = fork();
  if (child < 0) Fail(std::string("starting Wine failed: ") + strerror(errno));
  if (child == 0) {
    GoNowhere();
    std::vector<char*> argv = {const_cast<char*>(wine.c_str())};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execvp(wine.c_str(), argv.data());
    _exit(127);
  }
  return child;
}

int Spawn(const std::string& wine, const std::vector<std::string>& arguments) {
  const pid_t child = Start(wine, arguments);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A prefix that is not there yet is made, as a Windows 10 machine. An existing one is the user's and stays as
// it is.
void EnsurePrefix(const fs::path& prefix, const std::string& wine) {
  // system.reg is written when the wineserver saves, the time stamp as soon as wineboot has begun.
  const auto made = [&] {
    return fs::exists(prefix / "system.reg") || fs::exists(prefix / ".update-timestamp");
  };
  if (made()) return;
  std::error_code error;
  fs::create_directories(prefix.parent_path(), error);
  // Two commands at once must not make it twice.
  const std::string lock_name = prefix.string() + ".plume-lock";
  const int lock = open(lock_name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock >= 0) flock(lock, LOCK_EX);
  if (!made()) {
    if (isatty(2))
      fprintf(stderr, "plume: making the Wine prefix %s (once, a few seconds)\n", prefix.c_str());
    if (Spawn(wine, {"wineboot", "-i"}) != 0 || !fs::exists(prefix)) {
      Fail("making the Wine prefix " + prefix.string() +
           " failed: wineboot did not succeed (try `wine wineboot` by hand)");
    }
    Spawn(wine, {"reg", "add", "HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f"});
  }
  if (lock >= 0) {
    unlink(lock_name.c_str());
    close(lock);
  }
}

// The state folder as a Unix path, the way plume.exe finds it: PLUME_HOME, else %LOCALAPPDATA%\Plume.
std::optional<fs::path> StateFolder(const fs::path& prefix) {
  const std::string home = Variable("PLUME_HOME");
  if (home.empty()) {
    const passwd* user = getpwuid(getuid());
    const std::string name = user ? user->pw_name : Variable("USER");
    return prefix / "drive_c/users" / name / "AppData/Local/Plume";
  }
  if (home[0] == '/') return home;
  if (home.size() < 3 || home[1] != ':') return std::nullopt;
  std::string path = home.substr(2);
  for (char& c : path)
    if (c == '\\') c = '/';
  const char drive = static_cast<char>(tolower(static_cast<unsigned char>(home[0])));
  return fs::path((prefix / "dosdevices" / (std::string(1, drive) + ":")).string() + path);
}

// The agent locks a file for as long as it lives. The wineserver holds that lock for it as an ordinary Unix
// one.
bool AgentRuns(const fs::path& state) {
  const int file = open((state / "agent.lock").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  struct flock probe = {};
  probe.l_type = F_WRLCK;
  probe.l_whence = SEEK_SET;
  const bool locked = fcntl(file, F_GETLK, &probe) == 0 && probe.l_type != F_UNLCK;
  close(file);
  return locked;
}

// False if plume.exe has to start the agent: the state folder is somewhere only Windows programs know, or the
// agent cannot start, and plume.exe will find out why.
bool EnsureAgent(const fs::path& prefix, const std::string& wine, const fs::path& program_folder) {
  const auto state = StateFolder(prefix);
  if (!state) return false;
  if (AgentRuns(*state)) return true;
  const fs::path agent = program_folder / "plume-agent.exe";
  if (!fs::exists(agent))
    Fail("starting plume-agent failed: " + agent.string() + " is not there (build or reinstall Plume)");
  // From here on the agent is a child of ours, and so of what we become; nobody waits for it.
  const pid_t child = Start(wine, {agent.string()});
  // plume.exe waits for its pipe; here only until it has the state folder, so that plume.exe does not start
  // another.
  for (int i = 0; i < 2000; ++i) {
    int status = 0;
    const bool ended = waitpid(child, &status, WNOHANG) == child;
    if (AgentRuns(*state)) return true;
    if (ended) return false;
    usleep(5000);
  }
  return true;
}

bool NeedsAgent(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--") break;
    if (a == "--help" || a == "-h" || a == "--help-all" || a == "--version") return false;
  }
  if (argc < 2) return false;
  for (const char* verb : {"agent", "keys", "sign", "trust"})
    if (strcmp(argv[1], verb) == 0) return false;
  return true;
}

// Like exec, for when there is something left to do afterwards: the exit code.
int RunHere(const std::vector<char*>& arguments) {
  const pid_t child = fork();
  if (child < 0) Fail(std::string("starting Wine failed: ") + strerror(errno));
  if (child == 0) {
    execv(arguments[0], arguments.data());
    fprintf(stderr, "plume: starting %s failed: %s\n", arguments[0], strerror(errno));
    _exit(kFailure);
  }
  signal(SIGINT, SIG_IGN);  // theirs
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool HasFiles(const fs::path& folder, const char* extension, const char* prefix = "") {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == extension && entry.path().filename().string().starts_with(prefix))
      return true;
  return false;
}

bool HasOurs(const fs::path& data_home) {
  return HasFiles(data_home / "applications", ".desktop", "plume-") ||
         HasFiles(data_home / "mime" / "packages", ".xml", "plume-");
}

// The desktop's own indexes of what an integrated application put below the data home. Where nothing is left
// of any application, neither are they.
void RefreshDesktop(const fs::path& data_home) {
  std::error_code error;
  const fs::path applications = data_home / "applications", mime = data_home / "mime";
  if (HasFiles(applications, ".desktop")) {
    Spawn("update-desktop-database", {"-q", applications.string()});
  } else {
    fs::remove(applications / "mimeinfo.cache", error);
    fs::remove(applications, error);  // unless something else is there
  }
  if (HasFiles(mime / "packages", ".xml")) {
    Spawn("update-mime-database", {mime.string()});
  } else if (fs::exists(mime / "mime.cache")) {
    fs::create_directories(mime / "packages", error);
    Spawn("update-mime-database", {mime.string()});  // takes its own files of types away
    for (const char* name :
         {"aliases", "generic-icons", "globs", "globs2", "icons", "magic", "mime.cache", "subclasses",
          "treemagic", "types", "version", "XMLnamespaces", "packages", "application"})
      fs::remove(mime / name, error);
    fs::remove(mime, error);
  }
  fs::remove(data_home, error);  // if it was made for this
}

// `plume keys generate DIR`. Wine makes a file of a user's own readable by his group too, whatever the access
// list says; so the folder is closed before the key is in it, and then the key.
int GenerateKeys(const std::vector<char*>& arguments, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(fs::absolute(folder).parent_path(), error);
  const bool made = mkdir(folder.c_str(), 0700) == 0;
  const int code = RunHere(arguments);
  if (code == 0 && chmod((folder / "key.pem").c_str(), 0600) != 0)
    Fail("closing " + (folder / "key.pem").string() + " failed: " + strerror(errno));
  if (code != 0 && made) rmdir(folder.c_str());  // if nothing is in it
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    printf("plume %s\n", PLUME_VERSION);
    return 0;
  }
  const fs::path folder = ProgramFolder();
  const fs::path program = folder / "plume.exe";
  if (!fs::exists(program))
    Fail("starting failed: " + program.string() + " is not there (build or reinstall Plume)");
  const std::string wine = FindWine();
  FixAddresses();
  // Asked for by plume.exe, which runs in the prefix that Wine's own variable names.
  const bool only_agent = argc == 2 && strcmp(argv[1], "--start-agent") == 0;
  if (only_agent) unsetenv("PLUME_WINEPREFIX");
  const fs::path prefix = Prefix();
  setenv("WINEPREFIX", prefix.c_str(), 1);
  setenv("WINEDEBUG", "-all", 0);
  // winemenubuilder writes outside the prefix, winedbg waits for a user who is not there.
  setenv("WINEDLLOVERRIDES", "mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d", 0);
  EnsurePrefix(prefix, wine);
  // A relative folder is relative to here, for us and for plume.exe.
  if (const std::string home = Variable("PLUME_HOME");
      !home.empty() && home[0] != '/' && home[0] != '\\' && (home.size() < 2 || home[1] != ':')) {
    std::error_code error;
    setenv("PLUME_HOME", (fs::current_path(error) / home).lexically_normal().c_str(), 1);
  }
  if (only_agent) {
    EnsureAgent(prefix, wine, folder);
    return 0;
  }
  // Most starts need no Wine process of ours.
  const auto direct = plume::launcher::ReadDirectStart({argv + 1, argv + argc});
  const auto state = direct ? StateFolder(prefix) : std::nullopt;
  std::vector<std::string> await;
  if (state) {
    const auto result = plume::launcher::StartDirectly(*direct, *state);
    if (result && result->await.empty()) return result->exit_code;
    if (result) await = result->await;
  }
  if (NeedsAgent(argc, argv) && EnsureAgent(prefix, wine, folder)) setenv("PLUME_AGENT_STARTED", "1", 1);
  const std::string program_text = program.string();
  std::vector<char*> arguments = {const_cast<char*>(wine.c_str()), const_cast<char*>(program_text.c_str())};
  if (await.empty())
    arguments.insert(arguments.end(), argv + 1, argv + argc);
  else
    for (std::string& word : await) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "integrate" || verb == "unintegrate" || verb == "remove") {
    const fs::path data_home = Variable("XDG_DATA_HOME").starts_with("/")
                                   ? fs::path(Variable("XDG_DATA_HOME"))
                                   : HomeFolder() / ".local/share";
    setenv("PLUME_DATA_HOME", data_home.c_str(), 1);
    setenv("PLUME_LAUNCHER", (folder / "plume").c_str(), 1);
    setenv("PLUME_CLIENT_PREFIX", prefix.c_str(), 1);
    const bool had = HasOurs(data_home);
    const int code = RunHere(arguments);
    if (had || HasOurs(data_home)) RefreshDesktop(data_home);
    return code;
  }
  const bool unix_path = argc == 4 && argv[3][0] != '\0' && argv[3][0] != '-' && !strpbrk(argv[3], ":\\");
  if (verb == "keys" && unix_path && strcmp(argv[2], "generate") == 0)
    return GenerateKeys(arguments, argv[3]);
  execv(wine.c_str(), arguments.data());
  Fail("starting " + wine + " failed: " + strerror(errno));
}
