#include "agent/starts.h"

#include <algorithm>
#include <set>

#include "image/config.h"
#include "os/file.h"

namespace plume::agent {
namespace {

// A start has ended when nothing new was touched for this long ...
constexpr int64_t kQuietMicros = 2'000'000;
// ... or it took this long, without what it had to wait for before its first process.
constexpr int64_t kLongestMicros = 60'000'000;
constexpr size_t kMostMisses = 10'000;

double Millis(int64_t micros) { return static_cast<double>(micros / 10) / 100.0; }

}  // namespace

std::string Starts::ImageNameOf(const cache::Image& image) const {
  const auto config = image::ParseConfig(image.config_json);
  return config.ok() ? config->name : std::string();
}

os::Path Starts::ProfileFile(const std::string& image_name) const {
  std::string name = image_name;
  std::replace(name.begin(), name.end(), '/', '+');  // which no image's name has
  return profiles_ / (name + ".json");
}

image::Profile Starts::ProfileOf(const std::string& image_name) const {
  image::Profile none;
  none.name = image_name;
  if (image_name.empty()) return none;
  const auto text = os::ReadText(os::SystemFiles(), ProfileFile(image_name), image::kMaxProfileBytes);
  if (!text.ok()) return none;
  auto profile = image::ParseProfile(*text);
  return profile.ok() ? std::move(*profile) : none;  // a damaged one is learned anew
}

Status Starts::SaveLocked(const image::Profile& profile) {
  TRY(os::SystemFiles().MakeDirectories(profiles_));
  sets_.clear();
  return os::WriteAtomic(os::SystemFiles(), ProfileFile(profile.name),
                         std::string_view(image::ToJson(profile)));
}

Status Starts::Take(const image::Profile& other) {
  const std::lock_guard lock(mutex_);
  image::Profile mine = ProfileOf(other.name);
  image::Merge(other, &mine);
  return SaveLocked(mine);
}

void Starts::Prefetch(const std::string& digest) {
  std::vector<uint32_t> entries;
  {
    const std::lock_guard lock(mutex_);
    auto known = sets_.find(digest);
    if (known == sets_.end()) {
      const cache::Image* image = cache_.Find(digest);
      if (image == nullptr) return;
      const auto config = image::ParseConfig(image->config_json);
      if (!config.ok()) return;
      // What was learned here counts more than what was known when it was published.
      const image::Profile profile = ProfileOf(config->name);
      std::vector<uint32_t> set =
          profile.runs > 0 ? image::EntriesOf(image::StartUpSet(profile), image->catalog) : config->startup;
      known = sets_.emplace(digest, std::move(set)).first;
    }
    entries = known->second;
  }
  cache_.Prefetch(digest, entries);
}

void Starts::Begin(const std::string& vm, const os::Path& workspace, const std::vector<std::string>& images,
                   int64_t began) {
  const std::lock_guard lock(mutex_);
  if (const auto it = starts_.find(vm); it != starts_.end()) {
    EndLocked(&it->second);
    starts_.erase(it);
  }
  if (images.empty() || images.size() > view::StartRecord::kMaxLayers) return;
  uint64_t slots = 0;
  std::vector<uint32_t> first;
  for (const std::string& digest : images) {
    const cache::Image* image = cache_.Find(digest);
    if (image == nullptr) return;
    first.push_back(static_cast<uint32_t>(slots));
    slots += image->catalog.entry_count();
    if (slots > view::StartRecord::kMaxSlots) return;
  }
  const uint64_t bytes = view::StartRecord::BytesFor(slots);
  // With room on the disk for all of it: a guest must not fault on it.
  auto mapping = os::MappedFile::OpenShared(workspace / kStartRecordName, bytes, nullptr, bytes);
  if (!mapping.ok() || mapping->size() < bytes) return;
  Start& start = starts_[vm];
  start.mapping = std::move(*mapping);
  view::StartRecord::Format(start.mapping.data(), slots, first.data(), static_cast<uint32_t>(first.size()));
  start.record.Attach(start.mapping.data(), start.mapping.size());
  start.images = images;
  start.began = began;
  start.changed = clock_.MonotonicMicros();
}

void Starts::Waited(const std::string& vm, const std::string& what, int64_t began, int64_t ended) {
  const std::lock_guard lock(mutex_);
  if (const auto it = starts_.find(vm); it != starts_.end() && it->second.running)
    it->second.waits.push_back({what, began, ended});
}

void Starts::Touch(const std::string& vm, uint32_t layer, uint32_t entry) {
  const std::lock_guard lock(mutex_);
  if (const auto it = starts_.find(vm); it != starts_.end() && it->second.running)
    it->second.record.Touch(layer, entry);
}

void Starts::Missed(const std::string& vm, uint32_t layer, uint32_t entry, int64_t began, int64_t ended,
                    bool ok) {
  const std::lock_guard lock(mutex_);
  const auto it = starts_.find(vm);
  if (it == starts_.end() || !it->second.running) return;
  Start& start = it->second;
  start.changed = ended;
  if (start.misses.size() >= kMostMisses || layer >= start.images.size()) return;
  const cache::PrefetchReport ahead = cache_.Prefetched(start.images[layer]);
  const bool expected = ahead.began >= start.began &&
                        std::find(ahead.entries.begin(), ahead.entries.end(), entry) != ahead.entries.end();
  start.misses.push_back({layer, entry, began, ended, ok, expected});
}

void Starts::EndLocked(Start* start) {
  if (!start->running) return;
  start->running = false;
  start->record.Stop();
  start->ended = clock_.MonotonicMicros();
  start->touched = start->record.touched();
  for (uint32_t layer = 0; layer < start->images.size(); ++layer) {
    std::vector<std::pair<uint32_t, uint32_t>> touched;
    const cache::Image* image = cache_.Find(start->images[layer]);
    for (uint32_t e = 0; image != nullptr && e < image->catalog.entry_count(); ++e)
      if (const uint32_t order = start->record.Order(layer, e)) touched.emplace_back(order, e);
    std::sort(touched.begin(), touched.end());
    std::vector<uint32_t> entries;
    for (const auto& [order, entry] : touched) entries.push_back(entry);
    LearnLocked(start->images[layer], entries);
    cache::PrefetchReport ahead = cache_.Prefetched(start->images[layer]);
    if (ahead.began < start->began) ahead = {};  // of an earlier start
    start->ahead.push_back(std::move(ahead));
    start->order.push_back(std::move(entries));
  }
  start->mapping = os::MappedFile();
  start->record = view::StartRecord();
}

void Starts::LearnLocked(const std::string& digest, const std::vector<uint32_t>& order) {
  const cache::Image* image = cache_.Find(digest);
  if (image == nullptr || order.empty()) return;
  const auto config = image::ParseConfig(image->config_json);
  if (!config.ok()) return;
  image::Profile profile = ProfileOf(config->name);
  const auto names = [](const image::StartRun& files) {
    std::set<std::pair<std::string, os::Digest>> out;
    for (const image::ProfileFile& file : files) out.emplace(file.path, file.content);
    return out;
  };
  const image::StartRun run = image::RunOf(order, image->catalog);
  // A start like the others says nothing new.
  if (profile.runs == image::kMaxProfileRuns && names(run) == names(image::StartUpSet(profile))) return;
  image::Learn(run, config->version, &profile);
  (void)SaveLocked(profile);  // without it the next start learns the same
}

void Starts::Tend(bool fetching, const std::function<bool(const std::string& vm)>& in_use) {
  std::vector<std::string> vms;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [vm, start] : starts_)
      if (start.running) vms.push_back(vm);
  }
  for (const std::string& vm : vms) {
    const bool used = in_use(vm);  // asks others, so without the lock
    const std::lock_guard lock(mutex_);
    const auto it = starts_.find(vm);
    if (it == starts_.end() || !it->second.running) continue;
    Start& start = it->second;
    const int64_t now = clock_.MonotonicMicros();
    if (const uint32_t touched = start.record.touched(); touched != start.touched || fetching) {
      start.touched = touched;
      start.changed = now;
    }
    if (!used || (start.touched > 0 && now - start.changed >= kQuietMicros) ||
        now - start.began >= kLongestMicros)
      EndLocked(&start);
  }
}

