#include "image/store.h"

#include <algorithm>

namespace plume::image {
namespace {

constexpr size_t kMinPrefix = 6;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view AsText(const os::Bytes& bytes) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

int CompareVersions(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (IsDigit(a[i]) && IsDigit(b[j])) {
      while (i < a.size() && a[i] == '0') ++i;
      while (j < b.size() && b[j] == '0') ++j;
      size_t m = i, n = j;
      while (m < a.size() && IsDigit(a[m])) ++m;
      while (n < b.size() && IsDigit(b[n])) ++n;
      if (m - i != n - j) return m - i < n - j ? -1 : 1;
      if (const int order = a.substr(i, m - i).compare(b.substr(j, n - j)); order != 0) return order;
      i = m;
      j = n;
    } else if (a[i] != b[j]) {
      return a[i] < b[j] ? -1 : 1;
    } else {
      ++i;
      ++j;
    }
  }
  if (i == a.size() && j == b.size()) return 0;
  // "1.0-rc1" comes before "1.0", "1.0.1" after it.
  if (i == a.size()) return b[j] == '-' ? 1 : -1;
  return a[i] == '-' ? -1 : 1;
}

Result<std::unique_ptr<Store>> Store::Open(os::FileSystem& files, const os::Path& directory) {
  ASSIGN(std::unique_ptr<Layout> layout, Layout::Open(files, directory, /*create=*/true));
  return std::unique_ptr<Store>(new Store(std::move(layout)));
}

Result<std::vector<ImageRef>> Store::List() const {
  ASSIGN(const std::vector<LayoutEntry> entries, layout_->Entries());
  std::vector<ImageRef> images;
  for (const LayoutEntry& entry : entries) {
    const size_t colon = entry.ref_name.rfind(':');
    if (colon == std::string::npos) continue;  // made by another tool
    ImageRef image{entry.ref_name.substr(0, colon), entry.ref_name.substr(colon + 1), entry.manifest.digest};
    if (IsImageName(image.name) && IsImageVersion(image.version)) images.push_back(std::move(image));
  }
  std::sort(images.begin(), images.end(), [](const ImageRef& a, const ImageRef& b) {
    if (a.name != b.name) return a.name < b.name;
    const int order = CompareVersions(a.version, b.version);
    return order != 0 ? order < 0 : a.version < b.version;
  });
  return images;
}

Result<ImageRef> Store::Resolve(const std::string& ref) const {
  ASSIGN(const std::vector<ImageRef> images, List());
  for (const ImageRef& image : images) {
    if (image.Text() == ref || image.digest == ref) return image;
  }
  const ImageRef* newest = nullptr;
  for (const ImageRef& image : images) {
    if (image.name == ref) newest = &image;  // sorted by version
  }
  if (newest) return *newest;
  const std::string prefix = ref.starts_with("sha256:") ? ref.substr(7) : ref;
  if (prefix.size() >= kMinPrefix && IsHex(prefix)) {
    const ImageRef* match = nullptr;
    for (const ImageRef& image : images) {
      if (!std::string_view(image.digest).substr(7).starts_with(prefix)) continue;
      if (match && match->digest != image.digest) {
        return Error{Errc::kInvalid,
                     "finding the image " + ref + ": several digests begin so (give more digits)"};
      }
      match = &image;
    }
    if (match) return *match;
  }
  return Error{Errc::kNotFound,
               "finding the image " + ref + ": it is not in the local store (see plume image list)"};
}

Result<Manifest> Store::ReadManifest(const std::string& digest) const {
  ASSIGN(const os::Bytes bytes, layout_->ReadBlob(digest, kMaxManifestBytes));
  return ParseManifest(AsText(bytes));
}

Result<Config> Store::ReadConfig(const Manifest& manifest) const {
  ASSIGN(const os::Bytes bytes, layout_->ReadBlob(manifest.config.digest, kMaxConfigBytes));
  return ParseConfig(AsText(bytes));
}

Result<ImageRef> Store::Tag(const std::string& manifest_digest) {
  ASSIGN(const os::Bytes bytes, layout_->ReadBlob(manifest_digest, kMaxManifestBytes));
  ASSIGN(const Manifest manifest, ParseManifest(AsText(bytes)));
  for (const Descriptor& blob : manifest.Blobs()) {
    ASSIGN(const uint64_t size, layout_->BlobSize(blob.digest));
    if (size != blob.size) {
      return Error{Errc::kCorrupt, "tagging " + manifest.name + ":" + manifest.version + ": the blob " +
                                       blob.digest + " has " + std::to_string(size) + " bytes instead of " +
                                       std::to_string(blob.size)};
    }
  }
  const ImageRef image{manifest.name, manifest.version, manifest_digest};
  TRY(layout_->Set({image.Text(), {kManifestMediaType, manifest_digest, bytes.size()}}));
  return image;
}

Status Store::Remove(const ImageRef& image) { return layout_->Erase(image.Text()); }

}  // namespace plume::image
