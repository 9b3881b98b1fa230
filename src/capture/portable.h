// What makes an installation one machine's and one moment's: found and replaced, so that the same set-up
// gives the same image wherever it is captured, and the image is right wherever it runs. Pure but for
// MakePortable, which reads and writes files. docs/formats/capture-rules.md, "What is one machine's".
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/content.h"

namespace plume::capture {

// The machine on which the set-up ran. What is empty is not looked for.
struct Machine {
  std::u16string profile, temp;  // folders: "C:\users\ann", "C:\users\ann\AppData\Local\Temp"
  std::u16string user, computer;
  std::u16string user_sid;
  std::u16string guid;  // HKLM\Software\Microsoft\Cryptography\MachineGuid
  int64_t begin = 0;    // FILETIME: when the workspace was made; what is later was not brought by the set-up
};

// What files and keys get that have no time of their own: 2000-01-01 UTC, as FILETIME.
inline constexpr int64_t kImageEpoch = 125911584000000000;

// Finds what is the machine's own in texts of the registry and puts variables in its place.
class Variables {
 public:
  // `marker` begins every variable; no text of the image may hold it (FreeMarker).
  Variables(const Machine& machine, std::u16string marker) : machine_(machine), marker_(std::move(marker)) {}

  // In a key's path: whole components. In a value: see the page of the formats. True if anything was
  // replaced.
  bool ReplaceInKey(std::u16string* path);
  bool ReplaceInValue(std::u16string_view value_name, uint32_t type, std::vector<uint8_t>* data);
  // The same for one text, terminating zeros included.
  bool ReplaceInText(std::u16string_view value_name, std::u16string* text);

  // The variables used so far, sorted.
  std::vector<image::Variable> Used() const;

 private:
  std::u16string Token(const char* means);
  bool ReplaceFolder(const std::u16string& folder, const char* means, std::u16string* text);
  bool ReplaceTemp(std::u16string* text);
  bool ReplaceWord(const std::u16string& word, const char* means, std::u16string* text);

  const Machine& machine_;
  std::u16string marker_;
  std::vector<std::string> used_;
};

// "%{plume:", or a longer one if some text of `keys` has that already. The marker of the variables of `base`,
// if it may be: then the new version has one.
std::u16string FreeMarker(const std::vector<image::KeyItem>& keys, const image::Content* base = nullptr);

// Packages that Windows Installer keeps get names made of their product's code instead of random ones.
void NamePackages(std::vector<image::FileItem>* files, std::vector<image::KeyItem>* keys);

// Does all of it to what was captured. `on_host` says whether the machine has such a file too; what must be
// rewritten goes to the folder `scratch`, which must live until the image is built (empty: nothing is
// rewritten). `base`: of which image it is the new part; may be null.
Status MakePortable(const Machine& machine, const std::filesystem::path& scratch,
                    const std::function<bool(const image::FileItem&)>& on_host, image::Content* content,
                    std::vector<std::string>* notes, const image::Content* base = nullptr);

}  // namespace plume::capture
