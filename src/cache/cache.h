// The client's cache: verified catalogs, and the files of images as plain files, hydrated one by one on first
// need.
//
//   state/catalogs/<hex>.plc             the catalog, uncompressed, verified before the file got this name
//   state/catalogs/<hex>.manifest.json   the manifest it came with; <hex> is the manifest's SHA-256
//   state/catalogs/<hex>.config.json     the config blob
//   state/catalogs/<hex>.layer           the catalog as published, where the .plc has this machine's values
//   state/images/<hex>/<root>/...        hydrated files, complete and verified before they got their name
//   state/images/tmp/                    files being hydrated; emptied by Open
//   state/images/unsettled/              markers of files the system may not have written out yet (settle.h)
//
// Invariants: (1) a file with its final name has exactly the bytes, times and attributes of its catalog
// entry; (2) a crash at any instant leaves only (1) and rubbish that Open removes; (3) bytes that do not
// match the catalog are never written under a final name and never handed to a guest.
//
// Thread-safe. Calls block; concurrent requests for one file share one fetch.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/reader.h"
#include "os/clock.h"
#include "os/file.h"
#include "repository/repository.h"

namespace plume::cache {

struct Options {
  os::FileSystem* files = nullptr;  // default os::SystemFiles()
  os::Clock* clock = nullptr;       // default os::SystemClock()
  uint32_t connections = 4;         // ranges of one hydration fetched at the same time
  uint64_t max_range = 4u << 20;    // bytes of one request
  uint64_t max_gap = 32u << 10;     // unneeded bytes between two chunks that are cheaper to read than to skip
  uint64_t read_ahead = 128u << 10;      // a request asks for at least this much of a pack ...
  uint64_t read_ahead_kept = 16u << 20;  // ... and what was not needed yet is kept in memory, up to this much
  uint64_t overtake = 1u << 20;          // a miss waits for prefetched bytes that are at most this far away
  uint64_t prefetch_limit = 96u << 20;   // bytes fetched ahead for one start at most
  uint32_t offline_millis = 5000;  // how long a failed connection is remembered before it is tried again
  // What this machine puts in place of an image's variables, by their meaning ("profile").
  std::vector<std::pair<std::string, std::u16string>> variables{};
  // Told what was refused or not usable although nothing failed: a damaged delta. One line; any thread.
  std::function<void(const std::string&)> report{};
  bool probe = true;  // reconnect in the background while offline
};

// Since Open; what reports and benchmarks print.
struct Counters {
  uint64_t requests = 0;       // ranges asked of repositories
  uint64_t bytes = 0;          // bytes received in them
  uint64_t files_fetched = 0;  // hydrated with bytes just fetched from a repository
  uint64_t files_reused = 0;   // hydrated from other images, or bytes that came with another file's
  uint64_t bytes_reused = 0;   // plain bytes that did not have to be fetched
  uint64_t joined = 0;         // requests that found their file being fetched already
  uint64_t refused = 0;        // objects refused because their bytes were wrong
  uint64_t files_patched = 0;  // of files_fetched: made from an older version's file by a patch
};

// An attached image. Stays valid and at the same address until Remove or the end of the Cache.
struct Image {
  std::string digest;       // of the manifest: "sha256:<hex>"
  std::string config_json;  // image/content.h Config, as published
  os::Path catalog_path;    // what guests map
  os::Path files;           // state/images/<hex>
  catalog::Reader catalog;  // over a mapping owned by the Cache
};

struct ImageStatus {
  std::string digest;
  uint64_t files = 0, bytes = 0;              // hydrated
  uint64_t total_files = 0, total_bytes = 0;  // in the catalog
  bool offline = false;                       // its repository was unreachable when last tried
};

// What was fetched ahead for the last start.
struct PrefetchReport {
  std::vector<uint32_t> entries{};                   // what was missing of what was wanted, in order
  uint64_t files = 0;                                // of these: made
  uint64_t planned = 0, received = 0, requests = 0;  // bytes; ranges
  int64_t began = 0, ended = 0;                      // of Options::clock, monotonic microseconds
  bool running = false;
};

struct BadFile {
  std::string digest;  // of the image
  std::string path;    // "C\Program Files\A\a.dll"
  std::string why;
};

struct VerifyReport {
  uint64_t files = 0, bytes = 0;  // looked at
  std::vector<BadFile> bad;       // wrong content, times aside; or files that no catalog knows
};

// Called between files with what is done and what there is; returning false stops the operation (kBusy).
using Progress = std::function<bool(uint64_t done, uint64_t total)>;

class Cache {
 public:
  // Takes state/cache.lock (kBusy if another process has it), removes what a crash left, finds the images
  // that are here. `state` is created if missing. Options' objects must outlive the Cache.
  static Result<std::unique_ptr<Cache>> Open(const os::Path& state, const Options& options = {});
  virtual ~Cache() = default;

