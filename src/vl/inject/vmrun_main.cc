// plume-vmrun: runs a program as a guest without an agent; for developers of the virtualization layer.
//
//   plume-vmrun [OPTIONS] -- PROGRAM [ARGS...]
//     --view PATH        the compiled view of an existing VM
//     --dir FOLDER       or: a VM without images in FOLDER, created there if need be
//     --catalog FILE     with --dir: the catalog of an image under the VM; its files would be in
//     FOLDER\\image
//     --default MODE     its policy for files and keys: merge (default), host
//     --real FILE        PROGRAM is a virtual name; FILE is what is really started
//     --cwd FOLDER       virtual working directory
//     --trace            with --dir: one line per replaced call in FOLDER\trace.txt
//     --time             prints what the start cost
// The program's exit code is handed on.
// clang-format off
#include <windows.h>
// clang-format on
#include <shellapi.h>
#include <winioctl.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/utf16.h"
#include "catalog/catalog_generated.h"
#include "trace/query.h"
#include "trace/recording.h"
#include "view/system_objects.h"
#include "view/system_windows.h"
#include "view/vm_index.h"
#include "vl/inject/hosted.h"
#include "vl/inject/launch.h"
#include "wire/view_generated.h"

namespace {

using plume::Errc;
using plume::Error;
using plume::Ok;
using plume::Status;
using plume::ToUtf8;

std::u16string U16(const wchar_t* s) { return reinterpret_cast<const char16_t*>(s); }
const wchar_t* Wide(const std::u16string& s) { return reinterpret_cast<const wchar_t*>(s.c_str()); }

struct Options {
  std::u16string view, folder, real, directory, catalog;
  uint8_t mode = 0;
  bool trace = false, time = false;
  std::vector<std::wstring> program;
};

std::u16string FullPath(const std::u16string& path) {
  wchar_t full[4096];
  const DWORD n = GetFullPathNameW(Wide(path), 4096, full, nullptr);
  std::u16string out = n && n < 4096 ? U16(full) : path;
  while (out.size() > 3 && out.back() == u'\\') out.pop_back();
  return out;
}

std::u16string CurrentUserKey() {
  HANDLE token = nullptr;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return {};
  alignas(TOKEN_USER) uint8_t user[256];
  DWORD size = 0;
  const bool ok = GetTokenInformation(token, TokenUser, user, sizeof(user), &size);
  CloseHandle(token);
  if (!ok) return {};
  // S-1-<authority>-<sub>-... in words.
  const auto* sid = static_cast<const uint8_t*>(reinterpret_cast<TOKEN_USER*>(user)->User.Sid);
  uint64_t authority = 0;
  for (int i = 2; i < 8; ++i) authority = authority << 8 | sid[i];
  std::string text = "\\REGISTRY\\USER\\S-1-" + std::to_string(authority);
  for (int i = 0; i < sid[1]; ++i) {
    uint32_t sub;
    std::memcpy(&sub, sid + 8 + 4 * i, 4);
    text += "-" + std::to_string(sub);
  }
  return std::u16string(text.begin(), text.end());
}

// `trace`: the number of the recording that guests take part in.
Status MakeIndex(const std::u16string& path, uint32_t trace) {
  constexpr DWORD kShare = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  HANDLE file =
      CreateFileW(Wide(path), GENERIC_READ | GENERIC_WRITE, kShare, nullptr, OPEN_ALWAYS, 0, nullptr);
  const bool made = GetLastError() != ERROR_ALREADY_EXISTS;
  if (file == INVALID_HANDLE_VALUE) return Error{Errc::kInternal, "creating " + ToUtf8(path) + " failed"};
  if (made) {
    DWORD ignored;
    DeviceIoControl(file, FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &ignored, nullptr);
    LARGE_INTEGER size;
    size.QuadPart = static_cast<LONGLONG>(plume::view::VmIndex::kFileBytes);
    SetFilePointerEx(file, size, nullptr, FILE_BEGIN);
    SetEndOfFile(file);
  }
  HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READWRITE, 0, 0, nullptr);
  void* memory = section ? MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0) : nullptr;
  plume::view::VmIndex index;
  if (memory && made) plume::view::VmIndex::Format(memory);
  const bool attached = memory && index.Attach(memory, plume::view::VmIndex::kFileBytes);
  if (attached) index.Trace().store(trace);
  if (memory) UnmapViewOfFile(memory);
  if (section) CloseHandle(section);
  CloseHandle(file);
  return attached ? Ok() : Status(Error{Errc::kInternal, "mapping " + ToUtf8(path) + " failed"});
}

