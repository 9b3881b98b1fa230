// Threads that nobody waits for.
#pragma once
#include <functional>

namespace plume::agent {

// Runs `work` on a thread of its own; any thread may call it. False if the system has none to give: then
// `work` was neither run nor kept. `work` must not throw.
//
// Not std::thread(...).detach(): a thread of winpthreads (mingw 10) that ends while it is being detached
// gives its record back twice; two later threads then share one, and one of the two never runs.
[[nodiscard]] bool StartThread(std::function<void()> work);

}  // namespace plume::agent
