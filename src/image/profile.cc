#include "image/profile.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/utf16.h"
#include "image/json.h"
#include "view/path.h"

namespace plume::image {
namespace {

constexpr uint64_t kProfileFormat = 1;
constexpr char kProfileText[] = "a profile";
constexpr size_t kMaxPathBytes = 32768 * 3;

Error BadProfile(const std::string& why) {
  return Error{Errc::kInvalid, std::string("reading ") + kProfileText + ": " + why};
}

std::u16string FoldedPath(const std::string& path) {
  std::u16string out = FromUtf8Lossy(path);
  for (char16_t& c : out) c = view::Upcase(c);
  return out;
}

size_t TimesSeen(const ProfileFile& file) {
  return static_cast<size_t>(
      std::count_if(file.ranks.begin(), file.ranks.end(), [](uint32_t r) { return r != 0; }));
}

// Of the runs that touch it; the lower one of two middles.
uint32_t MedianRank(const ProfileFile& file) {
  std::vector<uint32_t> seen;
  for (const uint32_t rank : file.ranks)
    if (rank != 0) seen.push_back(rank);
  if (seen.empty()) return UINT32_MAX;
  std::sort(seen.begin(), seen.end());
  return seen[(seen.size() - 1) / 2];
}

void SortByRank(std::vector<ProfileFile>* files) {
  std::stable_sort(files->begin(), files->end(), [](const ProfileFile& a, const ProfileFile& b) {
    const uint32_t rank_a = MedianRank(a), rank_b = MedianRank(b);
    return rank_a != rank_b ? rank_a < rank_b : a.path < b.path;
  });
}

Result<ProfileFile> ParseProfileFile(const Json& json, uint64_t runs) {
  ProfileFile out;
  if (!json.is_object()) return BadProfile("a file is no object");
  ASSIGN(out.path, TextMember(json, "path", kProfileText));
  ASSIGN(const std::string digest, TextMember(json, "sha256", kProfileText));
  const auto content = os::ParseDigest("sha256:" + digest);
  if (out.path.empty() || out.path.size() > kMaxPathBytes || !content)
    return BadProfile("a file has no path or no digest");
  out.content = *content;
  const Json* ranks = ArrayMember(json, "ranks");
  if (ranks == nullptr || ranks->size() != runs) return BadProfile("a file has not one rank for each run");
  for (const Json& rank : *ranks) {
    if (!rank.is_number_unsigned() || rank.get<uint64_t>() > kMaxProfileFiles)
      return BadProfile("a rank is no small number");
    out.ranks.push_back(rank.get<uint32_t>());
  }
  if (TimesSeen(out) == 0) return BadProfile("no run touches a file");
  return out;
}

}  // namespace

std::string ToJson(const Profile& profile) {
  using Object = nlohmann::ordered_json;
  Object files = Object::array();
  for (const ProfileFile& file : profile.files)
    files.push_back(Object{{"path", file.path}, {"sha256", os::Hex(file.content)}, {"ranks", file.ranks}});
  const Object json{{"plume_profile", kProfileFormat},
                    {"name", profile.name},
                    {"version", profile.version},
                    {"runs", profile.runs},
                    {"files", std::move(files)}};
  return json.dump(-1, ' ', false, Object::error_handler_t::replace);
}

Result<Profile> ParseProfile(std::string_view text) {
  if (text.size() > kMaxProfileBytes) return BadProfile("it is larger than 8 MiB");
  ASSIGN(const Json json, ParseJsonObject(text, kProfileText));
  ASSIGN(const uint64_t format, NumberMember(json, "plume_profile", 0, kProfileText));
  if (format == 0) return BadProfile("it is none of Plume's");
  if (format > kProfileFormat) return BadProfile("it was made by a newer Plume (update this one)");
  Profile out;
  ASSIGN(out.name, TextMember(json, "name", kProfileText));
  ASSIGN(out.version, TextMember(json, "version", kProfileText));
  ASSIGN(const uint64_t runs, NumberMember(json, "runs", 0, kProfileText));
  if (runs > kMaxProfileRuns) return BadProfile("it has more runs than any profile");
  out.runs = static_cast<uint32_t>(runs);
  const Json* files = ArrayMember(json, "files");
  if (files == nullptr || files->size() > kMaxProfileFiles)
    return BadProfile("it has no files, or more than any profile");
  std::set<std::u16string> known;
  for (const Json& file : *files) {
    ASSIGN(ProfileFile parsed, ParseProfileFile(file, runs));
    if (!known.insert(FoldedPath(parsed.path)).second) return BadProfile("it has a file twice");
    out.files.push_back(std::move(parsed));
  }
  return out;
}

void Learn(const StartRun& run, const std::string& version, Profile* profile) {
  if (run.empty()) return;
  std::map<std::u16string, size_t> by_path;
  std::map<os::Digest, size_t> by_content;
  for (size_t i = 0; i < profile->files.size(); ++i) {
    by_path[FoldedPath(profile->files[i].path)] = i;
    by_content[profile->files[i].content] = i;
  }
  std::vector<std::u16string> folded;
  std::set<size_t> named;  // known files that the run names by their path
  for (const ProfileFile& file : run) {
    folded.push_back(FoldedPath(file.path));
    if (const auto it = by_path.find(folded.back()); it != by_path.end()) named.insert(it->second);
  }
  for (ProfileFile& file : profile->files) file.ranks.insert(file.ranks.begin(), 0);
  const size_t count = std::min(run.size(), kMaxProfileFiles);
  for (size_t i = 0; i < count; ++i) {
    size_t at = profile->files.size();
    if (const auto it = by_path.find(folded[i]); it != by_path.end()) {
      at = it->second;
    } else if (const auto same = by_content.find(run[i].content);
               same != by_content.end() && named.insert(same->second).second) {
      at = same->second;
      profile->files[at].path = run[i].path;
    } else {
      profile->files.push_back(ProfileFile{run[i].path, run[i].content, {}});
      profile->files[at].ranks.resize(profile->runs + 1);
    }
    by_path[folded[i]] = at;
    profile->files[at].content = run[i].content;
    if (uint32_t& rank = profile->files[at].ranks.front(); rank == 0) rank = static_cast<uint32_t>(i + 1);
  }
  profile->runs = std::min<uint32_t>(profile->runs + 1, kMaxProfileRuns);
  profile->version = version;
  for (ProfileFile& file : profile->files) file.ranks.resize(profile->runs);
  std::erase_if(profile->files, [](const ProfileFile& file) { return TimesSeen(file) == 0; });
  SortByRank(&profile->files);
  if (profile->files.size() > kMaxProfileFiles) {
    std::stable_sort(profile->files.begin(), profile->files.end(),
                     [](const ProfileFile& a, const ProfileFile& b) { return TimesSeen(a) > TimesSeen(b); });
    profile->files.resize(kMaxProfileFiles);
    SortByRank(&profile->files);
  }
}

void Merge(const Profile& other, Profile* profile) {
  for (size_t r = other.runs; r-- > 0;) {
    StartRun run;
    for (const ProfileFile& file : other.files)
      if (file.ranks[r] != 0) run.push_back(file);
    std::stable_sort(run.begin(), run.end(),
                     [r](const ProfileFile& a, const ProfileFile& b) { return a.ranks[r] < b.ranks[r]; });
    Learn(run, other.version, profile);
  }
}

StartRun StartUpSet(const Profile& profile) {
  StartRun out;
  for (const ProfileFile& file : profile.files)
    if (TimesSeen(file) * 2 >= profile.runs) out.push_back(file);
  SortByRank(&out);
  return out;
}

std::string EntryName(const catalog::Reader& catalog, uint32_t entry) {
  std::vector<uint32_t> chain;
  while (catalog.entry(entry).parent() != entry) {
    chain.push_back(entry);
    entry = catalog.entry(entry).parent();
  }
  std::string name;
  for (const catalog::Root* root : *catalog.raw().roots())
    if (!root->registry() && root->index() == entry) name = root->name()->str();
  for (auto it = chain.rbegin(); it != chain.rend(); ++it)
    name += "\\" + ToUtf8(catalog.name(catalog.entry(*it)));
  return name;
}

namespace {

bool IsPlainFile(const catalog::Entry& entry) {
  return (entry.flags() & catalog::kDirectory) == 0 && entry.content() != catalog::kNone;
}

os::Digest ProfileContent(const catalog::Reader& catalog, const catalog::Entry& entry) {
  os::Digest digest;
  const auto* bytes = catalog.raw().contents()->Get(entry.content())->bytes();
  std::copy_n(bytes->data(), digest.size(), digest.begin());
  return digest;
}

uint32_t EntryAt(const catalog::Reader& catalog, const std::u16string& path) {
  uint32_t entry = catalog::kNone;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(u'\\', begin), path.size());
    const std::u16string_view name = std::u16string_view(path).substr(begin, end - begin);
    if (begin == 0) {
      for (const catalog::Root* root : *catalog.raw().roots())
        if (!root->registry() && root->name()->str() == ToUtf8(name)) entry = root->index();
    } else {
      entry = catalog.Child(entry, name);
    }
    if (entry == catalog::kNone) return entry;
    begin = end + 1;
  }
  return entry;
}

}  // namespace

