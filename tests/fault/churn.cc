// VMs created, entered and deleted as fast as they come: test_churn.sh.
//   churn --count N --seconds S --threads T --program EXE
// Each cycle makes a VM, runs EXE in it to its end, and deletes it; bare starts of EXE lie between. Prints
// one line of JSON: cycles, and of each step the median and the 99th percentile in milliseconds.
#include <windows.h>
#include <winternl.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../bench/vm_start.h"

extern "C" {
NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);
}

namespace {

using plume::Result;
using plume::Status;
using plume::agent::Client;
using plume::agent::Handle;
using plume::agent::Json;
using plume::agent::ToUtf16;
using plume::bench::NowMillis;
using plume::bench::Wrong;

constexpr DWORD kExpected = 7;

struct Samples {
  std::vector<double> bare, create, enter, run, remove;
};

double At(std::vector<double>& all, double part) {
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  return all[std::min(all.size() - 1, static_cast<size_t>(part * static_cast<double>(all.size())))];
}

Json Figures(std::vector<double> all) {
  return Json{{"p50", At(all, 0.5)}, {"p99", At(all, 0.99)}, {"max", At(all, 1)}, {"n", all.size()}};
}

Status Bare(const std::wstring& program, Samples* samples) {
  const double begin = NowMillis();
  ASSIGN(const Handle process, plume::bench::StartOutside(program, L"\"" + program + L"\"", {}));
  WaitForSingleObject(process.get(), INFINITE);
  samples->bare.push_back(NowMillis() - begin);
  return plume::Ok();
}

Status Cycle(Client& client, const std::string& name, const std::u16string& program, Samples* samples) {
  double begin = NowMillis();
  TRY(client.Call("vm.create", {{"name", name}}));
  samples->create.push_back(NowMillis() - begin);
  begin = NowMillis();
  ASSIGN(const Json prepared, client.Call("vm.prepare", {{"name", name}}));
  plume::vl::LaunchSpec spec;
  spec.virtual_exe = program;
  {
    ASSIGN(const plume::vl::LaunchedProcess guest, plume::bench::Enter(prepared, spec));
    const Handle process(guest.process), thread(guest.thread);
    samples->enter.push_back(NowMillis() - begin);
    WaitForSingleObject(process.get(), INFINITE);
    DWORD code = 0;
    GetExitCodeProcess(process.get(), &code);
    samples->run.push_back(NowMillis() - begin);
    if (code != kExpected) return Wrong("running the guest (exit code " + std::to_string(code) + ")");
  }
  TRY(client.Call("vm.release", {{"id", prepared["id"]}}));
  begin = NowMillis();
  TRY(client.Call("vm.delete", {{"name", name}}));
  samples->remove.push_back(NowMillis() - begin);
  return plume::Ok();
}

// Named objects of VMs that are still there.
int LeftObjects() {
  const std::u16string directory = plume::agent::ObjectsDirectory();
  UNICODE_STRING text;
  RtlInitUnicodeString(&text, reinterpret_cast<const wchar_t*>(directory.c_str()));
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &text, OBJ_CASE_INSENSITIVE, nullptr, nullptr);
  HANDLE handle = nullptr;
  if (NtOpenDirectoryObject(&handle, 1 /* DIRECTORY_QUERY */, &attributes) < 0) return -1;
  int found = 0;
  ULONG context = 0, size = 0;
  alignas(8) char buffer[4096];
  while (NtQueryDirectoryObject(handle, buffer, sizeof(buffer), TRUE, FALSE, &context, &size) >= 0) {
    const auto* name = reinterpret_cast<const UNICODE_STRING*>(buffer);
    if (std::wstring_view(name->Buffer, name->Length / 2).starts_with(L"PlumeVm-")) ++found;
  }
  CloseHandle(handle);
  return found;
}

// Wine's server lets go of a process, and so of its job, a while after its end.
int LeftObjectsAtRest() {
  int left = LeftObjects();
  for (int i = 0; left != 0 && i < 100; ++i, left = LeftObjects()) Sleep(100);
  return left;
}

// Of the agent, from the system's table: Wine answers GetProcessHandleCount with 0.
uint64_t AgentHandles(Client& client) {
  const auto status = client.Call("agent.status", Json::object());
  if (!status.ok()) return 0;
  const auto pid = (*status)["pid"].get<ULONG_PTR>();
  constexpr auto kSystemExtendedHandleInformation = static_cast<SYSTEM_INFORMATION_CLASS>(64);
  struct Row {
    void* object;
    ULONG_PTR process, handle;
    ULONG access;
    USHORT trace, type;
    ULONG attributes, reserved;
  };
  struct Table {
    ULONG_PTR count, reserved;
    Row rows[1];
  };
  std::vector<uint64_t> buffer(1u << 17);
  for (;;) {
    ULONG size = 0;
    const NTSTATUS answer = NtQuerySystemInformation(kSystemExtendedHandleInformation, buffer.data(),
                                                     static_cast<ULONG>(buffer.size() * 8), &size);
    if (answer >= 0) break;
    if (buffer.size() > (64u << 17)) return 0;
    buffer.resize(buffer.size() * 2);
  }
  const auto* table = reinterpret_cast<const Table*>(buffer.data());
  return static_cast<uint64_t>(
      std::count_if(table->rows, table->rows + table->count, [&](const Row& r) { return r.process == pid; }));
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t count = 100;
  double seconds = 60;
  int threads = 2;
  std::string program;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--count") count = std::stoull(value);
    if (option == "--seconds") seconds = std::stod(value);
    if (option == "--threads") threads = std::stoi(value);
    if (option == "--program") program = value;
  }
  const auto state = plume::agent::FindState();
  if (!state.ok()) return 1;
  const std::u16string exe = ToUtf16(program);
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  Samples all;
  std::string failure;
  const double end = NowMillis() + seconds * 1000;
  Client control(*state);
  const uint64_t handles_before = AgentHandles(control);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      Client client(*state);
      Samples mine;
      Status done;
      while (done.ok() && NowMillis() < end) {
        const uint64_t i = next++;
        if (i >= count) break;
        if (i % 10 == 0) done = Bare(plume::agent::Wide(exe), &mine);
        if (done.ok()) done = Cycle(client, "churn-" + std::to_string(i), exe, &mine);
      }
      const std::lock_guard lock(mutex);
      if (!done.ok()) {
        failure = done.error().message;
        next = count;
      }
      const auto add = [](std::vector<double>& to, const std::vector<double>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      add(all.bare, mine.bare);
      add(all.create, mine.create);
      add(all.enter, mine.enter);
      add(all.run, mine.run);
      add(all.remove, mine.remove);
    });
  }
  for (std::thread& worker : workers) worker.join();
  const Json out{{"cycles", all.remove.size()},
                 {"failure", failure},
                 {"bare", Figures(all.bare)},
                 {"create", Figures(all.create)},
                 {"enter", Figures(all.enter)},
                 {"run", Figures(all.run)},
                 {"delete", Figures(all.remove)},
                 {"objects_left", LeftObjectsAtRest()},
                 {"agent_handles", {handles_before, AgentHandles(control)}}};
  std::printf("%s\n", out.dump().c_str());
  return failure.empty() ? 0 : 1;
}
