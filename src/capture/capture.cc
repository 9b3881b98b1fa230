#include "capture/capture.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/utf16.h"
#include "capture/drivers.h"
#include "capture/entry_points.h"
#include "capture/environment.h"
#include "capture/files.h"
#include "capture/keys.h"
#include "capture/lnk.h"
#include "capture/machine_text.h"
#include "capture/pe.h"
#include "capture/product.h"
#include "capture/rules.h"
#include "capture/text.h"
#include "capture/update.h"
#include "os/file.h"

namespace plume::capture {
namespace {

constexpr uint64_t kMaxLnkBytes = 1 << 20;
constexpr size_t kPeHeadBytes = 4096;

constexpr std::u16string_view kStartMenus[] = {
    u"ProgramData\\Microsoft\\Windows\\Start Menu",
    u"AppData\\Roaming\\Microsoft\\Windows\\Start Menu",  // below the profile folder
};

// Everything captured so far, with lookups by virtual path; those find what the image below has, too.
class Captured {
 public:
  Captured(std::vector<image::FileItem>* files, std::u16string profile, const Base* base = nullptr)
      : files_(files), profile_(std::move(profile)), base_(base) {
    for (size_t i = 0; i < files->size(); ++i) index_[Folded(Path((*files)[i]))] = i;
  }
  std::u16string Path(const image::FileItem& item) const {
    return VirtualPath(item.root, item.path, profile_);
  }
  const image::FileItem* Find(std::u16string_view virtual_path) const {
    const auto it = index_.find(Folded(virtual_path));
    if (it != index_.end()) return &(*files_)[it->second];
    return base_ == nullptr ? nullptr : base_->FindFile(virtual_path);
  }
  const std::vector<image::FileItem>& files() const { return *files_; }

