// conformance.exe: holder or prober of the isolation conformance suite, told what to do line by line
// (run.py).
//   conformance list                     every check: AREA.NAME FLAGS WHY
//   conformance serve ID                 then on standard input, each answered by one line that begins with
//   "= ":
//     hold CHECK             = held DATA       | = failed WHY
//     probe CHECK DATA       = found visible|isolated|unsupported DETAIL
//     observe CHECK          = found ... DETAIL
// DATA and DETAIL are percent-encoded. The process ends with its standard input.
#include "conformance.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "com_testing.h"

namespace plume::conformance {

std::vector<Check>& Checks() {
  static std::vector<Check> checks;
  return checks;
}

std::string LastError() { return "error " + std::to_string(GetLastError()); }

std::string Hex(unsigned long status) {
  char text[24];
  std::snprintf(text, sizeof(text), "status %08lx", status);
  return text;
}

std::wstring Context::Name(const wchar_t* base) const {
  std::wstring out = L"PlumeConf-";
  for (const std::string* part : {&id, &check}) {
    for (char c : *part) out.push_back(c == '.' ? L'-' : static_cast<wchar_t>(c));
    out.push_back(L'-');
  }
  return out + base;
}

std::wstring Context::Folder() const {
  const std::wstring top = L"C:\\PlumeConf";
  CreateDirectoryW(top.c_str(), nullptr);
  const std::wstring folder = top + L"\\" + Name(L"f");
  CreateDirectoryW(folder.c_str(), nullptr);
  return folder + L"\\";
}

void Pump(unsigned milliseconds) {
  const ULONGLONG end = GetTickCount64() + milliseconds;
  for (;;) {
    MSG message;
    while (PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE)) {
      TranslateMessage(&message);
      DispatchMessageW(&message);
    }
    const ULONGLONG now = GetTickCount64();
    if (now >= end) return;
    MsgWaitForMultipleObjectsEx(0, nullptr, static_cast<DWORD>(end - now), QS_ALLINPUT, MWMO_ALERTABLE);
  }
}

namespace {

std::string Encode(const std::string& text) {
  std::string out;
  for (unsigned char c : text) {
    char hex[4];
    if (c > 32 && c < 127 && c != '%') {
      out.push_back(static_cast<char>(c));
    } else {
      std::snprintf(hex, sizeof(hex), "%%%02x", c);
      out += hex;
    }
  }
  return out;
}

std::string Decode(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value;
    if (text[i] == '%' && i + 2 < text.size() + 0 && std::sscanf(text.c_str() + i + 1, "%2x", &value) == 1) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

void Say(const std::string& line) {
  // One write a line: the other side reads lines.
  const std::string text = "= " + line + "\n";
  DWORD written;
  WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text.data(), static_cast<DWORD>(text.size()), &written, nullptr);
}

const char* ReachName(Reach reach) {
  return reach == Reach::kVisible ? "visible" : reach == Reach::kIsolated ? "isolated" : "unsupported";
}

// Reads standard input beside the message loop; wakes the main thread for every line.
struct Input {
  CRITICAL_SECTION lock;
  HANDLE ready = CreateEventW(nullptr, FALSE, FALSE, nullptr);
  std::vector<std::string> lines;
  bool ended = false;

  Input() { InitializeCriticalSection(&lock); }

  static DWORD WINAPI Read(void* self) {
    auto* in = static_cast<Input*>(self);
    std::string rest;
    char buffer[4096];
    DWORD count;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, sizeof(buffer), &count, nullptr) && count) {
      rest.append(buffer, count);
      size_t end;
      while ((end = rest.find('\n')) != rest.npos) {
        std::string line = rest.substr(0, end);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        EnterCriticalSection(&in->lock);
        in->lines.push_back(line);
        LeaveCriticalSection(&in->lock);
        SetEvent(in->ready);
        rest.erase(0, end + 1);
      }
    }
    in->ended = true;
    SetEvent(in->ready);
    return 0;
  }

  // False: the input has ended. Messages are let through meanwhile.
  bool Next(std::string* line) {
    for (;;) {
      EnterCriticalSection(&lock);
      const bool any = !lines.empty();
      if (any) {
        *line = lines.front();
        lines.erase(lines.begin());
      }
      LeaveCriticalSection(&lock);
      if (any) return true;
      if (ended) return false;
      MsgWaitForMultipleObjectsEx(1, &ready, INFINITE, QS_ALLINPUT, MWMO_ALERTABLE);
      MSG message;
      while (PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE)) {
        TranslateMessage(&message);
        DispatchMessageW(&message);
      }
    }
  }
};

int Serve(const std::string& id) {
  static Input input;
  CloseHandle(CreateThread(nullptr, 0, Input::Read, &input, 0, nullptr));
  std::map<std::string, std::unique_ptr<Context>> contexts;
  std::string line;
  Say("ready");
  while (input.Next(&line)) {
    const size_t a = line.find(' '), b = a == line.npos ? a : line.find(' ', a + 1);
    const std::string verb = line.substr(0, a);
    const std::string name = a == line.npos ? "" : line.substr(a + 1, b == line.npos ? b : b - a - 1);
    const std::string data = b == line.npos ? "" : Decode(line.substr(b + 1));
    const Check* check = nullptr;
    for (const Check& c : Checks())
      if (std::string(c.area) + "." + c.name == name) check = &c;
    if (!check) {
      Say("failed unknown");
      continue;
    }
    auto& context = contexts[name];
    if (!context) {
      context = std::make_unique<Context>();
      context->id = id;
      context->check = name;
    }
    SetLastError(0);
    if (verb == "hold") {
      const std::string failure = check->hold(*context);
      Say(failure.empty() ? "held " + Encode(context->given) : "failed " + Encode(failure));
    } else if (verb == "probe") {
      context->given = data;
      const Finding f = check->probe(*context);
      Say(std::string("found ") + ReachName(f.reach) + " " + Encode(f.detail));
    } else if (verb == "observe" && check->observe) {
      Pump(50);
      const Finding f = check->observe(*context);
      Say(std::string("found ") + ReachName(f.reach) + " " + Encode(f.detail));
    } else {
      Say("failed unknown");
    }
  }
  return 0;
}

}  // namespace
}  // namespace plume::conformance

int main(int argc, char** argv) {
  using namespace plume::conformance;
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    for (const Check& c : Checks())
      std::printf("%s.%s %u %d %s\n", c.area, c.name, c.flags, c.observe != nullptr, c.why);
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "create") == 0) return CreateClass(argv[2]);
  if (argc >= 5 && std::strcmp(argv[1], "serve-service") == 0) return ServeService(argc, argv);
  if (argc == 2 && std::strcmp(argv[1], "outlive") == 0) return OutliveServer();
  if (argc >= 4 && std::strcmp(argv[1], "serve-class") == 0) return ServeClass(argc, argv);
  if (argc == 3 && std::strcmp(argv[1], "serve") == 0) return Serve(argv[2]);
  std::fputs("conformance list | conformance serve ID   (driven by tests/conformance/run.py)\n", stderr);
  return 2;
}
