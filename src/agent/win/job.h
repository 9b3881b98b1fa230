// The job object that holds all guests of a VM. Windows.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "agent/win/handle.h"
#include "base/result.h"

namespace plume::agent {

struct ProcessInfo {
  uint32_t pid = 0;
  std::string image;  // real path of its program
};

class Job {
 public:
  // Creates the job or opens the one that still has guests of an earlier agent.
  static Result<Job> Open(const std::u16string& name);
  // Opens only an existing one; empty handle if there is none.
  static Job OpenExisting(const std::u16string& name);

  explicit operator bool() const { return static_cast<bool>(handle_); }
  HANDLE get() const { return handle_.get(); }
  uint32_t Count() const;
  std::vector<uint32_t> Processes() const;
  std::vector<ProcessInfo> Describe() const;
  bool Contains(uint32_t pid) const;
  bool Holds(HANDLE process) const;
  // Ends every guest and waits until they are gone; kBusy after `timeout_ms`.
  Status Stop(uint32_t timeout_ms);

 private:
  Handle handle_;
};

}  // namespace plume::agent
