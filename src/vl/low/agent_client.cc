#include "vl/low/agent_client.h"

#include <cstring>

#include "vl/low/fail.h"
#include "vl/low/hooks.h"
#include "vl/low/memory.h"
#include "wire/messages.h"

namespace plume::vl {
namespace {

constexpr int64_t kTicksPerMs = 10000;
constexpr int64_t kPatienceSeconds = 15;

nt::NtStatus OpenPipe(view::WView name, nt::Handle* pipe) {
  nt::UnicodeString text{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                         const_cast<char16_t*>(name.data())};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  return orig.NtOpenFile(pipe, nt::kGenericRead | nt::kGenericWrite | nt::kSynchronize, &attributes, &io,
                         nt::kShareAll, nt::kSynchronousNonAlert | nt::kNonDirectoryFile);
}

nt::NtStatus Exchange(nt::Handle pipe, const wire::Request& request, wire::Reply* reply) {
  nt::IoStatusBlock io{};
  nt::NtStatus s =
      orig.NtWriteFile(pipe, nullptr, nullptr, nullptr, &io, &request, sizeof(request), nullptr, nullptr);
  if (!nt::Ok(s)) return s;
  uint32_t got = 0;
  while (got < sizeof(*reply)) {
    io = {};
    s = orig.NtReadFile(pipe, nullptr, nullptr, nullptr, &io, reinterpret_cast<uint8_t*>(reply) + got,
                        static_cast<nt::Ulong>(sizeof(*reply) - got), nullptr, nullptr);
    if (!nt::Ok(s)) return s;
    if (io.information == 0) return nt::kPipeDisconnected;
    got += static_cast<uint32_t>(io.information);
  }
  return reply->magic == wire::kMagic ? nt::kSuccess : nt::kInternalError;
}

}  // namespace

nt::NtStatus Hydrate(const VlState& vl, uint16_t layer, uint32_t entry) {
  if (layer >= vl.layer_id.size()) return nt::kInternalError;
  wire::Request request{};
  request.magic = wire::kMagic;
  request.op = wire::Op::kHydrate;
  request.layer = vl.layer_id[layer];
  request.entry = entry;
  request.pid = vl.pid;
  const size_t units = vl.vm_id.size() < 63 ? vl.vm_id.size() : 63;
  std::memcpy(request.vm_id, vl.vm_id.data(), units * 2);

  // The performance counter, not the wall clock: a clock change must not end or prolong the wait.
  nt::LargeInteger start = 0, now = 0, frequency = 0;
  orig.NtQueryPerformanceCounter(&start, &frequency);
  nt::NtStatus s = nt::kUnsuccessful;
  for (;;) {
    nt::Handle pipe = nullptr;
    s = OpenPipe(vl.agent_pipe, &pipe);
    if (nt::Ok(s)) {
      wire::Reply reply{};
      s = Exchange(pipe, request, &reply);
      orig.NtClose(pipe);
      if (nt::Ok(s)) return static_cast<nt::NtStatus>(reply.status);
    }
    // Absent, busy, broken in the middle: the agent is starting, restarting or has no free instance for a
    // moment.
    orig.NtQueryPerformanceCounter(&now, nullptr);
    if (frequency <= 0 || now - start >= kPatienceSeconds * frequency) break;
    const int64_t interval = (s == nt::kPipeNotAvailable || s == nt::kPipeBusy ? -2 : -50) * kTicksPerMs;
    orig.NtDelayExecution(0, &interval);
  }
  Log("the agent does not answer; hydrating failed", s, vl.agent_pipe);
  return nt::kFileIsOffline;
}

}  // namespace plume::vl
