#include "cache/audit.h"

#include <algorithm>
#include <cstring>

#include "base/utf16.h"
#include "os/sha256.h"

namespace plume::cache {
namespace {

Status Walk(os::FileSystem& files, const os::Path& root, const os::Path& relative,
            const std::function<Status(const os::Path&, const os::FileInfo&)>& visit) {
  auto entries = files.List(root / relative);
  if (!entries.ok()) {
    if (entries.error().code == Errc::kNotFound) return Ok();
    return std::move(entries).error();
  }
  std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const os::DirectoryEntry& entry : *entries) {
    if (entry.info.directory) {
      TRY(Walk(files, root, relative / entry.name, visit));
    } else {
      TRY(visit(relative / entry.name, entry.info));
    }
  }
  return Ok();
}

// With backslashes on every system, as reports show it.
std::string Shown(const os::Path& relative) {
  std::string text;
  for (const os::Path& component : relative) {
    if (!text.empty()) text += '\\';
    text += os::Utf8(component);
  }
  return text;
}

// "" if the file has the bytes of its entry, else what is wrong with it.
std::string CheckFile(os::FileSystem& files, const ImageData& image, uint32_t e, const os::Path& path,
                      const os::FileInfo& info) {
  const catalog::Entry& entry = image.catalog().entry(e);
  if (image.IsDirectory(e)) return std::string("it is a directory in the image");
  if (info.size != entry.size()) {
    return "it has " + std::to_string(info.size) + " bytes instead of " + std::to_string(entry.size());
  }
  auto opened = files.Open(path, os::OpenMode::kRead);
  if (!opened.ok()) return "it cannot be read: " + opened.error().message;
  os::Bytes bytes;
  uint64_t offset = 0;
  for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
    const catalog::Chunk& chunk = image.chunk(image.ChunkOf(entry, i));
    bytes.resize(chunk.size());
    auto got = (*opened)->ReadAt(offset, bytes);
    if (!got.ok()) return "it cannot be read: " + got.error().message;
    const os::Digest digest = os::Sha256::Of(os::ByteView(bytes.data(), *got));
    if (std::memcmp(digest.data(), chunk.digest().bytes()->data(), digest.size()) != 0) {
      return "its bytes from " + std::to_string(offset) + " on are wrong";
    }
    offset += chunk.size();
  }
  return std::string();
}

Status CheckCatalog(os::FileSystem& files, const Places& places, const ImageData& image,
                    VerifyReport* report) {
  const std::string hex = image.image().digest.substr(7);
  auto expected = os::ReadText(files, places.CatalogHash(hex), 256);
  auto bytes = os::ReadFile(files, places.Catalog(hex));
  if (!expected.ok() || !bytes.ok() || os::DigestText(os::Sha256::Of(os::ByteView(*bytes))) != *expected) {
    report->bad.push_back(BadFile{image.image().digest, "", "its catalog is damaged"});
  }
  return Ok();
}

}  // namespace

Status WalkFiles(os::FileSystem& files, const os::Path& root,
                 const std::function<Status(const os::Path&, const os::FileInfo&)>& visit) {
  return Walk(files, root, os::Path(), visit);
}

std::string CheckHydrated(os::FileSystem& files, const ImageData& image, uint32_t entry) {
  const os::Path path = image.PathOf(entry);
  auto info = files.Stat(path);
  if (!info.ok())
    return info.error().code == Errc::kNotFound ? "" : "it cannot be read: " + info.error().message;
  return CheckFile(files, image, entry, path, *info);
}

Result<VerifyReport> Audit(os::FileSystem& files, const Places& places,
                           const std::vector<std::shared_ptr<ImageData>>& images, const Progress& progress) {
  VerifyReport report;
  uint64_t total = 0;
  if (progress) {
    for (const auto& image : images) {
      TRY(WalkFiles(files, image->image().files, [&](const os::Path&, const os::FileInfo&) {
        ++total;
        return Ok();
      }));
    }
  }
  for (const auto& image : images) {
    TRY(CheckCatalog(files, places, *image, &report));
    const os::Path& root = image->image().files;
    TRY(WalkFiles(files, root, [&](const os::Path& relative, const os::FileInfo& info) -> Status {
      const uint32_t entry = image->EntryOf(relative);
      std::string why = "no catalog knows it";
      if (entry != catalog::kNone) {
        why = CheckFile(files, *image, entry, root / relative, info);
      }
      if (!why.empty()) report.bad.push_back(BadFile{image->image().digest, Shown(relative), std::move(why)});
      ++report.files;
      report.bytes += info.size;
      if (progress && !progress(report.files, std::max(total, report.files)))
        return Error{Errc::kBusy, "stopped"};
      return Ok();
    }));
  }
  return report;
}

}  // namespace plume::cache
