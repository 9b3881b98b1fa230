// Fault injection for tests and `tests/fault`: wrappers that behave like the real thing until a planned
// fault.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "os/file.h"
#include "os/http.h"

namespace plume::os {

// Decides for each step ("open", "write", "flush", "rename", "remove", "link", "mkdir", "read", "list",
// "attributes", "close", "connect", "send", "receive") whether it fails. Thread-safe.
class FaultPlan {
 public:
  static constexpr uint64_t kNever = ~0ull;
  // The `nth` step (from 0) fails with `error`; `sticky`: and every one after it, as if the process had died
  // there.
  explicit FaultPlan(uint64_t nth = kNever, Errc error = Errc::kNoSpace, bool sticky = true)
      : nth_(nth), error_(error), sticky_(sticky) {}
  Status Step(const char* kind, const std::string& what);
  uint64_t steps() const { return next_.load(); }
  // Called instead of failing, e.g. to kill the process; default none.
  std::function<void(const char* kind, const std::string& what)> on_fault;

 private:
  std::atomic<uint64_t> next_{0};
  uint64_t nth_;
  Errc error_;
  bool sticky_;
};

// `inner` and `plan` must outlive the result. A write that fails leaves half of its bytes written.
std::unique_ptr<FileSystem> MakeFaultyFiles(FileSystem& inner, FaultPlan& plan);
// A receive fault cuts the body in the middle of a piece.
std::shared_ptr<HttpClient> MakeFaultyHttp(std::shared_ptr<HttpClient> inner, FaultPlan& plan);

}  // namespace plume::os
