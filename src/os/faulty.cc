#include "os/faulty.h"

namespace plume::os {

Status FaultPlan::Step(const char* kind, const std::string& what) {
  const uint64_t step = next_.fetch_add(1);
  if (nth_ == kNever || (sticky_ ? step < nth_ : step != nth_)) return Ok();
  if (on_fault) on_fault(kind, what);
  return Error{error_, std::string(kind) + " " + what + ": injected fault at step " + std::to_string(step)};
}

namespace {

class FaultyFile : public File {
 public:
  FaultyFile(std::unique_ptr<File> inner, FaultPlan& plan, std::string name)
      : inner_(std::move(inner)), plan_(plan), name_(std::move(name)) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    TRY(plan_.Step("read", name_));
    return inner_->ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset, ByteView bytes) override {
    if (Status fault = plan_.Step("write", name_); !fault.ok()) {
      (void)inner_->WriteAt(offset, bytes.first(bytes.size() / 2));  // a torn write
      return fault;
    }
    return inner_->WriteAt(offset, bytes);
  }
  Result<uint64_t> Size() override { return inner_->Size(); }
  Status Truncate(uint64_t size) override {
    TRY(plan_.Step("write", name_));
    return inner_->Truncate(size);
  }
  Status Flush() override {
    TRY(plan_.Step("flush", name_));
    return inner_->Flush();
  }
  Status SetTimes(const FileTimes& times) override {
    TRY(plan_.Step("attributes", name_));
    return inner_->SetTimes(times);
  }
  Status Close() override {
    TRY(plan_.Step("close", name_));
    return inner_->Close();
  }

 private:
  std::unique_ptr<File> inner_;
  FaultPlan& plan_;
  const std::string name_;
};

class FaultyFiles : public FileSystem {
 public:
  FaultyFiles(FileSystem& inner, FaultPlan& plan) : inner_(inner), plan_(plan) {}

  Result<std::unique_ptr<File>> Open(const Path& path, OpenMode mode) override {
    TRY(plan_.Step("open", Utf8(path)));
    ASSIGN(std::unique_ptr<File> file, inner_.Open(path, mode));
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(std::move(file), plan_, Utf8(path)));
  }
  Result<FileInfo> Stat(const Path& path) override { return inner_.Stat(path); }
  Result<std::vector<DirectoryEntry>> List(const Path& path) override {
    TRY(plan_.Step("list", Utf8(path)));
    return inner_.List(path);
  }
  Status MakeDirectory(const Path& path) override {
    TRY(plan_.Step("mkdir", Utf8(path)));
    return inner_.MakeDirectory(path);
  }
  Status MakeDirectories(const Path& path) override {
    TRY(plan_.Step("mkdir", Utf8(path)));
    return inner_.MakeDirectories(path);
  }
  Status Rename(const Path& from, const Path& to, bool replace) override {
    TRY(plan_.Step("rename", Utf8(to)));
    return inner_.Rename(from, to, replace);
  }
  Status Remove(const Path& path) override {
    TRY(plan_.Step("remove", Utf8(path)));
    return inner_.Remove(path);
  }
  Status HardLink(const Path& existing, const Path& link) override {
    TRY(plan_.Step("link", Utf8(link)));
    return inner_.HardLink(existing, link);
  }
  Status SetAttributes(const Path& path, uint32_t attributes) override {
    TRY(plan_.Step("attributes", Utf8(path)));
    return inner_.SetAttributes(path, attributes);
  }
  Status SetTimes(const Path& path, const FileTimes& times) override {
    TRY(plan_.Step("attributes", Utf8(path)));
    return inner_.SetTimes(path, times);
  }
  Result<uint64_t> FreeSpace(const Path& path) override { return inner_.FreeSpace(path); }
  Status SyncDirectory(const Path& path) override {
    TRY(plan_.Step("flush", Utf8(path)));
    return inner_.SyncDirectory(path);
  }

 private:
  FileSystem& inner_;
  FaultPlan& plan_;
};

class FaultyHttp : public HttpClient {
 public:
  FaultyHttp(std::shared_ptr<HttpClient> inner, FaultPlan& plan) : inner_(std::move(inner)), plan_(plan) {}

  Result<HttpResponse> SendOnce(const HttpRequest& request, const HttpSink& sink) override {
    TRY(plan_.Step("connect", request.url));
    HttpRequest faulty = request;
    if (request.body) {
      faulty.body = [&](const HttpBodySink& out) {
        return request.body([&](std::span<const uint8_t> piece) -> Status {
          TRY(plan_.Step("send", request.url));
          return out(piece);
        });
      };
    }
    return inner_->SendOnce(faulty, [&](const HttpResponse& head, std::span<const uint8_t> piece) -> Status {
      if (Status fault = plan_.Step("receive", request.url); !fault.ok()) {
        if (sink) TRY(sink(head, piece.first(piece.size() / 2)));
        return fault;
      }
      return sink ? sink(head, piece) : Ok();
    });
  }

 private:
  std::shared_ptr<HttpClient> inner_;
  FaultPlan& plan_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeFaultyFiles(FileSystem& inner, FaultPlan& plan) {
  return std::make_unique<FaultyFiles>(inner, plan);
}

std::shared_ptr<HttpClient> MakeFaultyHttp(std::shared_ptr<HttpClient> inner, FaultPlan& plan) {
  return std::make_shared<FaultyHttp>(std::move(inner), plan);
}

}  // namespace plume::os
