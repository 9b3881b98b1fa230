#include "cache/settle.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>

namespace plume::cache {
namespace {

// Windows flushes only through handles that may write, and those would keep guests from opening the file.
// There the system's own lazy writer is waited for, which takes seconds, not minutes.
constexpr int64_t kLazyWriterMicros = 120'000'000;
constexpr int64_t kMicrosPerSecond = 1'000'000;
// The start of the system is known as well as its clock is; a restart takes longer than this.
constexpr int64_t kSameRunSeconds = 5;

int64_t SystemStartSeconds(os::Clock& clock) {
  return os::UnixSecondsFromFiletime(clock.NowFiletime()) - clock.MonotonicMicros() / kMicrosPerSecond;
}

std::optional<int64_t> ParseNumber(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "<64 hex digits>-<entry>"
std::optional<Settler::Marker> ParseName(const std::string& name) {
  if (name.size() < 66 || name[64] != '-') return std::nullopt;
  const auto entry = ParseNumber(name.substr(65));
  if (!entry || *entry < 0 || *entry > 0xffffffff) return std::nullopt;
  return Settler::Marker{"sha256:" + name.substr(0, 64), static_cast<uint32_t>(*entry)};
}

}  // namespace

Settler::Settler(os::FileSystem& files, os::Clock& clock, os::Path folder)
    : files_(files),
      clock_(clock),
      folder_(std::move(folder)),
      system_run_(std::to_string(SystemStartSeconds(clock))) {}

Settler::~Settler() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

os::Path Settler::PathOf(const Marker& marker) const {
  return folder_ / (marker.digest.substr(7) + "-" + std::to_string(marker.entry));
}

Status Settler::Recover(const std::function<void(const Marker&)>& check,
                        const std::function<os::Path(const Marker&)>& path_of) {
  TRY(files_.MakeDirectories(folder_));
  ASSIGN(const auto entries, files_.List(folder_));
  for (const os::DirectoryEntry& entry : entries) {
    const auto marker = ParseName(os::Utf8(entry.name));
    const os::Path path = folder_ / entry.name;
    // A marker that lost its own bytes is one of a system that went down.
    const auto text = os::ReadText(files_, path, 64);
    const auto made = text.ok() ? ParseNumber(*text) : std::nullopt;
    const bool same_run = made && std::llabs(*made - SystemStartSeconds(clock_)) <= kSameRunSeconds;
    if (marker && same_run) {
      Settle(*marker, path_of(*marker));
      continue;
    }
    if (marker) check(*marker);
    TRY(files_.Remove(path));
  }
  return Ok();
}

Status Settler::Mark(const Marker& marker) {
  ASSIGN(auto file, files_.Open(PathOf(marker), os::OpenMode::kTruncate));
  TRY(file->WriteAt(0, {reinterpret_cast<const uint8_t*>(system_run_.data()), system_run_.size()}));
  return file->Close();
}

void Settler::Settle(const Marker& marker, os::Path path) {
  std::lock_guard hold(mutex_);
  fresh_.push_back(Item{PathOf(marker), std::move(path), 0});
  if (!thread_.joinable() && !stop_) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void Settler::Run() {
  std::unique_lock hold(mutex_);
  while (!stop_) {
    if (!fresh_.empty()) {
      Item item = std::move(fresh_.front());
      fresh_.pop_front();
      hold.unlock();
      auto file = files_.Open(item.path, os::OpenMode::kRead);
      // Gone, for instance with its image: nothing to lose.
      const bool settled = file.ok() ? (*file)->Flush().ok() : file.error().code == Errc::kNotFound;
      if (settled) (void)files_.Remove(item.marker);
      hold.lock();
      item.due = clock_.MonotonicMicros() + kLazyWriterMicros;
      if (!settled) waiting_.push_back(std::move(item));
    } else if (waiting_.empty()) {
      wake_.wait(hold);
    } else if (const int64_t left = waiting_.front().due - clock_.MonotonicMicros(); left > 0) {
      wake_.wait_for(hold, std::chrono::microseconds(left));
    } else {
      const os::Path marker = std::move(waiting_.front().marker);
      waiting_.pop_front();
      hold.unlock();
      (void)files_.Remove(marker);
      hold.lock();
    }
  }
}

}  // namespace plume::cache
