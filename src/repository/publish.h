// Whole images between stores and repositories.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "image/store.h"
#include "repository/repository.h"

namespace plume::repository {

struct TransferProgress {
  uint64_t blobs_done = 0, blobs_total = 0;
  uint64_t bytes_done = 0, bytes_total = 0;  // present ones count as done
};
using OnTransfer = std::function<void(const TransferProgress&)>;

struct TransferStats {
  std::string digest;  // of the manifest
  uint64_t blobs_moved = 0, bytes_moved = 0, blobs_present = 0;
};

// Sends the blobs the repository does not have, then the manifest under each tag: a reader never sees an
// incomplete image.
Result<TransferStats> Publish(const image::Store& store, const image::ImageRef& image, Repository& to,
                              const std::vector<std::string>& tags, const OnTransfer& progress = nullptr);

// Fetches the image `tag_or_digest` whole into the store and tags it NAME:VERSION; every blob is verified on
// the way.
Result<TransferStats> Pull(Repository& from, const std::string& tag_or_digest, image::Store& store,
                           const OnTransfer& progress = nullptr);

// From repository to repository, without a store.
Result<TransferStats> Copy(Repository& from, const std::string& tag_or_digest, Repository& to,
                           const std::vector<std::string>& tags, const OnTransfer& progress = nullptr);

// The repository of an application below what a user names as REPO: "http://host:5000" + "app" ->
// "http://host:5000/app". A REPO that already ends in "/NAME" stays.
std::string RepositoryOf(const std::string& repo, const std::string& name);

}  // namespace plume::repository
