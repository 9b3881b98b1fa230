// What an image consists of before it is packed: the input of image::Build, made by capture. Plain data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "os/sha256.h"

namespace plume::image {

// The bytes of a file are those of a file of an earlier image (Content::base), so nothing is read.
struct KeptBytes {
  uint32_t entry = 0;  // of that image's catalog
  uint64_t size = 0;
  os::Digest digest{};
};

// One file or directory. `path` is relative to `root` with backslashes ("Program Files\A\x.txt"); "" is the
// root.
struct FileItem {
  std::string root;  // "C" (drive C:) or "Profile" (the user's profile folder)
  std::u16string path;
  bool directory = false;
  uint32_t attributes = 0;            // FILE_ATTRIBUTE_*
  int64_t created = 0, modified = 0;  // FILETIME
  std::u16string short_name;          // 8.3 name if the source had one of its own
  std::filesystem::path source;       // where the bytes are (files), unless they are kept ones
  std::optional<KeptBytes> kept{};
};

struct ValueItem {
  std::u16string name;
  uint32_t type = 0;
  std::vector<uint8_t> data;
};

struct KeyItem {
  std::string root;     // "M" (\REGISTRY\MACHINE) or "CU" (current user)
  std::u16string path;  // "Software\A"
  int64_t modified = 0;
  std::vector<ValueItem> values;
};

// What a user can start. `path` is a virtual path, with %PROFILE% for the user's profile folder.
struct EntryPoint {
  std::string id, name, path, arguments, cwd;
};

// Environment of the image. kJoin: PATH-like, the items are put before the local value's, duplicates dropped.
struct EnvVar {
  std::string name, value;
  bool join = false;
};

// What stands in the registry for a value that every machine has its own of: `token` is found there
// literally; `means` says what is put in its place (docs/formats/config.md).
struct Variable {
  std::string token, means;
};

// A place in a text file of the image where a value of the machine stands that captured it. Told, never
// changed.
struct MachineText {
  std::string path;   // as a user reads it: "C:\A\a.ini", "%PROFILE%\a.ini"
  uint64_t line = 0;  // the first is 1
  std::string means;  // as of a Variable: "profile", "computer", ...
};

// The OCI config blob (docs/formats/config.md); JSON with "plume": 1, or 2 if there are variables.
struct Config {
  std::string name, version;
  std::string display_name, publisher;
  std::vector<EntryPoint> entry_points;  // the first is the default
  std::vector<EnvVar> environment;
  std::vector<Variable> variables;
  std::vector<MachineText> machine_texts{};
  // Entries of the catalog that a start needs, in its order (profile.h); filled in by the builder.
  std::vector<uint32_t> startup{};
  uint64_t file_count = 0, byte_count = 0, key_count = 0;
};

struct Content {
  std::string base{};  // digest of the image of the same store whose bytes are kept; empty: there is none
  Config config;
  std::vector<FileItem> files;
  std::vector<KeyItem> keys;
};

}  // namespace plume::image
