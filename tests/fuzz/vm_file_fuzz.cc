// VM files come from other people. The first byte chooses: the file as it is, or the rest of the input as the
// stream inside a well-made one, so that the fuzzer need not learn to compress.
#include <zstd.h>

#include <cstring>

#include "agent/vm_file.h"
#include "input.h"
#include "os/sha256.h"

using namespace plume;

namespace {

class Memory : public os::File {
 public:
  explicit Memory(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t n = std::min(out.size(), bytes_.size() - static_cast<size_t>(offset));
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
  }
  Result<uint64_t> Size() override { return uint64_t{bytes_.size()}; }
  Status WriteAt(uint64_t, os::ByteView) override { return Ok(); }
  Status Truncate(uint64_t) override { return Ok(); }
  Status Flush() override { return Ok(); }
  Status SetTimes(const os::FileTimes&) override { return Ok(); }
  Status Close() override { return Ok(); }

 private:
  std::vector<uint8_t> bytes_;
};

// Everything that is handed on is inside of the VM.
class Visitor : public agent::VmFileVisitor {
 public:
  Status Directory(std::u16string_view path, const os::FileInfo&) override { return File(path, {}); }
  Status File(std::u16string_view path, const os::FileInfo& info) override {
    fuzz::Require(path.size() >= 2 && path[1] == u':' && path[0] >= u'A' && path[0] <= u'Z',
                  "a file is on a drive");
    fuzz::Require((std::u16string(path) + u"\\").find(u"\\..\\") == path.npos, "no file leads upwards");
    fuzz::Require(path.find(u'/') == path.npos, "no other separators");
    left_ = info.size;
    return Ok();
  }
  Status Data(os::ByteView bytes) override {
    fuzz::Require(bytes.size() <= left_, "a file has the bytes it claims");
    left_ -= bytes.size();
    return Ok();
  }
  Status Key(std::u16string_view path, const agent::KeyNode&) override {
    fuzz::Require(!path.empty() && (path[0] == u'M' || path[0] == u'U'), "a key is in a hive");
    fuzz::Require(path.size() == 1 || path[1] == u'\\', "a key is in a hive");
    return Ok();
  }

 private:
  uint64_t left_ = 0;
};

std::vector<uint8_t> WellMade(const uint8_t* data, size_t size) {
  std::vector<uint8_t> out = {'P', 'L', 'U', 'M', 'E', 'V', 'M', 0x1a, 1, 0, 0, 0, 1, 0, 0, 0};
  std::vector<uint8_t> packed(ZSTD_compressBound(size));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), data, size, -5));
  out.insert(out.end(), packed.begin(), packed.end());
  const os::Digest digest = os::Sha256::Of(std::span<const uint8_t>(out));
  out.insert(out.end(), digest.begin(), digest.end());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const agent::VmFilePlaces places{u"C:\\users\\ann", u"S-1-5-21-7"};
  Memory file(data[0] % 2 ? WellMade(data + 1, size - 1) : std::vector<uint8_t>(data + 1, data + size));
  Visitor visitor;
  const Status done = agent::ReadVmFile(file, places, visitor);
  if (!done.ok()) {
    fuzz::Require(done.error().message.find("failed: ") != std::string::npos, "a refusal says why");
  }
  (void)agent::ReadVmFileInfo(file);
  return 0;
}
