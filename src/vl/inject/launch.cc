#include "vl/inject/launch.h"

#include <windows.h>

#include <algorithm>
#include <vector>

#include "base/utf16.h"
#include "vl/inject/hosted.h"

namespace plume::vl {
namespace {

const wchar_t* Wide(const std::u16string& s) { return reinterpret_cast<const wchar_t*>(s.c_str()); }

// CreateProcessW takes Win32 names only.
std::u16string ToDosPath(const std::u16string& path) {
  if (path.starts_with(u"\\??\\UNC\\")) return u"\\" + path.substr(7);
  if (path.starts_with(u"\\??\\")) {
    return path.size() > 260 ? u"\\\\?\\" + path.substr(4) : path.substr(4);
  }
  return path;
}

std::string WindowsReason(DWORD code) {
  // The system's text has a place for the file's name.
  if (code == ERROR_BAD_EXE_FORMAT || code == ERROR_EXE_MACHINE_TYPE_MISMATCH)
    return "the file is no program that this system can run";
  wchar_t text[512];
  const DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0,
                                 text, 512, nullptr);
  std::string out = ToUtf8(std::u16string_view(reinterpret_cast<const char16_t*>(text), n));
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r' || out.back() == '.' || out.back() == ' '))
    out.pop_back();
  return out.empty() ? "error " + std::to_string(code) : out;
}

Errc CodeOf(DWORD error) {
  switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      return Errc::kNotFound;
    case ERROR_ACCESS_DENIED:
      return Errc::kDenied;
    case ERROR_BAD_EXE_FORMAT:
    case ERROR_EXE_MACHINE_TYPE_MISMATCH:
      return Errc::kUnsupported;
    default:
      return Errc::kInternal;
  }
}

// The layer's file, mapped.
class Layer {
 public:
  Layer() = default;
  ~Layer() {
    if (view_) UnmapViewOfFile(view_);
    if (section_) CloseHandle(section_);
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  Status Open(const std::u16string& path) {
    const std::u16string dos = ToDosPath(path);
    HANDLE file = CreateFileW(Wide(dos), GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ | FILE_SHARE_DELETE,
                              nullptr, OPEN_EXISTING, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
      const DWORD code = GetLastError();
      return Error{CodeOf(code), "opening " + ToUtf8(dos) + " failed: " + WindowsReason(code)};
    }
    LARGE_INTEGER size{};
    if (GetFileSizeEx(file, &size) && size.QuadPart > 0 && size.QuadPart < (64 << 20)) {
      section_ = CreateFileMappingW(file, nullptr, PAGE_EXECUTE_READ, 0, 0, nullptr);
      if (section_) view_ = MapViewOfFile(section_, FILE_MAP_READ, 0, 0, 0);
      size_ = static_cast<size_t>(size.QuadPart);
    }
    CloseHandle(file);
    if (!view_) return Error{Errc::kCorrupt, "reading " + ToUtf8(dos) + " failed"};
    return Ok();
  }
  std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(view_), size_}; }
  HANDLE section() const { return section_; }

 private:
  HANDLE section_ = nullptr;
  void* view_ = nullptr;
  size_t size_ = 0;
};

// A standard handle the child may inherit: an inheritable duplicate, closed after the start.
class Inheritable {
 public:
  explicit Inheritable(HANDLE given, DWORD own) {
    const HANDLE source = given ? given : GetStdHandle(own);
    if (!source || source == INVALID_HANDLE_VALUE) return;
    if (!DuplicateHandle(GetCurrentProcess(), source, GetCurrentProcess(), &handle_, 0, TRUE,
                         DUPLICATE_SAME_ACCESS)) {
      handle_ = nullptr;
    }
  }
  ~Inheritable() {
    if (handle_) CloseHandle(handle_);
  }
  Inheritable(const Inheritable&) = delete;
  Inheritable& operator=(const Inheritable&) = delete;
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_ = nullptr;
};

double Milliseconds(LARGE_INTEGER from, LARGE_INTEGER to) {
  LARGE_INTEGER frequency;
  QueryPerformanceFrequency(&frequency);
  return static_cast<double>(to.QuadPart - from.QuadPart) * 1000.0 / static_cast<double>(frequency.QuadPart);
}

bool IsDirectory(const std::u16string& path) {
  const DWORD a = GetFileAttributesW(Wide(path));
  return a != INVALID_FILE_ATTRIBUTES && (a & FILE_ATTRIBUTE_DIRECTORY);
}

// The name by which the process is created is not the one it will have.
bool IsRenamed(const LaunchSpec& spec) {
  return !spec.real_exe.empty() && ToDosPath(spec.real_exe) != spec.virtual_exe;
}

