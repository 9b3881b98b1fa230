#include "repository/retry.h"

#include <algorithm>

#include "os/random.h"

namespace plume::repository {
namespace {

constexpr uint32_t kMaxPauseMs = 10'000;
constexpr uint32_t kReadPatienceMs = 30'000;
// What a try must bring to earn new ones: a server that sends a byte and falls silent gets nowhere.
constexpr uint64_t kLeastProgress = 4096;

class Retrying : public Repository {
 public:
  Retrying(std::unique_ptr<Repository> inner, os::Clock& clock, int tries)
      : inner_(std::move(inner)), clock_(clock), tries_(tries) {}

  std::string Name() const override { return inner_->Name(); }
  Result<ManifestBlob> GetManifest(const std::string& tag_or_digest) override {
    return Try(kReadPatienceMs, [&] { return inner_->GetManifest(tag_or_digest); });
  }
  Result<bool> HasBlob(const std::string& digest) override {
    return Try(kReadPatienceMs, [&] { return inner_->HasBlob(digest); });
  }
  Status PutBlob(const std::string& digest, uint64_t size,
                 const std::function<Status(const Sink&)>& read) override {
    return Try(UINT32_MAX, [&] { return inner_->PutBlob(digest, size, read); });
  }
  Status PutManifest(const std::string& tag, const ManifestBlob& manifest) override {
    return Try(UINT32_MAX, [&] { return inner_->PutManifest(tag, manifest); });
  }
  Result<std::vector<std::string>> Tags() override {
    return Try(kReadPatienceMs, [&] { return inner_->Tags(); });
  }
  Result<std::vector<Referrer>> Referrers(const std::string& subject,
                                          const std::string& artifact_type) override {
    return Try(kReadPatienceMs, [&] { return inner_->Referrers(subject, artifact_type); });
  }
  Status PutReferrer(const ManifestBlob& manifest) override {
    return Try(UINT32_MAX, [&] { return inner_->PutReferrer(manifest); });
  }

  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) override {
    uint64_t delivered = 0, mark = 0;
    Status of_sink;
    const Sink counting = [&](std::span<const uint8_t> piece) -> Status {
      of_sink = sink(piece);
      if (of_sink.ok()) delivered += piece.size();
      return of_sink;
    };
    const auto afresh = [&] { return std::make_unique<Backoff>(clock_, tries_, kReadPatienceMs); };
    auto backoff = afresh();
    for (;;) {
      if (length != 0 && delivered == length) return Ok();  // it broke behind the last byte that matters
      Status status = inner_->ReadBlob(digest, offset + delivered, length ? length - delivered : 0, counting);
      if (status.ok() || !of_sink.ok()) return status;
      // Progress earns new tries: a long blob gets through over a bad line.
      if (delivered - mark >= kLeastProgress) {
        backoff = afresh();
        mark = delivered;
      }
      if (!backoff->Again(status.error())) return status;
    }
  }

 private:
  template <typename Call>
  auto Try(uint32_t patience_ms, Call&& call) -> decltype(call()) {
    Backoff backoff(clock_, tries_, patience_ms);
    for (;;) {
      auto result = call();
      if (result.ok() || !backoff.Again(result.error())) return result;
    }
  }

  const std::unique_ptr<Repository> inner_;
  os::Clock& clock_;
  const int tries_;
};

class Faulty : public Repository {
 public:
  Faulty(std::unique_ptr<Repository> inner, os::FaultPlan& plan) : inner_(std::move(inner)), plan_(plan) {}
  std::string Name() const override { return inner_->Name(); }
  Result<ManifestBlob> GetManifest(const std::string& tag_or_digest) override {
    TRY(plan_.Step("manifest", tag_or_digest));
    return inner_->GetManifest(tag_or_digest);
  }
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) override {
    return inner_->ReadBlob(digest, offset, length, [&](std::span<const uint8_t> piece) -> Status {
      if (Status fault = plan_.Step("read", digest); !fault.ok()) {
        TRY(sink(piece.first(piece.size() / 2)));
        return fault;
      }
      return sink(piece);
    });
  }
  Result<bool> HasBlob(const std::string& digest) override {
    TRY(plan_.Step("has", digest));
    return inner_->HasBlob(digest);
  }
  Status PutBlob(const std::string& digest, uint64_t size,
                 const std::function<Status(const Sink&)>& read) override {
    TRY(plan_.Step("put", digest));
    return inner_->PutBlob(digest, size, read);
  }
  Status PutManifest(const std::string& tag, const ManifestBlob& manifest) override {
    TRY(plan_.Step("put-manifest", tag));
    return inner_->PutManifest(tag, manifest);
  }
  Result<std::vector<std::string>> Tags() override {
    TRY(plan_.Step("tags", Name()));
    return inner_->Tags();
  }
  Result<std::vector<Referrer>> Referrers(const std::string& subject,
                                          const std::string& artifact_type) override {
    TRY(plan_.Step("referrers", subject));
    return inner_->Referrers(subject, artifact_type);
  }
  Status PutReferrer(const ManifestBlob& manifest) override {
    TRY(plan_.Step("put-referrer", manifest.digest));
    return inner_->PutReferrer(manifest);
  }

 private:
  const std::unique_ptr<Repository> inner_;
  os::FaultPlan& plan_;
};

}  // namespace

bool Backoff::Again(const Error& error) {
  if (error.code != Errc::kUnreachable || left_ <= 0 || clock_.MonotonicMicros() >= end_) return false;
  --left_;
  clock_.SleepMillis(pause_ms_ - static_cast<uint32_t>(os::RandomNumber() % (pause_ms_ / 2)));
  pause_ms_ = std::min(pause_ms_ * 3, kMaxPauseMs);
  return true;
}

std::unique_ptr<Repository> MakeRetrying(std::unique_ptr<Repository> inner, os::Clock& clock, int tries) {
  return std::make_unique<Retrying>(std::move(inner), clock, tries);
}

std::unique_ptr<Repository> MakeFaulty(std::unique_ptr<Repository> inner, os::FaultPlan& plan) {
  return std::make_unique<Faulty>(std::move(inner), plan);
}

}  // namespace plume::repository
