#include "vl/low/agent_client.h"

#include <atomic>
#include <cstring>

#include "vl/low/fail.h"
#include "vl/low/hooks.h"
#include "vl/low/memory.h"
#include "wire/messages.h"

namespace plume::vl {
namespace {

constexpr int64_t kTicksPerMs = 10000;
constexpr int64_t kPatienceSeconds = 15;
constexpr nt::AccessMask kEventAllAccess = 0x1F0003;

// How long the agent may be silent. Hydrating takes its time; then a ping tells a busy agent from one that
// hangs, and a busy one is asked again, each time with more patience.
struct Patience {
  int64_t answer_ms, ping_ms;
};
constexpr Patience kAtFirst{10000, 5000}, kOnceHung{1000, 1000};
constinit std::atomic<bool> g_hung{false};

// A connection for one exchange at a time. The pipe is asynchronous, so that an agent that hangs can be left.
class Connection {
 public:
  Connection() = default;
  ~Connection() {
    if (pipe_) orig.NtClose(pipe_);
    if (event_) orig.NtClose(event_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  nt::NtStatus Open(view::WView name) {
    nt::UnicodeString text{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                           const_cast<char16_t*>(name.data())};
    nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                    nt::kObjCaseInsensitive,      nullptr, nullptr};
    constexpr nt::Ulong kSynchronizationEvent = 1;
    nt::NtStatus s = orig.NtCreateEvent(&event_, kEventAllAccess, nullptr, kSynchronizationEvent, 0);
    if (!nt::Ok(s)) return s;
    nt::IoStatusBlock io;
    return orig.NtOpenFile(&pipe_, nt::kGenericRead | nt::kGenericWrite | nt::kSynchronize, &attributes, &io,
                           nt::kShareAll, nt::kNonDirectoryFile);
  }

  nt::NtStatus Send(const wire::Request& request, int64_t patience_ms) {
    nt::IoStatusBlock io{};
    nt::NtStatus s = Wait(
        orig.NtWriteFile(pipe_, event_, nullptr, nullptr, &io, &request, sizeof(request), nullptr, nullptr),
        &io, patience_ms);
    return nt::Ok(s) && io.information != sizeof(request) ? nt::kPipeDisconnected : s;
  }

  nt::NtStatus Receive(wire::Reply* reply, int64_t patience_ms) {
    uint32_t got = 0;
    while (got < sizeof(*reply)) {
      nt::IoStatusBlock io{};
      const nt::NtStatus s =
          Wait(orig.NtReadFile(pipe_, event_, nullptr, nullptr, &io, reinterpret_cast<uint8_t*>(reply) + got,
                               static_cast<nt::Ulong>(sizeof(*reply) - got), nullptr, nullptr),
               &io, patience_ms);
      if (!nt::Ok(s)) return s;
      if (io.information == 0) return nt::kPipeDisconnected;
      got += static_cast<uint32_t>(io.information);
    }
    return reply->magic == wire::kMagic ? nt::kSuccess : nt::kInternalError;
  }

 private:
  // The end of what was begun; kIoTimeout after `patience_ms` without one.
  nt::NtStatus Wait(nt::NtStatus started, nt::IoStatusBlock* io, int64_t patience_ms) {
    if (started != nt::kPending) return started;
    const int64_t interval = -patience_ms * kTicksPerMs;
    if (orig.NtWaitForSingleObject(event_, 0, &interval) == nt::kTimeout) {
      // The buffers are the caller's until the system has let go of them.
      nt::IoStatusBlock ignored;
      orig.NtCancelIoFile(pipe_, &ignored);
      orig.NtWaitForSingleObject(event_, 0, nullptr);
    }
    return io->status == nt::kCancelled ? nt::kIoTimeout : io->status;
  }

  nt::Handle pipe_ = nullptr, event_ = nullptr;
};

bool AgentLives(view::WView name, int64_t patience_ms) {
  wire::Request ping{};
  ping.magic = wire::kMagic;
  ping.op = wire::Op::kPing;
  for (int64_t left = patience_ms; left > 0; left -= 50) {
    Connection connection;
    nt::NtStatus s = connection.Open(name);
    if (nt::Ok(s)) {
      if (s = connection.Send(ping, left); nt::Ok(s)) {
        wire::Reply reply{};
        s = connection.Receive(&reply, left);
      }
      return s != nt::kIoTimeout;  // an agent that does not know pings ends the connection, and so lives
    }
    // Every instance is taken: an agent that lives makes another one at once.
    const int64_t interval = -50 * kTicksPerMs;
    orig.NtDelayExecution(0, &interval);
  }
  return false;
}

nt::NtStatus Exchange(view::WView name, const wire::Request& request, wire::Reply* reply,
                      int64_t patience_ms) {
  Connection connection;
  nt::NtStatus s = connection.Open(name);
  if (nt::Ok(s)) s = connection.Send(request, patience_ms);
  return nt::Ok(s) ? connection.Receive(reply, patience_ms) : s;
}

// What the agent answers; kFileIsOffline if it does not.
nt::NtStatus Ask(const VlState& vl, wire::Request request) {
  request.magic = wire::kMagic;
  request.pid = vl.pid;
  const size_t units = vl.vm_id.size() < 63 ? vl.vm_id.size() : 63;
  std::memcpy(request.vm_id, vl.vm_id.data(), units * 2);

  // The performance counter, not the wall clock: a clock change must not end or prolong the wait.
  nt::LargeInteger start = 0, now = 0, frequency = 0;
  orig.NtQueryPerformanceCounter(&start, &frequency);
  nt::NtStatus s = nt::kUnsuccessful;
  Patience patience = g_hung.load(std::memory_order_relaxed) ? kOnceHung : kAtFirst;
  for (;;) {
    wire::Reply reply{};
    s = Exchange(vl.agent_pipe, request, &reply, patience.answer_ms);
    if (nt::Ok(s)) {
      g_hung.store(false, std::memory_order_relaxed);
      return static_cast<nt::NtStatus>(reply.status);
    }
    if (s == nt::kIoTimeout) {
      if (!AgentLives(vl.agent_pipe, patience.ping_ms)) {
        g_hung.store(true, std::memory_order_relaxed);
        break;
      }
      // It works at it, or has lost this one connection: asked again it goes on with what it does already.
      patience.answer_ms *= 2;
      orig.NtQueryPerformanceCounter(&start, nullptr);
      continue;
    }
    // Absent, busy, broken in the middle: the agent is starting, restarting or has no free instance for a
    // moment.
    orig.NtQueryPerformanceCounter(&now, nullptr);
    if (frequency <= 0 || now - start >= kPatienceSeconds * frequency) break;
    const int64_t interval = (s == nt::kPipeNotAvailable || s == nt::kPipeBusy ? -2 : -50) * kTicksPerMs;
    orig.NtDelayExecution(0, &interval);
  }
  Log(s == nt::kIoTimeout ? "the agent hangs" : "the agent does not answer", s, vl.agent_pipe);
  return nt::kFileIsOffline;
}

}  // namespace

nt::NtStatus Hydrate(const VlState& vl, uint16_t layer, uint32_t entry) {
  if (layer >= vl.layer_id.size()) return nt::kInternalError;
  wire::Request request{};
  request.op = wire::Op::kHydrate;
  request.layer = vl.layer_id[layer];
  request.entry = entry;
  return Ask(vl, request);
}

nt::NtStatus StartServices(const VlState& vl) {
  wire::Request request{};
  request.op = wire::Op::kServices;
  return Ask(vl, request);
}

}  // namespace plume::vl