  // Makes the catalog of the manifest `digest` present, verified and mapped. Needs the repository only if it
  // is not here yet. Idempotent; a later call with another repository replaces where missing files come from.
  // `repository` may be null for an image that is here: then missing files are kUnreachable. Errors: kCorrupt
  // (wrong bytes), kInvalid (not an image of ours), kNotFound, kUnreachable, kNoSpace.
  virtual Result<const Image*> Attach(std::shared_ptr<repository::Repository> repository,
                                      const std::string& digest) = 0;
  virtual const Image* Find(const std::string& digest) const = 0;  // attached ones; nullptr if not
  virtual bool Holds(
      const std::string& digest) const = 0;  // whether Attach would succeed without a repository

  // Returns once the file (or directory) of this catalog entry is complete at PathOf. The miss path: present?
  // join a running fetch; take it from another image; fetch, verify, write, rename. Errors: kCorrupt
  // naming the file, kUnreachable (at once while known to be offline), kNoSpace, kInvalid (no such image or
  // entry). After any error nothing has the final name and the next call starts over.
  virtual Status EnsureFile(const std::string& digest, uint32_t entry) = 0;

  // Begins to fetch what is missing of these entries, the first ones first, and returns at once. Never an
  // error: what does not come is fetched on its miss.
  virtual void Prefetch(const std::string& digest, const std::vector<uint32_t>& entries) = 0;
  virtual PrefetchReport Prefetched(const std::string& digest) const = 0;
  // Whether the entry is complete; of the whole image's size on the line, its part.
  virtual bool Present(const std::string& digest, uint32_t entry) = 0;
  virtual uint64_t StoredBytes(const std::string& digest, uint32_t entry) const = 0;

  // Where the entry is (or will be) on this machine; kInvalid for an entry out of range or an illegal name.
  virtual Result<os::Path> PathOf(const std::string& digest, uint32_t entry) const = 0;
  // "C\Program Files\A\a.dll", for messages.
  virtual std::string NameOf(const std::string& digest, uint32_t entry) const = 0;

  // Hydrates every file of the image; what pinning is made of. Stops at the first error.
  virtual Status Complete(const std::string& digest, const Progress& progress = nullptr) = 0;

  virtual Result<std::vector<ImageStatus>> ImageStatuses() = 0;
  virtual Counters counters() const = 0;

  // Hashes every hydrated file of every image here against its catalog, and the catalogs against their
  // manifests.
  virtual Result<VerifyReport> Verify(const Progress& progress = nullptr) = 0;
  // Verify, then remove what is bad and fetch it again. The report lists what was bad; an error is a file
  // that could not be fetched again (it is then absent: hydrated on its next use).
  virtual Result<VerifyReport> Repair(const Progress& progress = nullptr) = 0;
  // Detaches the image and removes its files and catalog. REQUIRES: no VM uses it. kBusy while a file is
  // being hydrated or (Windows) mapped by a guest; then some files may be gone and the image is still usable.
  virtual Status Remove(const std::string& digest) = 0;
};

}  // namespace plume::cache
