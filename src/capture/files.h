// The files of a workspace or folder: walking, comparing with the host. Nothing is copied.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/content.h"

namespace plume::capture {

struct FileSet {
  std::vector<image::FileItem> files;
  std::vector<std::string> notes;
  uint64_t dropped = 0, unchanged = 0;
};

// Where a virtual path hangs in an image: root "Profile" or the drive's letter, and the path below it.
struct Place {
  std::string root;
  std::u16string path;
};
Place PlaceOf(std::u16string_view virtual_path, std::u16string_view profile);
// The way back, with the given profile folder.
std::u16string VirtualPath(const std::string& root, std::u16string_view path, std::u16string_view profile);

// Takes over everything below `directory`, which guests see at the virtual path `at`; directories leading
// there are added. With `sift`, residue is dropped. `host_file` as in Workspace; may be empty.
Status AddTree(const std::filesystem::path& directory, std::u16string_view at, std::u16string_view profile,
               bool sift, const std::function<std::filesystem::path(std::u16string_view)>& host_file,
               FileSet* out);

// Removes directories that the host has too and that nothing captured lies in, and the folders above an empty
// rest.
void PruneDirectories(const std::function<bool(const image::FileItem&)>& on_host,
                      std::vector<image::FileItem>* files);

// 8.3 names of a directory's entries as pairs (name, short name); only systems that keep such names give any.
std::vector<std::pair<std::u16string, std::u16string>> ShortNames(const std::filesystem::path& directory);

}  // namespace plume::capture
