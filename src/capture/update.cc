#include "capture/update.h"

#include <algorithm>

#include "base/utf16.h"
#include "capture/environment.h"
#include "capture/files.h"
#include "capture/text.h"
#include "os/file.h"
#include "os/sha256.h"

namespace plume::capture {
namespace {

using Names16 = std::set<std::u16string>;  // folded

bool IsBelowAny(const Names16& names, std::u16string_view folded) {
  for (; !folded.empty(); folded = ParentPath(folded)) {
    if (names.contains(std::u16string(folded))) return true;
  }
  return false;
}

Result<bool> HasBytes(const os::Path& file, const image::KeptBytes& kept) {
  ASSIGN(const auto open, os::SystemFiles().Open(file, os::OpenMode::kRead));
  ASSIGN(const uint64_t size, open->Size());
  if (size != kept.size) return false;
  if (size == 0) return true;
  os::Sha256 hash;
  std::vector<uint8_t> buffer(256 << 10);
  for (uint64_t at = 0; at < size;) {
    ASSIGN(const size_t got, open->ReadAt(at, buffer));
    if (got == 0) return false;
    hash.Update(std::span<const uint8_t>(buffer.data(), got));
    at += got;
  }
  return hash.Finish() == kept.digest;
}

void MergeVariableLists(const std::vector<image::Variable>& more, std::vector<image::Variable>* all) {
  for (const image::Variable& variable : more) {
    const bool known = std::any_of(all->begin(), all->end(),
                                   [&](const image::Variable& v) { return v.token == variable.token; });
    if (!known) all->push_back(variable);
  }
  std::sort(all->begin(), all->end(), [](const image::Variable& a, const image::Variable& b) {
    return std::tie(a.means, a.token) < std::tie(b.means, b.token);
  });
}

// Of the image's places those in files that it still has.
void KeepMachineTexts(const image::Content& base, image::Content* content) {
  std::set<std::string> kept;
  for (const image::FileItem& item : content->files)
    if (item.kept) kept.insert(ToUtf8(VirtualPath(item.root, item.path, u"")));
  auto& places = content->config.machine_texts;
  std::erase_if(places, [&](const image::MachineText& place) { return kept.contains(place.path); });
  for (const image::MachineText& place : base.config.machine_texts)
    if (kept.contains(place.path)) places.push_back(place);
  std::stable_sort(places.begin(), places.end(),
                   [](const image::MachineText& a, const image::MachineText& b) { return a.path < b.path; });
}

Status LayFiles(const Base& base, std::vector<image::FileItem>* files) {
  Names16 upper_files, upper_directories;
  std::vector<image::FileItem> out, changed;
  for (image::FileItem& item : *files) {
    const std::u16string path = base.PathOf(item);
    const image::FileItem* below = base.FindFile(path);
    if (!item.directory && below != nullptr && !below->directory && below->attributes == item.attributes) {
      ASSIGN(const bool same, HasBytes(item.source, *below->kept));
      if (same) {
        upper_files.insert(Folded(path));
        out.push_back(*below);
        continue;
      }
    }
    (item.directory ? upper_directories : upper_files).insert(Folded(path));
    changed.push_back(std::move(item));
  }
  Names16 kept_directories;
  for (const image::FileItem& item : base.content().files) {
    const std::u16string path = Folded(base.PathOf(item));
    if (base.Deleted(path) || IsBelowAny(upper_files, path)) continue;
    if (!item.directory && upper_directories.contains(path)) continue;
    if (item.directory) kept_directories.insert(path);
    out.push_back(item);
  }
  for (image::FileItem& item : changed) {
    if (item.directory && kept_directories.contains(Folded(base.PathOf(item)))) continue;
    out.push_back(std::move(item));
  }
  *files = std::move(out);
  return Ok();
}

void LayKeys(const Base& base, std::vector<image::KeyItem>* keys) {
  std::set<std::pair<std::string, std::u16string>> upper;
  for (const image::KeyItem& key : *keys) upper.insert({key.root, Folded(key.path)});
  for (const image::KeyItem& key : base.content().keys) {
    if (upper.contains({key.root, Folded(key.path)}) || base.Deleted(base.PathOf(key))) continue;
    keys->push_back(key);
  }
}

}  // namespace

std::u16string Base::Folded(std::u16string_view path) { return capture::Folded(path); }

Base::Base(const image::Content& content, const Machine& machine, const std::vector<std::u16string>& deleted)
    : content_(content), profile_(machine.profile), sid_(machine.user_sid) {
  for (const std::u16string& path : deleted) deleted_.insert(Folded(path));
  for (const image::Variable& variable : content.config.variables) {
    if (variable.means == "sid") tokens_.emplace_back(FromUtf8Lossy(variable.token), machine.user_sid);
    if (variable.means == "machine-guid") tokens_.emplace_back(FromUtf8Lossy(variable.token), machine.guid);
  }
  const auto hold = [&](std::u16string_view path) {
    while (!path.empty() && held_.insert(std::u16string(path)).second) path = ParentPath(path);
  };
  for (const image::FileItem& item : content.files) {
    const std::u16string path = Folded(PathOf(item));
    files_[path] = &item;
    hold(path);
  }
  for (const image::KeyItem& key : content.keys) {
    const std::u16string path = Folded(PathOf(key));
    keys_[path] = &key;
    hold(path);
  }
}

bool Base::Deleted(std::u16string_view path) const { return IsBelowAny(deleted_, Folded(path)); }

std::u16string Base::PathOf(const image::FileItem& item) const {
  return VirtualPath(item.root, item.path, profile_);
}

std::u16string Base::PathOf(const image::KeyItem& item) const {
  std::u16string out = item.root == "M" ? std::u16string(u"M") : Join(u"U", sid_);
  for (const std::u16string_view part : SplitPath(item.path)) {
    const auto token =
        std::find_if(tokens_.begin(), tokens_.end(), [&](const auto& t) { return t.first == part; });
    out = Join(out, token == tokens_.end() ? part : std::u16string_view(token->second));
  }
  return out;
}

const image::FileItem* Base::FindFile(std::u16string_view virtual_path) const {
  const auto it = files_.find(Folded(virtual_path));
  return it == files_.end() ? nullptr : it->second;
}

const image::KeyItem* Base::FindKey(std::u16string_view canonical) const {
  const auto it = keys_.find(Folded(canonical));
  return it == keys_.end() ? nullptr : it->second;
}

bool KeysBelow::Read(std::u16string_view path, KeyContent* out) const {
  if (!host_.Read(path, out)) return false;
  if (const image::KeyItem* key = base_.FindKey(path)) {
    std::erase_if(out->values, [&](const image::ValueItem& value) {
      return std::any_of(key->values.begin(), key->values.end(),
                         [&](const image::ValueItem& own) { return SameFolded(own.name, value.name); });
    });
  }
  return true;
}

Status LayOver(const Base& base, image::Content* content) {
  TRY(LayFiles(base, &content->files));
  LayKeys(base, &content->keys);
  content->base = base.content().base;
  std::vector<image::EnvVar> environment = base.content().config.environment;
  MergeVariables(content->config.environment, &environment);
  content->config.environment = std::move(environment);
  KeepMachineTexts(base.content(), content);
  MergeVariableLists(base.content().config.variables, &content->config.variables);
  return Ok();
}

std::vector<image::EntryPoint> MergeEntryPoints(const Base& base, const image::Content& merged,
                                                std::vector<Candidate> candidates, const Names& names) {
  // As entry points name programs.
  Names16 before, now;
  for (const auto& [content, out] : {std::pair(&base.content(), &before), {&merged, &now}}) {
    for (const image::FileItem& item : content->files)
      if (!item.directory) out->insert(Folded(VirtualPath(item.root, item.path, u"")));
  }
  const auto path = [](const image::EntryPoint& entry) { return Folded(FromUtf8Lossy(entry.path)); };
  const auto middle = std::stable_partition(candidates.begin(), candidates.end(), [](const Candidate& c) {
    return c.kind != Candidate::Kind::kProgram;
  });
  const auto named = RankEntryPoints({candidates.begin(), middle}, names);
  const auto plain = RankEntryPoints({middle, candidates.end()}, names);

  std::vector<image::EntryPoint> out, more;
  const auto& old = base.content().config.entry_points;
  std::copy_if(old.begin(), old.end(), std::back_inserter(out), [&](const image::EntryPoint& entry) {
    return now.contains(path(entry)) || !before.contains(path(entry));
  });
  const bool same_default = !out.empty() && out.front().id == old.front().id;
  const auto find = [&](std::vector<image::EntryPoint>& list, const image::EntryPoint& wanted, bool by_path) {
    return std::find_if(list.begin(), list.end(), [&](const image::EntryPoint& entry) {
      return entry.id == wanted.id || (by_path && path(entry) == path(wanted));
    });
  };
  for (const image::EntryPoint& entry : named) {
    if (const auto known = find(out, entry, false); known != out.end())
      *known = entry;
    else
      more.push_back(entry);
  }
  for (const image::EntryPoint& entry : plain) {
    if (find(out, entry, true) == out.end() && find(more, entry, true) == more.end()) more.push_back(entry);
  }
  out.insert(same_default ? out.end() : out.begin(), more.begin(), more.end());
  return out;
}

}  // namespace plume::capture
