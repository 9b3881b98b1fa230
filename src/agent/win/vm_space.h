// A VM's namespace as the agent sees it: the compiled view, the catalogs and the VM index, mapped. Answers
// where a virtual path really is, and gives the layers to diff and explain. Windows. Thread-safe after Open
// (reads only).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "agent/diff.h"
#include "agent/policy.h"
#include "agent/state.h"
#include "base/result.h"
#include "os/mapped_file.h"
#include "view/lookup.h"
#include "wire/view_generated.h"

namespace plume::agent {

// A parsed canonical path with its storage.
class OwnedPath {
 public:
  static Result<std::unique_ptr<OwnedPath>> Parse(std::u16string_view canonical);
  const view::VPath& path() const { return path_; }

 private:
  std::u16string storage_;
  view::VPath path_;
};

enum class Place : uint8_t { kNone, kUpper, kImage, kHost };

struct Located {
  view::Lookup lookup;
  Place place = Place::kNone;
  bool directory = false;
  std::u16string real;              // DOS path (files), registry path below the root (keys)
  int layer = -1;                   // kImage: position in the view
  uint32_t entry = catalog::kNone;  // kImage
};

class VmSpace {
 public:
  static Result<std::unique_ptr<VmSpace>> Open(const StatePaths& state, const std::u16string& vm_id,
                                               uint32_t workspace);

  const view::Space& space() const { return space_; }
  const wire::View& view() const { return *view_; }
  std::string LayerDigest(int layer) const;
  std::string RuleOrigin(const view::Lookup& lookup, bool registry) const;

  // Where `canonical` ("C:\x") is now. Does not hydrate: `real` of an image file may not exist yet.
  Result<Located> LocateFile(std::u16string_view canonical) const;
  Result<Located> LocateKey(std::u16string_view canonical) const;

  // Whether the VM, by itself or its images, has a service that starts with it (services.cc).
  bool StartsServices() const;

  std::vector<IndexRecord> Records() const;
  std::vector<std::u16string> Whiteouts() const;
  Result<std::vector<Change>> ComputeDiff() const;

 private:
  class Files;
  class Keys;
  VmSpace() = default;
  // The top image layer that has `path`, whiteouts not applied; kNone entry if none.
  uint32_t FindInImages(const view::VPath& path, bool registry, int* mount) const;
  std::u16string ImagePath(int mount, const view::VPath& path) const;

  os::MappedFile view_file_, index_file_;
  std::vector<os::MappedFile> catalog_files_;
  const wire::View* view_ = nullptr;
  std::vector<view::Rule> file_rules_, key_rules_;
  std::vector<view::MountPoint> mounts_;
  std::vector<std::u16string> mount_real_;
  std::vector<catalog::Reader> catalogs_;
  view::VmIndex index_;
  view::Space space_;
  std::u16string upper_, registry_upper_;
};

}  // namespace plume::agent