bool Starts::Running(const std::string& vm) const {
  const std::lock_guard lock(mutex_);
  const auto it = starts_.find(vm);
  return it != starts_.end() && it->second.running;
}

void Starts::Forget(const std::string& vm) {
  const std::lock_guard lock(mutex_);
  if (const auto it = starts_.find(vm); it != starts_.end()) {
    EndLocked(&it->second);
    starts_.erase(it);
  }
}

Json Starts::Report(const std::string& vm) {
  const std::lock_guard lock(mutex_);
  const auto it = starts_.find(vm);
  if (it == starts_.end()) return nullptr;
  EndLocked(&it->second);
  return ReportLocked(it->second);
}

Json Starts::ReportLocked(const Start& start) const {
  const auto at = [&](int64_t micros) { return Millis(micros - start.began); };
  Json out{{"images", start.images}, {"millis", at(start.ended)}};
  Json waits = Json::array();
  for (const Wait& wait : start.waits)
    waits.push_back({{"what", wait.what}, {"began", at(wait.began)}, {"ended", at(wait.ended)}});
  out["waits"] = std::move(waits);

  // How much of what was touched was expected: in bytes on the line, of what was not here.
  uint64_t touched_files = 0, touched_bytes = 0, expected = 0, unexpected = 0, wasted = 0, wasted_files = 0;
  Json ahead = Json::object();
  uint64_t ahead_files = 0, ahead_requests = 0, ahead_bytes = 0;
  Json files = Json::array();
  for (size_t layer = 0; layer < start.images.size(); ++layer) {
    const std::string& digest = start.images[layer];
    const std::set<uint32_t> touched(start.order[layer].begin(), start.order[layer].end());
    const cache::PrefetchReport& fetched = start.ahead[layer];
    const std::set<uint32_t> wanted(fetched.entries.begin(), fetched.entries.end());
    touched_files += touched.size();
    for (const uint32_t e : start.order[layer]) touched_bytes += cache_.StoredBytes(digest, e);
    for (const uint32_t e : wanted) {
      const uint64_t bytes = cache_.StoredBytes(digest, e);
      if (touched.contains(e)) {
        expected += bytes;
      } else {
        wasted += bytes;
        ++wasted_files;
      }
    }
    std::set<uint32_t> missed;
    for (const Miss& miss : start.misses)
      if (miss.layer == layer && !wanted.contains(miss.entry) && missed.insert(miss.entry).second)
        unexpected += cache_.StoredBytes(digest, miss.entry);
    ahead_files += wanted.size();
    ahead_requests += fetched.requests;
    ahead_bytes += fetched.received;
    if (fetched.began != 0)
      files.push_back({{"began", at(fetched.began)},
                       {"ended", at(fetched.running ? start.ended : fetched.ended)},
                       {"bytes", fetched.received}});
  }
  ahead = {{"files", ahead_files}, {"requests", ahead_requests}, {"bytes", ahead_bytes}, {"spans", files}};
  out["ahead"] = std::move(ahead);
  out["touched"] = {{"files", touched_files}, {"bytes", touched_bytes}};
  out["expected_bytes"] = expected;
  out["unexpected_bytes"] = unexpected;
  out["wasted"] = {{"files", wasted_files}, {"bytes", wasted}};

  Json misses = Json::array();
  for (const Miss& miss : start.misses)
    misses.push_back({{"file", cache_.NameOf(start.images[miss.layer], miss.entry)},
                      {"bytes", cache_.StoredBytes(start.images[miss.layer], miss.entry)},
                      {"began", at(miss.began)},
                      {"ended", at(miss.ended)},
                      {"expected", miss.expected},
                      {"ok", miss.ok}});
  out["misses"] = std::move(misses);

  Json requests = Json::array();
  uint64_t bytes = 0;
  std::vector<os::HttpExchange> exchanges;
  if (http_ != nullptr)
    for (os::HttpExchange& e : http_->Since(start.began))
      if (e.began <= start.ended) exchanges.push_back(std::move(e));
  for (const os::HttpExchange& e : exchanges) {
    bytes += e.bytes;
    requests.push_back({{"what", e.method + " " + e.url},
                        {"range", e.range},
                        {"status", e.status},
                        {"bytes", e.bytes},
                        {"began", at(e.began)},
                        {"first", at(e.first == 0 ? e.ended : e.first)},
                        {"ended", at(e.ended)}});
  }
  out["rounds"] = os::DependentRounds(exchanges);
  out["received_bytes"] = bytes;
  out["requests"] = std::move(requests);
  return out;
}

}  // namespace plume::agent
