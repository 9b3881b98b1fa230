// thread_check COUNT CALLERS: every one of COUNT threads of each caller runs, and ends, while others are
// started.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "agent/win/handle.h"
#include "agent/win/thread.h"

using plume::agent::Handle;
using plume::agent::StartThread;

namespace {

constexpr DWORD kPatienceMs = 30000;
volatile LONG g_ran, g_lost, g_refused, g_callers;

void StartMany(int count) {
  for (int i = 0; i < count; ++i) {
    const auto event = std::make_shared<Handle>(CreateEventW(nullptr, TRUE, FALSE, nullptr));
    if (!StartThread([event] {
          InterlockedIncrement(&g_ran);
          SetEvent(event->get());
        })) {
      InterlockedIncrement(&g_refused);
    } else if (WaitForSingleObject(event->get(), kPatienceMs) != WAIT_OBJECT_0) {
      InterlockedIncrement(&g_lost);
    }
  }
  InterlockedDecrement(&g_callers);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int count = std::atoi(argv[1]), callers = std::atoi(argv[2]);
  g_callers = callers;
  for (int i = 0; i < callers; ++i)
    if (!StartThread([count] { StartMany(count); })) return 1;
  while (g_callers > 0) Sleep(10);
  std::printf("%ld of %d ran, %ld lost, %ld refused\n", g_ran, count * callers, g_lost, g_refused);
  return g_ran == count * callers && g_lost == 0 && g_refused == 0 ? 0 : 1;
}
