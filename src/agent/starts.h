// Starts of applications: what each touches, what was fetched for it and what was waited for; and what is
// learned from them (image/profile.h), which says what to fetch before the next one asks. Thread-safe.
// docs/formats/profile.md says when a start ends.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/control.h"
#include "base/result.h"
#include "cache/cache.h"
#include "image/profile.h"
#include "os/clock.h"
#include "os/http_log.h"
#include "os/mapped_file.h"
#include "view/start_record.h"

namespace plume::agent {

inline constexpr char kStartRecordName[] =
    "start.pls";  // in a workspace's folder; the VL's is in vl/low/start.cc

class Starts {
 public:
  // `profiles`: the folder of the learned profiles. `http` may be null; then reports know of no requests.
  Starts(os::Path profiles, cache::Cache& cache, std::shared_ptr<os::HttpLog> http,
         os::Clock& clock = os::SystemClock())
      : profiles_(std::move(profiles)), cache_(cache), http_(std::move(http)), clock_(clock) {}

  // Begins to fetch what a start of this image will need and is not here. Costs nothing if all of it is.
  void Prefetch(const std::string& digest);

  // A program is about to be started in a VM in which none runs. `images`: digests of its layers, top first.
  // `began`: when the user asked for it. What cannot be recorded is not: no reason not to start.
  void Begin(const std::string& vm, const os::Path& workspace, const std::vector<std::string>& images,
             int64_t began);
  // A step of the start that it waited for.
  void Waited(const std::string& vm, const std::string& what, int64_t began, int64_t ended);
  // The agent itself opens a file for the VM, for instance the program.
  void Touch(const std::string& vm, uint32_t layer, uint32_t entry);
  // A guest, or its start, waited for a file that was not here.
  void Missed(const std::string& vm, uint32_t layer, uint32_t entry, int64_t began, int64_t ended, bool ok);
  // Ends starts whose time has come; `in_use` says whether any guest of a VM runs, `fetching` whether a guest
  // waits for a file.
  void Tend(bool fetching, const std::function<bool(const std::string& vm)>& in_use);
  // Ends the start of a VM now, if it has not ended, and tells about it. Null: none was recorded.
  Json Report(const std::string& vm);
  bool Running(const std::string& vm) const;
  // The VM's workspace is going.
  void Forget(const std::string& vm);

  // The profile of an application by its image's name; empty if there is none.
  image::Profile ProfileOf(const std::string& image_name) const;
  Status Take(const image::Profile& other);  // merges another client's in
  os::Path ProfileFile(const std::string& image_name) const;

 private:
  struct Wait {
    std::string what;
    int64_t began = 0, ended = 0;
  };
  struct Miss {
    uint32_t layer = 0, entry = 0;
    int64_t began = 0, ended = 0;
    bool ok = false, expected = false;
  };
  struct Start {
    std::vector<std::string> images;
    os::MappedFile mapping;  // given back when the start ends
    view::StartRecord record;
    bool running = true;
    int64_t began = 0, changed = 0, ended = 0;
    uint32_t touched = 0;
    std::vector<std::vector<uint32_t>> order;  // of each layer, when it has ended
    std::vector<Wait> waits;
    std::vector<Miss> misses;
    std::vector<cache::PrefetchReport> ahead;  // of each layer
  };
  void EndLocked(Start* start);
  void LearnLocked(const std::string& digest, const std::vector<uint32_t>& order);
  Status SaveLocked(const image::Profile& profile);
  Json ReportLocked(const Start& start) const;
  std::string ImageNameOf(const cache::Image& image) const;

  const os::Path profiles_;
  cache::Cache& cache_;
  const std::shared_ptr<os::HttpLog> http_;
  os::Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Start> starts_;                // by VM
  std::map<std::string, std::vector<uint32_t>> sets_;  // by digest: what a start needs, while it is known
};

}  // namespace plume::agent
