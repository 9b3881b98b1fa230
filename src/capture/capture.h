// From what an installer left behind, or from a plain folder, to the content of an image.
//
//   Result<Capture> c = CaptureWorkspace(workspace, options);   // a VM's upper layer, over an image's
//   content or alone Result<Capture> c = CaptureFolder(folder, options);         // a folder that needs no
//   installer
//   ... image::Build(c->content, ...)
//
// Nothing is copied here: FileItem.source names where the bytes are, so the workspace must not change until
// the image is built. What is left out (temporary files, caches, uninstallers, machine state) is decided by
// the tables in rules.cc, documented in docs/formats/capture-rules.md. Not thread-safe; no state is kept
// between calls.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/portable.h"
#include "image/content.h"

namespace plume::capture {

struct Options {
  std::string name, version;  // of the image
  std::string entry;          // default entry point: id, file name or path; empty = the best one found
  // An empty folder for files that are rewritten; it must live until the image is built. Empty: none are.
  std::filesystem::path scratch{};
  bool without_drivers = false;  // leave drivers out; else a set-up that installs some is refused
};

// Where a registry tree is read from: the upper layer or the host. Paths are canonical ("M\Software\A",
// "U\<sid>\Software"), "M" and "U" themselves included.
struct KeyContent {
  std::vector<image::ValueItem> values;
  std::vector<std::u16string> subkeys;
  int64_t modified = 0;
};
class KeySource {
 public:
  virtual ~KeySource() = default;
  // False if there is no such key (or it may not be read).
  virtual bool Read(std::u16string_view path, KeyContent* out) const = 0;
};

// A VM's private workspace. The VM must not be running.
struct Workspace {
  std::filesystem::path upper;  // state/vms/<id>/upper: below it "C\Program Files\..."
  std::u16string profile;       // the user's profile folder as guests saw it: "C:\users\ann"
  std::u16string user_sid;      // "S-1-5-21-..."
  Machine machine;  // whose values are replaced by variables; its profile and user_sid are those above
  const KeySource* keys = nullptr;  // the registry upper; null = none
  // The host below the VM, to tell a change from an untouched copy. host_file maps a virtual path to a real
  // one (an empty path = cannot say); both may be missing.
  std::function<std::filesystem::path(std::u16string_view)> host_file;
  const KeySource* host_keys = nullptr;
  // Canonical paths that the VM deleted from lower layers (whiteouts). What the base has of them is left out;
  // an image cannot hide what a client has: the others become notes.
  std::vector<std::u16string> deleted;
  // The image that the VM runs over (image::ReadContent): then what is made is a new version of it. Null:
  // there is none.
  const image::Content* base = nullptr;
};

struct Folder {
  std::filesystem::path directory;  // what is adopted
  std::u16string at;                // where guests will see it: "C:\Program Files\X"
  std::u16string profile;           // if `at` may lie in the profile folder; may be empty
};

// Content plus what the administrator should know about it.
struct Capture {
  image::Content content;
  std::vector<std::string> notes;  // plain sentences: what could not be taken over, what to check
  uint64_t dropped_files = 0, dropped_keys = 0, unchanged_files = 0, unchanged_keys = 0;
};

// Errors: kInvalid (nothing was installed; drivers; an entry that does not exist), kNotFound, kDenied
// (unreadable workspace).
Result<Capture> CaptureWorkspace(const Workspace& workspace, const Options& options);
Result<Capture> CaptureFolder(const Folder& folder, const Options& options);

#ifdef _WIN32
// The registry upper of a VM: `key` is relative to the current user's key
// ("Software\Plume\<state>\VMs\<id>").
std::unique_ptr<KeySource> OpenUpperKeys(const std::u16string& key);
// This machine's registry, 64-bit view ("U\<sid>" is HKEY_USERS\<sid>).
std::unique_ptr<KeySource> OpenHostKeys();
// host_file for this machine: the virtual path itself.
std::filesystem::path HostFile(std::u16string_view virtual_path);
#endif

}  // namespace plume::capture
