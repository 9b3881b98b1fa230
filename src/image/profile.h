// A profile: which files of an image its starts touch, in which order. Learned from runs (agent/starts.h),
// used to fetch what a start needs before it asks (cache/prefetch.h) and to lay out packs (builder.h). A
// profile names files by path and content, so it outlives the version of the image that it was recorded of.
// docs/formats/profile.md. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/reader.h"
#include "os/sha256.h"

namespace plume::image {

inline constexpr char kProfileMediaType[] = "application/vnd.plume.profile.v1+json";
inline constexpr size_t kMaxProfileBytes = 8u << 20;
inline constexpr size_t kMaxProfileFiles = 20'000;
inline constexpr size_t kMaxProfileRuns = 8;  // the newest ones count

struct ProfileFile {
  std::string path;  // with its root: "C\Program Files\A\a.dll"
  os::Digest content{};
  // For each run, the newest first: the file's place in its order, from 1; 0 = that run did not touch it.
  std::vector<uint32_t> ranks{};
};

// One start: files in the order of their first use. Each path once; ranks unused.
using StartRun = std::vector<ProfileFile>;

struct Profile {
  std::string name;     // of the image
  std::string version;  // of the image, as of the newest run
  uint32_t runs = 0;    // at most kMaxProfileRuns
  std::vector<ProfileFile> files{};
};

std::string ToJson(const Profile& profile);
// kInvalid: not a profile, of a newer version, or with contents that no writer makes.
Result<Profile> ParseProfile(std::string_view text);

// Takes a run in: it becomes the newest, the oldest falls out, and with it what no other run touches. A file
// of the run that is known by its content under a path which the run does not have is the same file, renamed.
// An empty run changes nothing.
void Learn(const StartRun& run, const std::string& version, Profile* profile);
// Takes another client's profile of the same application in: as if its runs had been here, the oldest first.
void Merge(const Profile& other, Profile* profile);

// What a start will most likely need: files of at least half of the runs, by their median rank.
StartRun StartUpSet(const Profile& profile);
// The same as entries of a catalog, each once: by path, else by content. What the image does not have is left
// out.
std::vector<uint32_t> EntriesOf(const StartRun& files, const catalog::Reader& catalog);
// "C\Program Files\A\a.dll"
std::string EntryName(const catalog::Reader& catalog, uint32_t entry);
// The files of these entries, for Learn. Directories and what is out of range are left out.
StartRun RunOf(const std::vector<uint32_t>& entries, const catalog::Reader& catalog);

}  // namespace plume::image
