// A fresh temporary folder for one test, removed with it.
#pragma once
#include "os/file.h"

namespace plume::os::testing {

class TestFolder {
 public:
  TestFolder() : path_(TemporaryName(std::filesystem::temp_directory_path(), "plume-test")) {
    (void)SystemFiles().MakeDirectories(path_);
  }
  ~TestFolder() { (void)RemoveTree(SystemFiles(), path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const Path& path() const { return path_; }
  Path operator/(std::string_view name) const { return path_ / FromUtf8(name); }

 private:
  const Path path_;
};

}  // namespace plume::os::testing
