#include "agent/vm_file.h"

#include <zstd.h>

#include <cstring>

#include "agent/text.h"
#include "agent/vm_file_format.h"
#include "os/sha256.h"

namespace plume::agent {
namespace {

using namespace vm_file;

constexpr size_t kPieceBytes = 256u << 10;

class Writer : public VmFileWriter {
 public:
  Writer(std::unique_ptr<os::File> file, Kind kind, const VmFilePlaces& places)
      : file_(std::move(file)), kind_(kind), places_(places), stream_(ZSTD_createCCtx()), out_(kPieceBytes) {
    in_.reserve(kPieceBytes);
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_compressionLevel, kind == Kind::kSnapshot ? -5 : 3);
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_checksumFlag, 1);
  }
  ~Writer() override { ZSTD_freeCCtx(stream_); }

  Status Begin(const VmFileInfo& info) {
    Header header;
    header.flags = kind_ == Kind::kExport ? kSealed : 0;
    TRY(WriteOut(os::ByteView(reinterpret_cast<const uint8_t*>(&header), sizeof(header))));
    const std::string text = info.ToJson().dump(-1, ' ', false, Json::error_handler_t::replace);
    Tag(kInfo);
    Number(static_cast<uint32_t>(text.size()));
    return Bytes(text.data(), text.size());
  }

  Status Record(const IndexRecord& record) override {
    ++counts_.records;
    Tag(kRecord);
    Number(record.flags);
    Number(record.base);
    return Text(ToPortable(record.path, places_));
  }

  Status Directory(std::u16string_view path, const os::FileInfo& info) override {
    ++counts_.directories;
    return Entry(kDirectory, path, info);
  }

  Status File(std::u16string_view path, const os::FileInfo& info) override {
    ++counts_.files;
    TRY(Entry(kFile, path, info));
    Number(info.size);
    return Ok();
  }

  Status Data(os::ByteView bytes) override { return Bytes(bytes.data(), bytes.size()); }

  Status Key(std::u16string_view path, const KeyNode& node) override {
    ++counts_.keys;
    Tag(kKey);
    TRY(Text(ToPortable(path, places_)));
    Tag(static_cast<uint8_t>((node.link ? kKeyLink : 0) | (node.volatile_key ? kKeyVolatile : 0)));
    TRY(Text(node.class_name));
    Number(static_cast<uint32_t>(node.access.size()));
    TRY(Bytes(node.access.data(), node.access.size()));
    Number(static_cast<uint32_t>(node.values.size()));
    for (const image::ValueItem& v : node.values) {
      TRY(Text(v.name));
      Number(v.type);
      Number(static_cast<uint32_t>(v.data.size()));
      TRY(Bytes(v.data.data(), v.data.size()));
    }
    return Ok();
  }

  Status Finish() override {
    Tag(kEnd);
    Number(counts_.records);
    Number(counts_.directories);
    Number(counts_.files);
    Number(counts_.keys);
    TRY(Compress(ZSTD_e_end));
    if (kind_ == Kind::kExport) {
      const os::Digest digest = hash_.Finish();
      TRY(file_->WriteAt(at_, digest));
    }
    TRY(file_->Flush());
    return file_->Close();
  }

 private:
  Status Entry(uint8_t tag, std::u16string_view path, const os::FileInfo& info) {
    Tag(tag);
    TRY(Text(ToPortable(path, places_)));
    Number(info.attributes);
    Number(info.times.created);
    Number(info.times.modified);
    Number(info.times.accessed);
    return Ok();
  }

  void Tag(uint8_t tag) { in_.push_back(tag); }
  template <typename T>
  void Number(T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    in_.insert(in_.end(), bytes, bytes + sizeof(value));
  }
  Status Text(std::u16string_view text) {
    Number(static_cast<uint32_t>(text.size()));
    return Bytes(text.data(), text.size() * sizeof(char16_t));
  }
  Status Bytes(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    while (size > 0) {
      if (in_.size() >= kPieceBytes) TRY(Compress(ZSTD_e_continue));
      const size_t n = std::min(size, kPieceBytes - in_.size());
      in_.insert(in_.end(), bytes, bytes + n);
      bytes += n;
      size -= n;
    }
    return in_.size() >= kPieceBytes ? Compress(ZSTD_e_continue) : Ok();
  }

  // Takes everything that was gathered.
  Status Compress(ZSTD_EndDirective mode) {
    ZSTD_inBuffer in{in_.data(), in_.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const size_t left = ZSTD_compressStream2(stream_, &out, &in, mode);
      if (ZSTD_isError(left))
        return Error{Errc::kInternal, std::string("compressing a VM failed: ") + ZSTD_getErrorName(left)};
      TRY(WriteOut(os::ByteView(out_.data(), out.pos)));
      if (mode == ZSTD_e_end ? left == 0 : in.pos == in.size) break;
    }
    in_.clear();
    return Ok();
  }

  Status WriteOut(os::ByteView bytes) {
    if (kind_ == Kind::kExport) hash_.Update(bytes);
    TRY(file_->WriteAt(at_, bytes));
    at_ += bytes.size();
    return Ok();
  }

  const std::unique_ptr<os::File> file_;
  const Kind kind_;
  const VmFilePlaces places_;
  ZSTD_CCtx* const stream_;
  std::vector<uint8_t> in_, out_;
  os::Sha256 hash_;
  uint64_t at_ = 0;
  Counts counts_;
};

}  // namespace

Json VmFileInfo::ToJson() const {
  return Json{{"name", name},
              {"policy", policy},
              {"policy_text", policy_text},
              {"policy_file", policy_file},
              {"application", application},
              {"images", images},
              {"tag", tag},
              {"created", created},
              {"user_sid", user_sid}};
}

Result<VmFileInfo> VmFileInfo::FromJson(const Json& json) {
  if (!json.is_object()) return Damaged("its head is no JSON object");
  VmFileInfo out;
  out.name = OptionalString(json, "name");
  out.policy = OptionalString(json, "policy");
  out.policy_text = OptionalString(json, "policy_text");
  out.policy_file = OptionalString(json, "policy_file");
  out.application = OptionalString(json, "application");
  out.images = OptionalStrings(json, "images");
  out.tag = OptionalString(json, "tag");
  if (const auto it = json.find("created"); it != json.end() && it->is_number_integer())
    out.created = it->get<int64_t>();
  out.user_sid = OptionalString(json, "user_sid");
  if (out.name.empty() || (out.policy != "sandbox" && out.policy != "application"))
    return Damaged("its head lacks the VM's name or policy");
  return out;
}

Result<std::unique_ptr<VmFileWriter>> VmFileWriter::Create(os::FileSystem& files, const os::Path& path,
                                                           Kind kind, const VmFileInfo& info,
                                                           const VmFilePlaces& places) {
  ASSIGN(auto file, files.Open(path, os::OpenMode::kCreateNew));
  auto writer = std::make_unique<Writer>(std::move(file), kind, places);
  TRY(writer->Begin(info));
  return std::unique_ptr<VmFileWriter>(std::move(writer));
}

}  // namespace plume::agent
