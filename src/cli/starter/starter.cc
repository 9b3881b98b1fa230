// What shortcuts, file types and commands of integrated applications start: it finds plume.exe and hands its
// arguments on. Built twice: plumew.exe has no console and shows a failure in a window, plume-command.exe
// uses the caller's console.
//
//   plumew.exe [--home FOLDER] ARGS...       beside plume.exe
//   NAME.exe ARGS...                         with NAME.exe.plume beside it, written by the agent:
//                                              plume=C:\...\plume.exe    home=C:\...    run=run APP --entry
//                                              "e" --
#include <windows.h>

#include <cstdio>
#include <string>

namespace {

std::wstring OwnPath() {
  std::wstring path(32768, 0);
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  return path;
}

std::wstring FromUtf8(const std::string& text) {
  std::wstring out(text.size() + 1, 0);
  const int n = MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), out.data(),
                                    static_cast<int>(out.size()));
  out.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return out;
}

bool ReadSmallFile(const std::wstring& path, std::string* out) {
  FILE* f = _wfopen(path.c_str(), L"rb");
  if (f == nullptr) return false;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), f)) > 0;) out->append(buffer, n);
  fclose(f);
  return true;
}

std::wstring Line(const std::string& text, const std::string& name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) == std::string::npos ? text.size() : text.find('\n', at);
    if (text.compare(at, name.size() + 1, name + "=") == 0)
      return FromUtf8(text.substr(at + name.size() + 1, end - at - name.size() - 1));
    at = end + 1;
  }
  return {};
}

// Our command line after the program's name: as it was given, whatever its quoting.
std::wstring Tail(const wchar_t* line) {
  bool quoted = false;
  for (; *line != 0 && (quoted || (*line != L' ' && *line != L'\t')); ++line)
    if (*line == L'"') quoted = !quoted;
  while (*line == L' ' || *line == L'\t') ++line;
  return line;
}

// Takes `--home "X"` off the front.
bool TakeHome(std::wstring* tail, std::wstring* home) {
  static const std::wstring kOption = L"--home ";
  if (tail->compare(0, kOption.size(), kOption) != 0) return false;
  const bool quoted = (*tail)[kOption.size()] == L'"';
  const size_t begin = kOption.size() + (quoted ? 1 : 0);
  const size_t end = tail->find(quoted ? L'"' : L' ', begin);
  *home = tail->substr(begin, end == std::wstring::npos ? end : end - begin);
  *tail = end == std::wstring::npos ? L"" : tail->substr(end + 1);
  tail->erase(
      0, tail->find_first_not_of(L' ') == std::wstring::npos ? tail->size() : tail->find_first_not_of(L' '));
  return true;
}

int Complain(const std::wstring& text) {
#ifdef PLUME_NO_CONSOLE
  MessageBoxW(nullptr, text.c_str(), L"Plume", MB_OK | MB_ICONERROR | MB_SETFOREGROUND);
#else
  fprintf(stderr, "%ls\n", text.c_str());
#endif
  return 125;
}

#ifdef PLUME_NO_CONSOLE
// What plume.exe says on stderr, for the window; its last 4 KB.
struct Words {
  HANDLE pipe;
  std::string text;
};
DWORD WINAPI Listen(void* data) {
  auto* words = static_cast<Words*>(data);
  char buffer[1024];
  for (DWORD n = 0; ReadFile(words->pipe, buffer, sizeof(buffer), &n, nullptr) && n > 0;) {
    words->text.append(buffer, n);
    if (words->text.size() > 4096) words->text.erase(0, words->text.size() - 4096);
  }
  return 0;
}
#else
// Ctrl-C is the program's; we stay to hand on its exit code.
BOOL WINAPI Ignore(DWORD) { return TRUE; }
#endif

}  // namespace

#ifdef PLUME_NO_CONSOLE
int WINAPI wWinMain(HINSTANCE, HINSTANCE, wchar_t*, int) {
#else
int wmain() {
#endif
  const std::wstring own = OwnPath();
  std::wstring tail = Tail(GetCommandLineW()), home, plume;
  std::string settings;
  if (ReadSmallFile(own + L".plume", &settings)) {
    plume = Line(settings, "plume");
    home = Line(settings, "home");
    tail = Line(settings, "run") + L" " + tail;
  } else {
    plume = own.substr(0, own.find_last_of(L'\\')) + L"\\plume.exe";
    TakeHome(&tail, &home);
  }
  if (!home.empty()) SetEnvironmentVariableW(L"PLUME_HOME", home.c_str());
  std::wstring command = L"\"" + plume + L"\" " + tail;
  STARTUPINFOW startup = {};
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION info = {};
  DWORD flags = 0;
  BOOL inherit = FALSE;
#ifdef PLUME_NO_CONSOLE
  SetEnvironmentVariableW(L"PLUME_WINDOWED", L"1");
  SECURITY_ATTRIBUTES inheritable = {sizeof(inheritable), nullptr, TRUE};
  HANDLE read = nullptr, write = nullptr;
  if (CreatePipe(&read, &write, &inheritable, 0)) {
    SetHandleInformation(read, HANDLE_FLAG_INHERIT, 0);
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdError = write;
    inherit = TRUE;
  }
  flags = CREATE_NO_WINDOW;
#else
  SetConsoleCtrlHandler(Ignore, TRUE);
#endif
  if (!CreateProcessW(plume.c_str(), command.data(), nullptr, nullptr, inherit, flags, nullptr, nullptr,
                      &startup, &info)) {
    return Complain(L"plume: starting " + plume + L" failed: error " + std::to_wstring(GetLastError()) +
                    L" (was Plume moved or removed? integrate the application again)");
  }
  CloseHandle(info.hThread);
#ifdef PLUME_NO_CONSOLE
  Words words{read, {}};
  if (write != nullptr) CloseHandle(write);
  const HANDLE listener = CreateThread(nullptr, 0, Listen, &words, 0, nullptr);
#endif
  WaitForSingleObject(info.hProcess, INFINITE);
  DWORD code = 125;
  GetExitCodeProcess(info.hProcess, &code);
  CloseHandle(info.hProcess);
#ifdef PLUME_NO_CONSOLE
  // A program that lives on may still hold the pipe: what is here by now is what plume said.
  if (code == 125) {
    WaitForSingleObject(listener, 1000);
    if (words.text.compare(0, 7, "plume: ") == 0) return Complain(FromUtf8(words.text));
  }
#endif
  return static_cast<int>(code);
}