Status WriteFileBytes(const std::u16string& path, const uint8_t* data, size_t size) {
  HANDLE file = CreateFileW(Wide(path), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
  DWORD done = 0;
  const bool ok = file != INVALID_HANDLE_VALUE &&
                  WriteFile(file, data, static_cast<DWORD>(size), &done, nullptr) && done == size;
  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  return ok ? Ok() : Status(Error{Errc::kInternal, "writing " + ToUtf8(path) + " failed"});
}

plume::Result<std::vector<uint8_t>> ReadFileBytes(const std::u16string& path) {
  HANDLE file = CreateFileW(Wide(path), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Error{Errc::kNotFound, "opening " + ToUtf8(path) + " failed"};
  std::vector<uint8_t> bytes(GetFileSize(file, nullptr));
  DWORD done = 0;
  const bool ok =
      ReadFile(file, bytes.data(), static_cast<DWORD>(bytes.size()), &done, nullptr) && done == bytes.size();
  CloseHandle(file);
  if (!ok) return Error{Errc::kInternal, "reading " + ToUtf8(path) + " failed"};
  return bytes;
}

// The NT name of the job of the VM in a folder.
std::u16string JobNtName(const std::u16string& vm_id) {
  DWORD session = 0;
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  const std::string number = std::to_string(session);
  const std::u16string directory =
      session == 0 ? u"" : u"\\Sessions\\" + std::u16string(number.begin(), number.end());
  return directory + u"\\BaseNamedObjects\\plume-vmrun-" + vm_id;
}

std::u16string VmId(const std::u16string& folder) {
  uint32_t hash = 2166136261u;
  for (char16_t c : folder) hash = (hash ^ (c >= u'a' && c <= u'z' ? c - 32u : c)) * 16777619u;
  char id[16];
  std::snprintf(id, sizeof(id), "%08x", hash);
  return std::u16string(id, id + 8);
}

// The job that a view names; it is made if it is not there. Null if the view is not readable: the guest will
// say so.
HANDLE OpenJob(const std::u16string& view_path) {
  const auto bytes = ReadFileBytes(view_path);
  if (!bytes.ok()) return nullptr;
  flatbuffers::Verifier verifier(bytes->data(), bytes->size());
  if (!plume::wire::VerifyViewBuffer(verifier)) return nullptr;
  const auto* units = plume::wire::GetView(bytes->data())->job();
  const std::u16string name(units->begin(), units->end());
  return CreateJobObjectW(nullptr, Wide(name.substr(name.rfind(u'\\') + 1)));
}

// Creates the folders, the index and the view of a VM without images. Existing upper layer and index are
// kept.
Status MakeVm(const Options& options, const std::u16string& layer) {
  namespace wire = plume::wire;
  const std::u16string& folder = options.folder;
  for (const std::u16string& f : {folder, folder + u"\\upper", folder + u"\\scratch"}) {
    if (!CreateDirectoryW(Wide(f), nullptr) && GetLastError() != ERROR_ALREADY_EXISTS) {
      return Error{Errc::kInternal, "creating the folder " + ToUtf8(f) + " failed"};
    }
  }
  TRY(MakeIndex(folder + u"\\index.plx", options.trace ? 1 : 0));
  const std::u16string vm_id = VmId(folder);
  const std::u16string user = CurrentUserKey();
  if (user.empty()) return Error{Errc::kInternal, "reading the user's identity failed"};
  const std::u16string key = u"Software\\Plume\\dev\\" + vm_id;
  HKEY opened;
  if (RegCreateKeyExW(HKEY_CURRENT_USER, Wide(key), 0, nullptr, 0, KEY_READ, nullptr, &opened, nullptr)) {
    return Error{Errc::kInternal, "creating HKCU\\" + ToUtf8(key) + " failed"};
  }
  RegCloseKey(opened);

  flatbuffers::FlatBufferBuilder b;
  auto text = [&](const std::u16string& s) {
    return b.CreateVector(reinterpret_cast<const uint16_t*>(s.data()), s.size());
  };
  auto rule = [&](const std::u16string& prefix, uint8_t mode) {
    return wire::CreateRule(b, text(prefix), mode, b.CreateString("plume-vmrun"));
  };
  std::vector<flatbuffers::Offset<wire::Rule>> files = {rule(u"", options.mode), rule(folder, 3)};
  const std::u16string user_path = u"U" + user.substr(std::u16string_view(u"\\REGISTRY\\USER").size());
  std::vector<flatbuffers::Offset<wire::Rule>> keys = {rule(u"", options.mode),
                                                       rule(user_path + u"\\Software\\Plume", 3)};
  std::vector<flatbuffers::Offset<wire::Layer>> layers;
  if (!options.catalog.empty()) {
    ASSIGN(const std::vector<uint8_t> bytes, ReadFileBytes(options.catalog));
    // A developer's own file: not verified.
    std::vector<flatbuffers::Offset<wire::Mount>> mounts;
    for (const auto* root : *plume::catalog::GetCatalog(bytes.data())->roots()) {
      const std::string name = root->name()->str();
      const std::u16string wide(name.begin(), name.end());
      const std::u16string prefix = !root->registry() ? wide + u":" : name == "CU" ? user_path : wide;
      const std::u16string place =
          root->registry() ? user + u"\\" + key + u"i\\" + wide : u"\\??\\" + folder + u"\\image\\" + wide;
      mounts.push_back(wire::CreateMount(b, text(prefix), root->index(), root->registry(), text(place)));
    }
    layers.push_back(wire::CreateLayer(b, 0, text(u"\\??\\" + options.catalog), b.CreateVector(mounts),
                                       b.CreateString("plume-vmrun")));
  }
  const bool wine = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr;
  std::vector<flatbuffers::Offset<wire::NameRule>> objects;
  for (const plume::view::SystemObject& o : plume::view::kSystemObjects) {
    if (o.platform == (wine ? plume::view::Platform::kWindows : plume::view::Platform::kWine)) continue;
    objects.push_back(wire::CreateNameRule(b, text(std::u16string(o.pattern)), 1, b.CreateString(o.why)));
  }
  // A developer's VM: devices are open.
  std::vector<flatbuffers::Offset<wire::NameRule>> devices = {
      wire::CreateNameRule(b, text(u"*"), 1, b.CreateString("plume-vmrun"))};
  std::vector<flatbuffers::Offset<wire::NameRule>> windows;
  for (const plume::view::SystemWindow& w : plume::view::kSystemWindows)
    windows.push_back(
        wire::CreateNameRule(b, text(std::u16string(w.window_class)), 0, b.CreateString(w.why)));
  const auto view = wire::CreateView(
      b, 1, text(vm_id), text(vm_id), text(u"\\??\\" + folder + u"\\upper"),
      text(u"\\??\\" + folder + u"\\scratch"), text(u"\\??\\" + folder + u"\\index.plx"),
      text(user + u"\\" + key), text(user), text(u"\\??\\pipe\\plume-vmrun"), text(JobNtName(vm_id)),
      text(u"\\??\\" + layer), text(u"\\??\\" + layer), b.CreateVector(layers), b.CreateVector(files),
      b.CreateVector(keys), b.CreateVector(objects), b.CreateVector(devices), b.CreateVector(windows), false,
      0, 0, text(u"\\??\\" + folder + u"\\trace"));
  wire::FinishViewBuffer(b, view);
  return WriteFileBytes(folder + u"\\view.plv", b.GetBufferPointer(), b.GetSize());
}

plume::os::Path TraceFile(const std::u16string& folder) {
  return plume::os::Path(Wide(folder + u"\\trace\\1.plt"));
}

Status BeginTrace(const std::u16string& folder) {
  plume::trace::Recording recording;
  recording.session = 1;
  recording.keep_first = true;
  return plume::trace::BeginRecording(TraceFile(folder), recording);
}

Status EndTrace(const std::u16string& folder) {
  ASSIGN(const std::vector<uint8_t> bytes, ReadFileBytes(folder + u"\\trace\\1.plt"));
  ASSIGN(plume::trace::Reader reader, plume::trace::Reader::Open(bytes.data(), bytes.size()));
  std::string text;
  for (const plume::trace::Call& call : reader.Read(true)) text += plume::trace::Line(call) + "\n";
  return WriteFileBytes(folder + u"\\trace.txt", reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

bool Parse(int argc, wchar_t** argv, Options* o) {
  for (int i = 1; i < argc; ++i) {
    const std::wstring a = argv[i];
    const bool more = i + 1 < argc;
    if (a == L"--") {
      o->program.assign(argv + i + 1, argv + argc);
      break;
    }
    if (a == L"--trace") {
      o->trace = true;
    } else if (a == L"--time") {
      o->time = true;
    } else if (a == L"--view" && more) {
      o->view = FullPath(U16(argv[++i]));
    } else if (a == L"--dir" && more) {
      o->folder = FullPath(U16(argv[++i]));
    } else if (a == L"--catalog" && more) {
      o->catalog = FullPath(U16(argv[++i]));
    } else if (a == L"--real" && more) {
      o->real = FullPath(U16(argv[++i]));
    } else if (a == L"--cwd" && more) {
      o->directory = U16(argv[++i]);
    } else if (a == L"--default" && more) {
      const std::wstring mode = argv[++i];
      if (mode != L"merge" && mode != L"host") return false;
      o->mode = mode == L"host" ? 1 : 0;
    } else {
      return false;
    }
  }
  return !o->program.empty() && o->view.empty() != o->folder.empty() && !(o->trace && o->folder.empty());
}

// One argument as CommandLineToArgvW reads it.
std::wstring Quote(const std::wstring& a) {
  if (!a.empty() && a.find_first_of(L" \t\"") == std::wstring::npos) return a;
  std::wstring out = L"\"";
  size_t slashes = 0;
  for (wchar_t c : a) {
    if (c == L'\\') {
      ++slashes;
      continue;
    }
    out.append(c == L'"' ? slashes * 2 + 1 : slashes, L'\\');
    slashes = 0;
    out += c;
  }
  out.append(slashes * 2, L'\\');
  return out + L"\"";
}

plume::Result<uint32_t> Run(Options o) {
  wchar_t self[4096];
  GetModuleFileNameW(nullptr, self, 4096);
  std::u16string layer = U16(self);
  layer = layer.substr(0, layer.rfind(u'\\') + 1) + u"plume-vl64.dll";
  plume::vl::LaunchSpec spec;
  if (!o.folder.empty()) {
    TRY(MakeVm(o, layer));
    o.view = o.folder + u"\\view.plv";
  }
  spec.job = OpenJob(o.view);
  spec.view_path = o.view;
  spec.layer64 = layer;
  spec.directory = o.directory;
  spec.real_exe = o.real;
  spec.virtual_exe = U16(o.program[0].c_str());
  wchar_t found[4096];
  if (o.real.empty()) {
    if (!SearchPathW(nullptr, o.program[0].c_str(), L".exe", 4096, found, nullptr)) {
      return Error{Errc::kNotFound, "starting " + ToUtf8(spec.virtual_exe) + " failed: no such program"};
    }
    spec.virtual_exe = FullPath(U16(found));
  }
  std::wstring command;
  for (const std::wstring& a : o.program) command += (command.empty() ? L"" : L" ") + Quote(a);
  spec.command_line = U16(command.c_str());
  if (o.trace) TRY(BeginTrace(o.folder));
  ASSIGN(const plume::vl::LaunchedProcess p, LaunchGuest(spec));
  if (o.time) std::fprintf(stderr, "create %.2f ms, inject %.2f ms\n", p.create_ms, p.inject_ms);
  WaitForSingleObject(p.process, INFINITE);
  DWORD code = 1;
  GetExitCodeProcess(p.process, &code);
  CloseHandle(p.thread);
  CloseHandle(p.process);
  if (o.trace) TRY(EndTrace(o.folder));
  return static_cast<uint32_t>(code);
}

}  // namespace

int main() {
  int argc = 0;
  wchar_t** argv = CommandLineToArgvW(GetCommandLineW(), &argc);
  Options options;
  if (!argv || !Parse(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: plume-vmrun (--view PATH | --dir FOLDER [--catalog FILE] [--default merge|host]) "
                 "[--real FILE] "
                 "[--cwd FOLDER]\n"
                 "                   [--trace] [--time] -- PROGRAM [ARGS...]\n");
    return 2;
  }
  const auto code = Run(options);
  if (!code.ok()) {
    std::fprintf(stderr, "plume-vmrun: %s\n", code.error().message.c_str());
    return 125;
  }
  return static_cast<int>(*code);
}
