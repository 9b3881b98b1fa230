// A new version of an image: the image that a VM ran over, without what the VM deleted, with what it changed
// on top. Pure but for LayOver, which reads files to compare them.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/capture.h"
#include "capture/entry_points.h"
#include "image/content.h"

namespace plume::capture {

// The image below the VM, found by the names that its guests saw. The content must outlive this.
class Base {
 public:
  // `machine`: with the profile and SID of the VM's user. `deleted` as in Workspace.
  Base(const image::Content& content, const Machine& machine, const std::vector<std::u16string>& deleted);

  const image::Content& content() const { return content_; }
  const image::FileItem* FindFile(std::u16string_view virtual_path) const;
  const image::KeyItem* FindKey(std::u16string_view canonical) const;  // "M\Software\A", "U\<sid>\Software"
  // What the VM deleted is found, too.
  bool Deleted(std::u16string_view path) const;
  // Whether the image has it, or something below it.
  bool Holds(std::u16string_view path) const { return held_.contains(Folded(path)); }

  std::u16string PathOf(const image::FileItem& item) const;  // any item's of this VM
  std::u16string PathOf(const image::KeyItem& item) const;

 private:
  static std::u16string Folded(std::u16string_view path);
  const image::Content& content_;
  std::u16string profile_, sid_;
  std::vector<std::pair<std::u16string, std::u16string>> tokens_;  // in names of keys
  std::map<std::u16string, const image::FileItem*> files_;
  std::map<std::u16string, const image::KeyItem*> keys_;
  std::set<std::u16string> held_, deleted_;
};

// The registry below the image: what the image has too is the application's, whatever the host has.
class KeysBelow : public KeySource {
 public:
  KeysBelow(const KeySource& host, const Base& base) : host_(host), base_(base) {}
  bool Read(std::u16string_view path, KeyContent* out) const override;

 private:
  const KeySource& host_;
  const Base& base_;
};

// `content`: what the VM changed, ready for an image but for its entry points; afterwards the whole new
// version. A file whose bytes the image has at that place stays the image's.
Status LayOver(const Base& base, image::Content* content);

// The entry points of the new version. What the image says stays while its program is there; what the VM's
// shortcuts and App Paths say replaces what has the same id; programs that nothing names are added if they
// are new.
std::vector<image::EntryPoint> MergeEntryPoints(const Base& base, const image::Content& merged,
                                                std::vector<Candidate> candidates, const Names& names);

}  // namespace plume::capture
