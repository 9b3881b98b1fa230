#include "capture/files.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/upcase.h"
#include "base/utf16.h"
#include "capture/rules.h"
#include "capture/text.h"
#include "os/file.h"

namespace plume::capture {
namespace {

constexpr uint32_t kReparsePoint = 0x400, kTemporaryFile = 0x100, kOffline = 0x1000, kNotIndexed = 0x2000,
                   kCompressed = 0x800, kEncrypted = 0x4000;

// Attributes that say something about the file itself, not about how this volume stores it.
uint32_t PortableAttributes(uint32_t attributes, bool directory) {
  attributes &= ~(kReparsePoint | kTemporaryFile | kOffline | kNotIndexed | kCompressed | kEncrypted |
                  os::kNormal | os::kDirectoryAttribute);
  if (directory) return attributes | os::kDirectoryAttribute;
  return attributes == 0 ? os::kNormal : attributes;
}

std::u16string NameOf(const os::Path& name) { return FromUtf8Lossy(os::Utf8(name)); }

Result<bool> SameContent(const os::Path& a, const os::Path& b) {
  ASSIGN(auto file_a, os::SystemFiles().Open(a, os::OpenMode::kRead));
  ASSIGN(auto file_b, os::SystemFiles().Open(b, os::OpenMode::kRead));
  std::vector<uint8_t> buffer_a(256 << 10), buffer_b(256 << 10);
  for (uint64_t at = 0;;) {
    ASSIGN(const size_t got_a, file_a->ReadAt(at, buffer_a));
    ASSIGN(const size_t got_b, file_b->ReadAt(at, buffer_b));
    if (got_a != got_b ||
        !std::equal(buffer_a.begin(), buffer_a.begin() + static_cast<ptrdiff_t>(got_a), buffer_b.begin())) {
      return false;
    }
    if (got_a == 0) return true;
    at += got_a;
  }
}

class Walker {
 public:
  Walker(std::u16string_view profile, bool sift,
         const std::function<os::Path(std::u16string_view)>& host_file, FileSet* out)
      : profile_(profile), sift_(sift), host_file_(host_file), out_(out) {}

  Status Walk(const os::Path& directory, const std::u16string& at) {
    auto listed = os::SystemFiles().List(directory);
    if (!listed.ok()) return listed.error().In("reading what was installed");
    auto& entries = *listed;
    std::sort(entries.begin(), entries.end(), [](const os::DirectoryEntry& a, const os::DirectoryEntry& b) {
      return Folded(NameOf(a.name)) < Folded(NameOf(b.name));
    });
    const auto short_list = ShortNames(directory);
    const std::map<std::u16string, std::u16string> short_names(short_list.begin(), short_list.end());
    for (const auto& entry : entries) {
      const std::u16string name = NameOf(entry.name);
      const std::u16string path = Join(at, name);
      if (const auto* why = Refused(name, entry.info)) {
        out_->notes.push_back("left out " + ToUtf8(path) + ": " + why);
        continue;
      }
      const Place place = PlaceOf(path, profile_);
      if (sift_ && FindResidue(place.root == "Profile" ? Scope::kProfile : Scope::kDrive, place.path)) {
        ++out_->dropped;
        continue;
      }
      if (!entry.info.directory) {
        ASSIGN(const bool unchanged, Unchanged(directory / entry.name, path, entry.info));
        if (unchanged) {
          ++out_->unchanged;
          continue;
        }
      }
      if (!place.path.empty()) {
        Add(place, directory / entry.name, entry.info);
        const auto short_name = short_names.find(name);
        if (short_name != short_names.end()) out_->files.back().short_name = short_name->second;
      }
      if (entry.info.directory) TRY(Walk(directory / entry.name, path));
    }
    return Ok();
  }

  void Add(const Place& place, const os::Path& source, const os::FileInfo& info) {
    image::FileItem item;
    item.root = place.root;
    item.path = place.path;
    item.directory = info.directory;
    item.attributes = PortableAttributes(info.attributes, info.directory);
    item.created = info.times.created;
    item.modified = info.times.modified;
    if (!info.directory) item.source = source;
    out_->files.push_back(std::move(item));
  }