Status CreateSuspended(const LaunchSpec& spec, PROCESS_INFORMATION* out, bool* fix_directory) {
  std::u16string exe = ToDosPath(spec.real_exe.empty() ? spec.virtual_exe : spec.real_exe);
  // Else Wine looks through every folder of the name, for the long form of its parts.
  if (HostedIsWine() && IsRenamed(spec) && exe.size() > 2 && exe[1] == u':') exe = u"\\\\?\\" + exe;
  std::u16string command = spec.command_line.empty() ? u"\"" + spec.virtual_exe + u"\"" : spec.command_line;
  Inheritable in(spec.standard_input, STD_INPUT_HANDLE), output(spec.standard_output, STD_OUTPUT_HANDLE),
      error(spec.standard_error, STD_ERROR_HANDLE);

  STARTUPINFOEXW startup{};
  startup.StartupInfo.cb = sizeof(startup);
  // Without a title it gets the file's name, the real one.
  startup.StartupInfo.lpTitle = const_cast<wchar_t*>(Wide(spec.virtual_exe));
  if (!spec.new_console) startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  startup.StartupInfo.hStdInput = in.get();
  startup.StartupInfo.hStdOutput = output.get();
  startup.StartupInfo.hStdError = error.get();
  if (spec.hidden) {
    startup.StartupInfo.dwFlags |= STARTF_USESHOWWINDOW;
    startup.StartupInfo.wShowWindow = SW_HIDE;
  }
  // Only these handles are inherited, whatever else the caller has open.
  std::vector<HANDLE> handles;
  for (HANDLE h : {in.get(), output.get(), error.get()}) {
    if (!spec.new_console && h && std::find(handles.begin(), handles.end(), h) == handles.end())
      handles.push_back(h);
  }
  SIZE_T list_bytes = 0;
  InitializeProcThreadAttributeList(nullptr, 1, 0, &list_bytes);
  std::vector<uint8_t> list(list_bytes);
  startup.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(list.data());
  if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &list_bytes)) {
    return Error{Errc::kInternal, "preparing the start failed: " + WindowsReason(GetLastError())};
  }
  if (!handles.empty()) {
    UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles.data(),
                              handles.size() * sizeof(HANDLE), nullptr, nullptr);
  }
  DWORD flags = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
  if (spec.new_console) flags |= CREATE_NEW_CONSOLE;
  if (spec.detached && !spec.new_console) flags |= DETACHED_PROCESS;
  if (spec.hidden && !spec.new_console && !spec.detached) flags |= CREATE_NO_WINDOW;

  // A folder the host lacks is set in the child's parameters instead, where the layer sees it.
  *fix_directory = !spec.directory.empty() && !IsDirectory(spec.directory);
  wchar_t system[MAX_PATH];
  GetSystemDirectoryW(system, MAX_PATH);
  const wchar_t* directory = spec.directory.empty() ? nullptr
                             : *fix_directory       ? system
                                                    : Wide(spec.directory);
  std::vector<wchar_t> text(command.begin(), command.end());
  text.push_back(0);
  const BOOL ok =
      CreateProcessW(Wide(exe), text.data(), nullptr, nullptr, !handles.empty(), flags,
                     spec.environment.empty() ? nullptr : const_cast<char16_t*>(spec.environment.data()),
                     directory, &startup.StartupInfo, out);
  const DWORD code = GetLastError();
  DeleteProcThreadAttributeList(startup.lpAttributeList);
  if (!ok)
    return Error{CodeOf(code), "starting " + ToUtf8(spec.virtual_exe) + " failed: " + WindowsReason(code)};
  return Ok();
}

}  // namespace

Result<LaunchedProcess> LaunchGuest(const LaunchSpec& spec) {
  Layer layer;
  TRY(layer.Open(spec.layer64));
  LARGE_INTEGER t0, t1, t2;
  QueryPerformanceCounter(&t0);
  PROCESS_INFORMATION info{};
  bool fix_directory = false;
  TRY(CreateSuspended(spec, &info, &fix_directory));
  QueryPerformanceCounter(&t1);
  auto abandon = [&](Errc code, const std::string& why) {
    TerminateProcess(info.hProcess, 1);
    CloseHandle(info.hThread);
    CloseHandle(info.hProcess);
    return Error{code, "starting " + ToUtf8(spec.virtual_exe) + " failed: " + why};
  };

  const std::u16string view = ToNtPath(spec.view_path);
  std::u16string directory = spec.directory;
  if (!directory.empty() && directory.back() != u'\\') directory += u'\\';
  InjectRequest request;
  request.layer = layer.bytes();
  request.section = layer.section();
  request.view_path = view;
  request.exe = spec.virtual_exe;
  request.rename = IsRenamed(spec);
  if (fix_directory) request.current_directory = directory;
  request.volumes = HostedVolumes();
  request.flags = HostedIsWine() ? kParamWine : 0;
  request.ntdll = HostedNtdll();
  const InjectResult injected = Inject(HostedFunctions(), info.hProcess, request);
  if (!injected.ok()) {
    const bool other = injected.error == InjectError::kMachine ||
                       injected.error == InjectError::kUnknownStub || injected.error == InjectError::kMissing;
    return abandon(other ? Errc::kUnsupported : Errc::kInternal, DescribeInjectError(injected));
  }
  QueryPerformanceCounter(&t2);
  if (spec.job && !AssignProcessToJobObject(spec.job, info.hProcess)) {
    return abandon(Errc::kInternal, "the VM's job refuses it: " + WindowsReason(GetLastError()));
  }
  if (!spec.suspended) ResumeThread(info.hThread);
  return LaunchedProcess{info.hProcess, info.hThread, info.dwProcessId, Milliseconds(t0, t1),
                         Milliseconds(t1, t2)};
}

}  // namespace plume::vl
