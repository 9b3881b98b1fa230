#include "agent/win/pipe.h"

#include <sddl.h>

#include <memory>
#include <utility>

#include "agent/text.h"
#include "agent/win/thread.h"

namespace plume::agent {
namespace {

// One instance of the pipe; `first` refuses a name that somebody else holds already.
Handle CreateInstance(const std::u16string& name, const std::u16string& user_sid, bool first) {
  const std::wstring sddl = L"D:P(A;;GA;;;" + Wide(user_sid) + L")(A;;GA;;;SY)";
  SECURITY_ATTRIBUTES attributes = {sizeof(attributes), nullptr, FALSE};
  ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl.c_str(), SDDL_REVISION_1,
                                                       &attributes.lpSecurityDescriptor, nullptr);
  Handle pipe(CreateNamedPipeW(
      Wide(name).c_str(), PIPE_ACCESS_DUPLEX | (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, PIPE_UNLIMITED_INSTANCES,
      65536, 65536, 0, attributes.lpSecurityDescriptor ? &attributes : nullptr));
  const DWORD error = GetLastError();
  LocalFree(attributes.lpSecurityDescriptor);
  SetLastError(error);
  return pipe;
}

void AcceptForever(const std::u16string& name, const std::u16string& user_sid, Handle instance,
                   const std::shared_ptr<std::function<void(Handle)>>& serve) {
  for (;;) {
    if (!instance) instance = CreateInstance(name, user_sid, false);
    if (!instance) {
      Sleep(50);  // out of memory or handles: the clients already served will give some back
      continue;
    }
    if (!ConnectNamedPipe(instance.get(), nullptr) && GetLastError() != ERROR_PIPE_CONNECTED) {
      instance = Handle();
      continue;
    }
    auto client = std::make_shared<Handle>(std::exchange(instance, Handle()));
    if (!StartThread([client, serve] { (*serve)(std::move(*client)); })) {
      client.reset();  // sees a broken pipe and tries again
      Sleep(50);
    }
  }
}

}  // namespace

bool ReadExactly(HANDLE pipe, void* to, uint32_t bytes) {
  char* at = static_cast<char*>(to);
  while (bytes > 0) {
    DWORD got = 0;
    if (!ReadFile(pipe, at, bytes, &got, nullptr) || got == 0) return false;
    at += got;
    bytes -= got;
  }
  return true;
}

bool WriteExactly(HANDLE pipe, const void* from, uint32_t bytes) {
  const char* at = static_cast<const char*>(from);
  while (bytes > 0) {
    DWORD put = 0;
    if (!WriteFile(pipe, at, bytes, &put, nullptr) || put == 0) return false;
    at += put;
    bytes -= put;
  }
  return true;
}

Error Connection::Gone() const {
  if (hung_) {
    return Error{Errc::kUnreachable, "talking to plume-agent failed: process " +
                                         std::to_string(ServerProcess()) +
                                         " does not answer (plume agent stop --force ends it)"};
  }
  return Error{Errc::kUnreachable, "talking to plume-agent failed: it is gone (run the command again)"};
}

bool Connection::Finish(bool begun, OVERLAPPED* at, DWORD* moved) {
  if (!begun && GetLastError() != ERROR_IO_PENDING) return false;
  while (WaitForSingleObject(at->hEvent, patience_ms_) == WAIT_TIMEOUT) {
    if (lives_ && lives_()) continue;
    CancelIo(pipe_.get());
    if (GetOverlappedResult(pipe_.get(), at, moved, TRUE)) return *moved != 0;  // at the last moment
    hung_ = true;
    return false;
  }
  return GetOverlappedResult(pipe_.get(), at, moved, FALSE) && *moved != 0;
}

bool Connection::Read(void* to, uint32_t bytes) {
  if (patience_ms_ == 0) return ReadExactly(pipe_.get(), to, bytes);
  const Handle event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  for (char* place = static_cast<char*>(to); bytes > 0;) {
    OVERLAPPED at = {};
    at.hEvent = event.get();
    DWORD got = 0;
    if (!Finish(ReadFile(pipe_.get(), place, bytes, nullptr, &at), &at, &got)) return false;
    place += got;
    bytes -= got;
  }
  return true;
}

bool Connection::Write(const void* from, uint32_t bytes) {
  if (patience_ms_ == 0) return WriteExactly(pipe_.get(), from, bytes);
  const Handle event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  for (const char* place = static_cast<const char*>(from); bytes > 0;) {
    OVERLAPPED at = {};
    at.hEvent = event.get();
    DWORD put = 0;
    if (!Finish(WriteFile(pipe_.get(), place, bytes, nullptr, &at), &at, &put)) return false;
    place += put;
    bytes -= put;
  }
  return true;
}

Status Connection::Send(const Json& message) {
  const std::string frame = EncodeFrame(message);
  if (Write(frame.data(), static_cast<uint32_t>(frame.size()))) return Ok();
  broken_ = true;
  return Gone();
}

Result<std::string> Connection::Receive(uint32_t limit) {
  uint8_t header[4];
  broken_ = !Read(header, sizeof(header));
  if (broken_) return Gone();
  ASSIGN(const uint32_t size, DecodeHeader(header, limit));
  std::string payload(size, 0);
  broken_ = !Read(payload.data(), size);
  if (broken_) return Gone();
  return payload;
}

Result<Json> Connection::Call(std::string_view verb, Json args,
                              const std::function<void(const Progress&)>& on_progress) {
  TRY(Send(MakeRequest(verb, std::move(args))));
  for (;;) {
    ASSIGN(const std::string payload, Receive(kMaxReplyBytes));
    bool is_progress = false;
    Progress progress;
    auto reply = ParseReply(payload, &is_progress, &progress);
    if (!is_progress) return reply;
    if (on_progress) on_progress(progress);
  }
}

uint32_t Connection::ClientProcess() const {
  ULONG pid = 0;
  return GetNamedPipeClientProcessId(pipe_.get(), &pid) ? pid : 0;
}

uint32_t Connection::ServerProcess() const {
  ULONG pid = 0;
  return GetNamedPipeServerProcessId(pipe_.get(), &pid) ? pid : 0;
}

Result<Handle> ConnectPipe(const std::u16string& name, uint32_t timeout_ms) {
  const std::wstring wide = Wide(name);
  const ULONGLONG end = GetTickCount64() + timeout_ms;
  for (;;) {
    Handle pipe(CreateFileW(wide.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                            FILE_FLAG_OVERLAPPED, nullptr));
    if (pipe) return pipe;
    const DWORD error = GetLastError();
    if (error != ERROR_PIPE_BUSY || GetTickCount64() >= end)
      return WindowsError("connecting to plume-agent", error);
    WaitNamedPipeW(wide.c_str(), 50);
  }
}

Status ServePipe(const std::u16string& name, const std::u16string& user_sid, int acceptors,
                 std::function<void(Handle)> serve) {
  Handle first = CreateInstance(name, user_sid, true);
  if (!first)
    return WindowsError("opening the pipe " + ToUtf8(name), GetLastError(),
                        "is another plume-agent running?");
  auto shared = std::make_shared<std::function<void(Handle)>>(std::move(serve));
  for (int i = 0; i < acceptors; ++i) {
    auto instance = std::make_shared<Handle>(i == 0 ? std::move(first) : Handle());
    if (!StartThread([name, user_sid, instance, shared] {
          AcceptForever(name, user_sid, std::move(*instance), shared);
        }))
      return WindowsError("serving the pipe " + ToUtf8(name), GetLastError());
  }
  return Ok();
}

}  // namespace plume::agent
