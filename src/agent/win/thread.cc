#include "agent/win/thread.h"

#include <memory>
#include <utility>

#include "agent/win/handle.h"

namespace plume::agent {
namespace {

DWORD WINAPI Run(void* work) {
  const std::unique_ptr<std::function<void()>> mine(static_cast<std::function<void()>*>(work));
  (*mine)();
  return 0;
}

}  // namespace

bool StartThread(std::function<void()> work) {
  auto kept = std::make_unique<std::function<void()>>(std::move(work));
  const Handle thread(CreateThread(nullptr, 0, Run, kept.get(), 0, nullptr));
  if (!thread) return false;
  (void)kept.release();  // the thread's now
  return true;
}

}  // namespace plume::agent
