#include "os/lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/test_folder.h"

namespace plume::os {
namespace {

using testing::TestFolder;

TEST(Lock, ExcludesAlsoWithinTheProcess) {
  TestFolder folder;
  Result<FileLock> first = FileLock::Acquire(folder / "x/lock", FileLock::Mode::kExclusive, 0);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(FileLock::Acquire(folder / "x/lock", FileLock::Mode::kExclusive, 20).error().code, Errc::kBusy);
  EXPECT_EQ(FileLock::Acquire(folder / "x/lock", FileLock::Mode::kShared, 0).error().code, Errc::kBusy);
  { const FileLock released = std::move(*first); }
  EXPECT_TRUE(FileLock::Acquire(folder / "x/lock", FileLock::Mode::kExclusive, 0).ok());
}

TEST(Lock, IsSharedByReaders) {
  TestFolder folder;
  const auto one = FileLock::Acquire(folder / "lock", FileLock::Mode::kShared, 0);
  const auto two = FileLock::Acquire(folder / "lock", FileLock::Mode::kShared, 0);
  EXPECT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(FileLock::Acquire(folder / "lock", FileLock::Mode::kExclusive, 0).error().code, Errc::kBusy);
}

TEST(Lock, DiesWithItsHolder) {
  TestFolder folder;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto held = FileLock::Acquire(folder / "lock", FileLock::Mode::kExclusive, 0);
    (void)!write(ready[1], held.ok() ? "y" : "n", 1);
    for (;;) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(FileLock::Acquire(folder / "lock", FileLock::Mode::kExclusive, 10).error().code, Errc::kBusy);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::Acquire(folder / "lock", FileLock::Mode::kExclusive, 1000).ok());
}

}  // namespace
}  // namespace plume::os
