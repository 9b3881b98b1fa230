// plume doctor: what on this machine would keep Plume from working, and the remedy.
#include <windows.h>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "cli/command.h"
#include "os/file.h"
#include "os/random.h"
#include "vl/inject/hosted.h"

namespace plume::cli {
namespace {

using agent::Handle;
using agent::Json;

struct Check {
  std::string what;
  bool good = false;
  std::string detail, remedy;
};

// Does to a process that never runs what is done to every guest: tells whether this system's stubs are known.
Check CheckLayer() {
  Check check{"virtualization layer", false, "",
              "report this system's version: Plume has to learn its system calls"};
  const std::u16string dll = agent::ProgramFolder() + u"\\plume-vl64.dll";
  const auto layer = os::ReadFile(os::SystemFiles(), agent::HostPath(dll), 64u << 20);
  if (!layer.ok()) {
    check.detail = layer.error().message;
    check.remedy = "reinstall Plume";
    return check;
  }
  std::wstring exe(32768, 0);
  exe.resize(GetModuleFileNameW(nullptr, exe.data(), static_cast<DWORD>(exe.size())));
  STARTUPINFOW startup = {};
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION info = {};
  if (!CreateProcessW(exe.c_str(), nullptr, nullptr, nullptr, FALSE, CREATE_SUSPENDED | CREATE_NO_WINDOW,
                      nullptr, nullptr, &startup, &info)) {
    check.detail = agent::WindowsError("starting a process", GetLastError()).message;
    return check;
  }
  const Handle process(info.hProcess), thread(info.hThread);
  vl::InjectRequest request;
  request.layer = *layer;
  request.view_path = u"\\??\\C:\\plume-doctor";
  const std::u16string name = agent::FromWide(exe);
  request.exe = name;
  request.volumes = vl::HostedVolumes();
  request.ntdll = vl::HostedNtdll();
  const vl::InjectResult injected = vl::Inject(vl::HostedFunctions(), process.get(), request);
  check.good = injected.ok();
  check.detail =
      injected.ok() ? "every system call it replaces is known here" : vl::DescribeInjectError(injected);
  TerminateProcess(process.get(), 0);
  return check;
}

Check CheckState(Context& context) {
  Check check{"state folder", false, "", "set PLUME_HOME to a folder that you may write"};
  const auto state = context.State();
  if (!state.ok()) {
    check.detail = state.error().message;
    return check;
  }
  os::FileSystem& files = os::SystemFiles();
  const os::Path root(agent::Wide(state->root()));
  const os::Path probe = root / ("doctor-" + os::RandomHex(4));
  Status done = files.MakeDirectories(root);
  if (done.ok()) done = os::WriteAtomic(files, probe, std::string_view("x"));
  if (done.ok()) done = files.Remove(probe);
  if (!done.ok()) {
    check.detail = done.error().message;
    return check;
  }
  const auto free = files.FreeSpace(root);
  check.good = !free.ok() || *free >= (200u << 20);
  check.detail = ToUtf8(state->root()) + (free.ok() ? ", " + SizeText(*free) + " free" : "");
  if (!check.good) check.remedy = "free some space: applications need room for their files";
  return check;
}

Check CheckSystem() {
  using GetVersion = LONG(WINAPI*)(OSVERSIONINFOW*);
  OSVERSIONINFOW info = {};
  info.dwOSVersionInfoSize = sizeof(info);
  const auto get = reinterpret_cast<GetVersion>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "RtlGetVersion")));
  if (get != nullptr) get(&info);
  return {"system", info.dwMajorVersion >= 10, agent::SystemVersionText(),
          "Windows 10 or later is needed; a Wine prefix is made one with `winecfg -v win10`"};
}

Check CheckAgent(Context& context) {
  const auto status = context.Ask("agent.status");
  if (!status.ok()) return {"agent", false, status.error().message, "see agent.log in the state folder"};
  return {"agent", true, "process " + std::to_string(NumberField(*status, "pid")), ""};
}

}  // namespace

void AddDoctor(CLI::App& app, Context& context) {
  auto json = std::make_shared<bool>(false);
  CLI::App* c =
      AddCommand(app, context, "doctor", "Find what on this machine would keep Plume from working",
                 "plume doctor", [json, &context]() -> Result<int> {
                   const std::vector<Check> checks = {CheckSystem(), CheckState(context), CheckLayer(),
                                                      CheckAgent(context)};
                   Json rows = Json::array();
                   int bad = 0;
                   for (const Check& check : checks) {
                     rows.push_back({{"check", check.what},
                                     {"ok", check.good},
                                     {"detail", check.detail},
                                     {"remedy", check.good ? "" : check.remedy}});
                     bad += !check.good;
                   }
                   (void)Show(*json, rows, [](const Json& all) {
                     for (const Json& r : all) {
                       PrintLine((r["ok"].get<bool>() ? "ok       " : "problem  ") + Field(r, "check") +
                                 ": " + Field(r, "detail"));
                       if (!r["ok"].get<bool>()) PrintLine("         " + Field(r, "remedy"));
                     }
                   });
                   if (bad == 0) return 0;
                   return Error{Errc::kUnsupported, "checking this machine failed: " + std::to_string(bad) +
                                                        " problems found (see above)"};
                 });
  c->add_flag("--json", *json, "Print JSON");
}

}  // namespace plume::cli