std::vector<uint32_t> EntriesOf(const StartRun& files, const catalog::Reader& catalog) {
  std::vector<uint32_t> out(files.size(), catalog::kNone);
  std::map<os::Digest, std::vector<size_t>> missing;
  std::set<uint32_t> taken;
  for (size_t i = 0; i < files.size(); ++i) {
    const uint32_t entry = EntryAt(catalog, FromUtf8Lossy(files[i].path));
    if (entry == catalog::kNone)
      missing[files[i].content].push_back(i);
    else if (IsPlainFile(catalog.entry(entry)) && taken.insert(entry).second)
      out[i] = entry;
  }
  for (uint32_t e = 0; !missing.empty() && e < catalog.entry_count(); ++e) {
    if (!IsPlainFile(catalog.entry(e)) || taken.contains(e)) continue;
    const auto it = missing.find(ProfileContent(catalog, catalog.entry(e)));
    if (it == missing.end()) continue;
    out[it->second.back()] = e;
    taken.insert(e);
    it->second.pop_back();
    if (it->second.empty()) missing.erase(it);
  }
  std::erase(out, catalog::kNone);
  return out;
}

StartRun RunOf(const std::vector<uint32_t>& entries, const catalog::Reader& catalog) {
  StartRun out;
  for (const uint32_t e : entries) {
    if (e >= catalog.entry_count() || !IsPlainFile(catalog.entry(e))) continue;
    out.push_back(ProfileFile{EntryName(catalog, e), ProfileContent(catalog, catalog.entry(e)), {}});
  }
  return out;
}

}  // namespace plume::image