 private:
  std::vector<image::FileItem>* files_;
  std::u16string profile_;
  const Base* base_;
  std::map<std::u16string, size_t> index_;
};

struct Shortcut {
  std::u16string file;  // virtual path of the .lnk
  bool desktop = false;
  Lnk link;
  std::u16string target;  // expanded
};

std::vector<Shortcut> ReadShortcuts(const Captured& captured, std::u16string_view profile,
                                    std::vector<std::string>* notes) {
  std::vector<Shortcut> out;
  for (const auto& item : captured.files()) {
    if (item.directory || !EndsWithFolded(item.path, u".lnk")) continue;
    const bool menu = IsWithin(item.path, item.root == "Profile" ? kStartMenus[1] : kStartMenus[0]);
    const bool desktop = item.root == "Profile" ? IsWithin(item.path, u"Desktop")
                                                : IsWithin(item.path, u"users\\Public\\Desktop");
    if (!menu && !desktop) continue;
    Shortcut shortcut;
    shortcut.file = captured.Path(item);
    shortcut.desktop = desktop;
    auto bytes = os::ReadFile(os::SystemFiles(), item.source, kMaxLnkBytes);
    auto link = bytes.ok() ? ParseLnk(*bytes) : Result<Lnk>(bytes.error());
    if (!link.ok()) {
      notes->push_back("shortcut " + ToUtf8(shortcut.file) + " was not understood: " + link.error().message);
      continue;
    }
    shortcut.link = std::move(*link);
    shortcut.target = ExpandFolders(shortcut.link.target, profile);
    out.push_back(std::move(shortcut));
  }
  return out;
}

std::optional<PeInfo> PeOf(const image::FileItem& item) {
  std::vector<uint8_t> head(kPeHeadBytes);
  auto file = os::SystemFiles().Open(item.source, os::OpenMode::kRead);
  if (!file.ok()) return std::nullopt;
  const auto got = (*file)->ReadAt(0, head);
  if (!got.ok()) return std::nullopt;
  head.resize(*got);
  return ReadPe(head);
}

std::u16string Unquoted(std::u16string text) {
  std::erase(text, u'"');
  return text;
}

// Programs named by App Paths keys.
std::vector<Candidate> AppPaths(const std::vector<image::KeyItem>& keys, const Captured& captured,
                                std::u16string_view profile) {
  std::vector<Candidate> out;
  for (const auto& key : keys) {
    if (!MatchPath(u"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\*", WithoutWow64(key.path)))
      continue;
    for (const auto& value : key.values) {
      if (!value.name.empty()) continue;
      Candidate c;
      c.kind = Candidate::Kind::kAppPath;
      c.path = ExpandFolders(Unquoted(ValueText(value)), profile);
      c.name = Stem(LastComponent(c.path));
      if (captured.Find(c.path)) out.push_back(std::move(c));
    }
  }
  return out;
}

std::vector<Candidate> Candidates(const std::vector<Shortcut>& shortcuts,
                                  const std::vector<image::KeyItem>& keys, const Captured& captured,
                                  std::u16string_view profile) {
  std::vector<Candidate> out = AppPaths(keys, captured, profile);
  for (const auto& shortcut : shortcuts) {
    if (shortcut.target.empty()) continue;
    Candidate c;
    c.kind = shortcut.desktop ? Candidate::Kind::kDesktop : Candidate::Kind::kStartMenu;
    c.name = Stem(LastComponent(shortcut.file));
    c.path = shortcut.target;
    c.arguments = shortcut.link.arguments;
    c.working_directory = ExpandFolders(shortcut.link.working_directory, profile);
    c.in_image = captured.Find(c.path) != nullptr;
    out.push_back(std::move(c));
  }
  for (const auto& item : captured.files()) {
    if (item.directory || !EndsWithFolded(item.path, u".exe")) continue;
    const auto pe = PeOf(item);
    if (!pe || pe->dll) continue;
    Candidate c;
    c.path = captured.Path(item);
    c.name = Stem(LastComponent(c.path));
    c.console = pe->console;
    out.push_back(std::move(c));
  }
  return out;
}

// Uninstallers are of no use in an image: removing an application is unsubscribing from it.
void DropUninstallers(const Product& product, const std::vector<Shortcut>& shortcuts,
                      const Captured& captured, std::vector<image::FileItem>* files, uint64_t* dropped) {
  std::vector<std::u16string> gone;
  for (const auto& program : product.uninstallers) {
    const auto name = LastComponent(program);
    if (!LooksLikeUninstaller(name) || !captured.Find(program)) continue;  // else a program that can do more
    gone.push_back(program);
    // Inno Setup keeps its log and messages beside it under the same name.
    for (const auto ending : {u".dat", u".msg"}) {
      gone.push_back(Join(ParentPath(program), std::u16string(Stem(name)) + ending));
    }
  }
  for (const auto& shortcut : shortcuts) {
    const bool msi = SameFolded(LastComponent(shortcut.target), u"msiexec.exe") &&
                     ContainsFolded(shortcut.link.arguments, u"/x");
    const bool named = std::any_of(gone.begin(), gone.end(), [&](const std::u16string& program) {
      return SameFolded(program, shortcut.target);
    });
    if (msi || named) gone.push_back(shortcut.file);
  }
  const size_t before = files->size();
  std::erase_if(*files, [&](const image::FileItem& item) {
    return !item.directory && std::any_of(gone.begin(), gone.end(), [&](const std::u16string& path) {
      return SameFolded(path, captured.Path(item));
    });
  });
  *dropped += before - files->size();
}

// Paths that were deleted, are no residue and were there before: worth telling.
void NoteDeleted(const Workspace& workspace, const Captured& captured, const Base* base,
                 std::vector<std::string>* notes) {
  size_t count = 0;
  std::string examples;
  for (const auto& path : workspace.deleted) {
    if (base != nullptr && base->Holds(path)) continue;  // of the image, which the new version is without
    const bool file = path.size() > 2 && path[1] == u':';
    if (file) {
      const Place place = PlaceOf(path, workspace.profile);
      if (captured.Find(path)) continue;  // replaced, not removed
      if (FindResidue(place.root == "Profile" ? Scope::kProfile : Scope::kDrive, place.path)) continue;
      if (workspace.host_file && !os::Exists(os::SystemFiles(), workspace.host_file(path))) continue;
    }
    if (++count <= 3) examples += (examples.empty() ? "" : ", ") + ToUtf8(path);
  }
  if (count > 0) {
    notes->push_back("the installation deleted " + std::to_string(count) + " things of the system (" +
                     examples + (count > 3 ? ", ..." : "") + "); an image cannot hide what a client has");
  }
}

// Where packages came from: a folder of the machine that ran the set-up.
void DropSources(std::vector<image::KeyItem>* keys, Capture* out) {
  out->dropped_keys += std::erase_if(
      *keys, [](const image::KeyItem& key) { return key.root == "M" && IsPackageSourceKey(key.path); });
  for (auto& key : *keys) {
    if (key.root != "M") continue;
    std::erase_if(key.values, [&](const image::ValueItem& value) {
      return IsPackageSourceValue(key.path, value.name) && !SameFolded(value.name, u"LocalPackage");
    });
  }
}

// Copies of packages: of no use if nothing is installed later.
void DropPackages(std::vector<image::FileItem>* files, std::vector<image::KeyItem>* keys, Capture* out) {
  out->dropped_files += std::erase_if(*files, [](const image::FileItem& item) {
    return !item.directory && item.root == "C" && IsCachedPackage(item.path);
  });
  const bool icons = std::any_of(files->begin(), files->end(), [](const image::FileItem& item) {
    return item.root == "C" && SameFolded(ParentPath(item.path), u"Windows\\Installer");
  });
  if (!icons) {
    std::erase_if(*files, [](const image::FileItem& item) {
      return item.root == "C" && SameFolded(item.path, u"Windows\\Installer");
    });
  }
  for (auto& key : *keys) {
    if (key.root != "M") continue;
    std::erase_if(key.values,
                  [&](const image::ValueItem& value) { return IsPackageSourceValue(key.path, value.name); });
  }
}

Status CheckDrivers(const Options& options, Capture* out) {
  const auto drivers = FindDrivers(out->content);
  if (drivers.empty()) return Ok();
  std::string names;
  for (const std::string& driver : drivers) names += (names.empty() ? "" : ", ") + driver;
  if (!options.without_drivers) {
    return Error{Errc::kInvalid,
                 "capturing " + options.name + " failed: it installs drivers (" + names +
                     "), which no image can bring (install them on the clients with their own set-up, and "
                     "capture with --without-drivers)"};
  }
  DropDrivers(&out->content);
  out->notes.push_back("drivers were left out (" + names + "): the clients need them installed");
  return Ok();
}

// What both ways of capturing end with.
Status Finish(const Options& options, const Product& product, std::vector<image::EntryPoint> entry_points,
              Capture* out) {
  auto& content = out->content;
  if (content.files.empty() && content.keys.empty()) {
    return Error{Errc::kInvalid, "capturing " + options.name + " failed: nothing was installed"};
  }
  auto& config = content.config;
  config.name = options.name;
  config.version = options.version;
  config.display_name = product.display_name.empty() ? options.name : ToUtf8(product.display_name);
  config.publisher = ToUtf8(product.publisher);
  config.entry_points = std::move(entry_points);
  TRY(ChooseDefault(options.entry, &config.entry_points));
  if (config.entry_points.empty())
    out->notes.push_back("no program to start was found (name one with --entry)");
  config.key_count = content.keys.size();
  for (const auto& item : content.files) {
    if (item.directory) continue;
    ++config.file_count;
    if (item.kept) {
      config.byte_count += item.kept->size;
      continue;
    }
    auto info = os::SystemFiles().Stat(item.source);
    if (!info.ok()) return std::move(info).error();
    config.byte_count += info->size;
  }
  return Ok();
}

}  // namespace

Result<Capture> CaptureWorkspace(const Workspace& workspace, const Options& options) {
  Capture out;
  Machine machine = workspace.machine;
  machine.profile = workspace.profile;
  machine.user_sid = workspace.user_sid;
  std::optional<Base> base;
  std::optional<KeysBelow> keys_below;
  const KeySource* host_keys = workspace.host_keys;
  if (workspace.base) {
    base.emplace(*workspace.base, machine, workspace.deleted);
    if (host_keys) host_keys = &keys_below.emplace(*host_keys, *base);
  }
  const auto host_file = [&](std::u16string_view path) -> std::filesystem::path {
    if (!workspace.host_file || (base && base->FindFile(path))) return {};
    return workspace.host_file(path);
  };
  KeySet keys;
  if (workspace.keys) {
    ASSIGN(keys, ReadKeys(*workspace.keys, host_keys, workspace.user_sid,
                          [&](std::u16string_view path) { return base && base->FindKey(path) != nullptr; }));
  }
  Product product = FindProduct(keys.changed, options.name);
  if (base && product.display_name.empty()) {
    product.display_name = FromUtf8Lossy(base->content().config.display_name);
    product.publisher = FromUtf8Lossy(base->content().config.publisher);
  }
  Sifted sifted = SiftKeys(keys.changed, host_keys, workspace.user_sid);
  out.unchanged_keys = keys.unchanged;
  out.dropped_keys = sifted.dropped;
  if (keys.other_users > 0) {
    out.notes.push_back("settings of " + std::to_string(keys.other_users) +
                        " other user accounts were left out");
  }

  FileSet files;
  auto drives = os::SystemFiles().List(workspace.upper);
  if (!drives.ok() && drives.error().code != Errc::kNotFound) return std::move(drives).error();
  if (drives.ok()) {
    for (const auto& drive : *drives) {
      const std::u16string letter = FromUtf8Lossy(os::Utf8(drive.name));
      if (!drive.info.directory || letter.size() != 1) continue;
      if (!SameFolded(letter, u"C")) {
        out.notes.push_back("files on drive " + ToUtf8(letter) +
                            ": were left out (images hold drive C: and the profile)");
        continue;
      }
      TRY(AddTree(workspace.upper / drive.name, letter + u":", workspace.profile, true, host_file, &files));
    }
  }
  out.unchanged_files = files.unchanged;
  out.dropped_files = files.dropped;
  out.notes.insert(out.notes.end(), files.notes.begin(), files.notes.end());

  std::vector<Shortcut> shortcuts;
  {
    const Captured captured(&files.files, workspace.profile, base ? &*base : nullptr);
    shortcuts = ReadShortcuts(captured, workspace.profile, &out.notes);
    DropUninstallers(product, shortcuts, captured, &files.files, &out.dropped_files);
  }
  const bool on_demand =
      NeedsCachedPackages(sifted.keys) || (base && NeedsCachedPackages(base->content().keys)) ||
      std::any_of(shortcuts.begin(), shortcuts.end(), [](const Shortcut& s) { return s.link.advertised; });
  if (!on_demand) DropPackages(&files.files, &sifted.keys, &out);
  DropSources(&sifted.keys, &out);
  PruneDirectories(
      [&](const image::FileItem& item) {
        const std::u16string path = VirtualPath(item.root, item.path, workspace.profile);
        if (base) {
          if (const image::FileItem* below = base->FindFile(path))
            return below->directory && !base->Deleted(path);
        }
        if (!workspace.host_file) return false;
        const auto host = workspace.host_file(path);
        const auto info = os::SystemFiles().Stat(host);
        return info.ok() && info->directory;
      },
      &files.files);

  const Captured captured(&files.files, workspace.profile, base ? &*base : nullptr);
  NoteDeleted(workspace, captured, base ? &*base : nullptr, &out.notes);
  auto candidates = Candidates(shortcuts, sifted.keys, captured, workspace.profile);
  out.content.files = std::move(files.files);
  out.content.keys = std::move(sifted.keys);
  out.content.config.environment = std::move(sifted.environment);
  TRY(CheckDrivers(options, &out));
  TRY(MakePortable(
      machine, options.scratch,
      [&](const image::FileItem& item) {
        return workspace.host_file &&
               os::Exists(os::SystemFiles(),
                          workspace.host_file(VirtualPath(item.root, item.path, workspace.profile)));
      },
      &out.content, &out.notes, workspace.base));
  TRY(FindInFiles(machine, &out.content));
  if (const auto& places = out.content.config.machine_texts; !places.empty()) {
    out.notes.push_back(std::to_string(places.size()) +
                        " places in text files hold values of this machine, the first " + places[0].path +
                        ":" + std::to_string(places[0].line) + " (" + places[0].means +
                        "); files are taken as they are (plume image inspect lists the places)");
  }
  const Names names{options.name, &product, workspace.profile};
  if (!base) {
    TRY(Finish(options, product, RankEntryPoints(std::move(candidates), names), &out));
    return out;
  }
  TRY(LayOver(*base, &out.content));
  auto entry_points = MergeEntryPoints(*base, out.content, std::move(candidates), names);
  TRY(Finish(options, product, std::move(entry_points), &out));
  return out;
}

Result<Capture> CaptureFolder(const Folder& folder, const Options& options) {
  std::u16string at = folder.at;
  std::replace(at.begin(), at.end(), u'/', u'\\');
  while (at.size() > 3 && at.back() == u'\\') at.pop_back();
  if (at.size() < 4 || !SameFolded(at.substr(0, 3), u"C:\\")) {
    return Error{Errc::kInvalid, "adopting a folder failed: '" + ToUtf8(folder.at) +
                                     "' is not a folder on drive C: (say --at 'C:\\Program Files\\Name')"};
  }
  Capture out;
  FileSet files;
  TRY(AddTree(folder.directory, at, folder.profile, false, {}, &files));
  out.notes = std::move(files.notes);
  const Captured captured(&files.files, folder.profile);
  auto candidates = Candidates({}, {}, captured, folder.profile);
  const bool any_file = std::any_of(files.files.begin(), files.files.end(),
                                    [](const image::FileItem& f) { return !f.directory; });
  if (!any_file) {
    return Error{Errc::kInvalid, "adopting " + os::Utf8(folder.directory) + " failed: it holds no files"};
  }
  out.content.files = std::move(files.files);
  const Product none;
  TRY(Finish(options, none, RankEntryPoints(std::move(candidates), {options.name, &none, folder.profile}),
             &out));
  return out;
}

}  // namespace plume::capture