 private:
  static const char* Refused(const std::u16string& name, const os::FileInfo& info) {
    if (info.link) return "it is a link (images hold files and folders)";
    // A Linux folder may hold names that no Windows program could ever open.
    for (const char16_t c : name) {
      if (c < 0x20 || std::u16string_view(u"\\/:*?\"<>|").find(c) != std::u16string_view::npos) {
        return "its name is not allowed on Windows";
      }
    }
    if (name.back() == u' ' || name.back() == u'.') return "its name is not allowed on Windows";
    return nullptr;
  }

  // A copied-up file that is the host's own after all: opened for writing, never changed.
  Result<bool> Unchanged(const os::Path& file, const std::u16string& virtual_path, const os::FileInfo& info) {
    if (!host_file_) return false;
    const os::Path host = host_file_(virtual_path);
    if (host.empty()) return false;
    const auto below = os::SystemFiles().Stat(host);
    if (!below.ok() || below->directory || below->size != info.size) return false;
    const auto same = SameContent(file, host);
    return same.ok() && *same;
  }

  std::u16string_view profile_;
  bool sift_;
  const std::function<os::Path(std::u16string_view)>& host_file_;
  FileSet* out_;
};

}  // namespace

Place PlaceOf(std::u16string_view virtual_path, std::u16string_view profile) {
  if (!profile.empty() && IsWithin(virtual_path, profile)) {
    auto rest = virtual_path.substr(profile.size());
    if (!rest.empty()) rest.remove_prefix(1);
    return {"Profile", std::u16string(rest)};
  }
  const char letter = virtual_path.empty() ? 'C' : static_cast<char>(NtUpcase(virtual_path[0]));
  return {std::string(1, letter), std::u16string(virtual_path.size() > 3 ? virtual_path.substr(3) : u"")};
}

std::u16string VirtualPath(const std::string& root, std::u16string_view path, std::u16string_view profile) {
  if (root == "Profile") return Join(profile.empty() ? u"%PROFILE%" : profile, path);
  return Join(FromUtf8Lossy(root + ":"), path);
}

Status AddTree(const std::filesystem::path& directory, std::u16string_view at, std::u16string_view profile,
               bool sift, const std::function<std::filesystem::path(std::u16string_view)>& host_file,
               FileSet* out) {
  auto info = os::SystemFiles().Stat(directory);
  if (!info.ok()) return std::move(info).error();
  if (!info->directory) {
    return Error{Errc::kInvalid, "reading " + os::Utf8(directory) + " failed: it is not a folder"};
  }
  Walker walker(profile, sift, host_file, out);
  // The folders on the way: "C:", "C:\Program Files", ... They carry the adopted folder's times, so that the
  // same folder gives the same image everywhere.
  const auto parts = SplitPath(at);
  std::u16string way;
  for (const auto part : parts) {
    way = Join(way, part);
    const Place place = PlaceOf(way, profile);
    const bool known = std::any_of(out->files.begin(), out->files.end(), [&](const image::FileItem& item) {
      return item.root == place.root && SameFolded(item.path, place.path);
    });
    if (place.path.empty() || known || IsWithin(profile, way)) continue;
    os::FileInfo folder = *info;
    folder.attributes = os::kDirectoryAttribute;
    walker.Add(place, {}, folder);
  }
  return walker.Walk(directory, std::u16string(at));
}

void PruneDirectories(const std::function<bool(const image::FileItem&)>& on_host,
                      std::vector<image::FileItem>* files) {
  // Folders that something kept lies in, by root and folded path.
  std::set<std::pair<std::string, std::u16string>> needed;
  auto need_parents = [&](const image::FileItem& item) {
    for (std::u16string_view up = ParentPath(item.path); !up.empty(); up = ParentPath(up)) {
      if (!needed.insert({item.root, Folded(up)}).second) break;
    }
  };
  for (const auto& item : *files) {
    if (!item.directory || !on_host(item)) need_parents(item);
  }
  std::erase_if(*files, [&](const image::FileItem& item) {
    return item.directory && on_host(item) && needed.count({item.root, Folded(item.path)}) == 0;
  });
}

#ifndef _WIN32
std::vector<std::pair<std::u16string, std::u16string>> ShortNames(const std::filesystem::path&) { return {}; }
#endif

}  // namespace plume::capture
