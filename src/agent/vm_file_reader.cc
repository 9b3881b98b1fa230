// Reads VM files. They come from other people: every length is a claim, nothing is allocated on the strength
// of one, and no name leads out of the workspace.
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "agent/state.h"
#include "agent/text.h"
#include "agent/vm_file.h"
#include "agent/vm_file_format.h"
#include "os/sha256.h"
#include "view/path.h"

namespace plume::agent {
namespace vm_file {
namespace {

constexpr size_t kReadBytes = 256u << 10;
constexpr uint32_t kMaxInfo = 4u << 20, kMaxUnits = 32767, kMaxAccess = 1u << 20, kMaxValue = 1u << 30;
constexpr std::u16string_view kProfile = u"Profile", kCurrentUser = u"CU";

// The rest of `path` below `prefix`: "" or "\...".
bool Below(std::u16string_view path, std::u16string_view prefix, std::u16string_view* rest) {
  if (prefix.empty() || path.size() < prefix.size() ||
      !view::EqualFolded(path.substr(0, prefix.size()), prefix))
    return false;
  *rest = path.substr(prefix.size());
  return rest->empty() || rest->front() == u'\\';
}

bool SafeComponents(std::u16string_view path, bool key) {
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(u'\\', begin), path.size());
    const std::u16string_view part = path.substr(begin, end - begin);
    if (part.empty() || part.size() > 255) return false;
    if (!key && (part == u"." || part == u".." || part.find(u'/') != part.npos)) return false;
    if (part.find(u'\0') != part.npos) return false;
    begin = end + 1;
  }
  return true;
}

// Decompresses from a file, with checks.
class Source {
 public:
  explicit Source(os::File& file)
      : file_(file), stream_(ZSTD_createDCtx()), in_(kReadBytes), out_(kReadBytes) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() { ZSTD_freeDCtx(stream_); }

  Status Open() {
    ASSIGN(const uint64_t size, file_.Size());
    Header header;
    const Header expected;
    if (size < sizeof(header)) return Damaged("it is too short");
    TRY(ReadRaw(&header, sizeof(header)));
    if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0)
      return Error{Errc::kCorrupt, "reading the VM file failed: it is none (plume vm export makes one)"};
    if (header.version != expected.version) {
      return Error{
          Errc::kUnsupported,
          "reading the VM file failed: a later version of Plume made it (update Plume on this machine)"};
    }
    if (header.flags & ~kSealed) return Damaged("it has unknown flags");
    sealed_ = (header.flags & kSealed) != 0;
    if (sealed_ && size < sizeof(header) + sizeof(os::Digest)) return Damaged("it is too short");
    end_ = sealed_ ? size - sizeof(os::Digest) : size;
    if (sealed_) hash_.Update(os::ByteView(reinterpret_cast<const uint8_t*>(&header), sizeof(header)));
    return Ok();
  }

  Status Read(void* to, size_t size) {
    auto* bytes = static_cast<uint8_t*>(to);
    while (size > 0) {
      if (out_at_ == out_end_) TRY(Fill());
      if (out_end_ == 0) return Damaged("it is cut short");
      const size_t n = std::min(size, out_end_ - out_at_);
      std::memcpy(bytes, out_.data() + out_at_, n);
      out_at_ += n;
      bytes += n;
      size -= n;
    }
    return Ok();
  }

  template <typename T>
  Status Number(T* value) {
    return Read(value, sizeof(*value));
  }

  // Grows with what is really there.
  template <typename Text>
  Status Grow(uint64_t count, uint64_t most, Text* text) {
    if (count > most) return Damaged("a length is out of range");
    text->clear();
    constexpr size_t kPiece = 1u << 16;
    while (text->size() < count) {
      const size_t old = text->size(), n = std::min<size_t>(static_cast<size_t>(count) - old, kPiece);
      text->resize(old + n);
      TRY(Read(text->data() + old, n * sizeof((*text)[0])));
    }
    return Ok();
  }

  Status Path(const VmFilePlaces& places, std::u16string* path) {
    std::u16string text;
    TRY(Text(&text));
    ASSIGN(*path, FromPortable(text, places));
    return Ok();
  }

  Status Text(std::u16string* text) {
    uint32_t units = 0;
    TRY(Number(&units));
    return Grow(units, kMaxUnits, text);
  }

  // Nothing may be behind the last record, and the seal must be right.
  Status Close() {
    if (out_at_ == out_end_) TRY(Fill());
    if (out_at_ != out_end_ || in_at_ != in_end_ || at_ != end_) return Damaged("something follows its end");
    if (!sealed_) return Ok();
    os::Digest written;
    TRY(ReadRaw(written.data(), written.size()));
    if (hash_.Finish() != written) return Damaged("its digest does not match");
    return Ok();
  }

  // As many bytes as are decompressed, at most `most`.
  Result<os::ByteView> Piece(uint64_t most) {
    if (out_at_ == out_end_) TRY(Fill());
    const size_t n = static_cast<size_t>(std::min<uint64_t>(most, out_end_ - out_at_));
    out_at_ += n;
    return os::ByteView(out_.data() + out_at_ - n, n);
  }

 private:
  Status ReadRaw(void* to, size_t size) {
    ASSIGN(const size_t n, file_.ReadAt(at_, std::span(static_cast<uint8_t*>(to), size)));
    if (n != size) return Damaged("it is cut short");
    at_ += size;
    return Ok();
  }

  // At least one more decompressed byte; none only at the end of the stream.
  Status Fill() {
    out_at_ = out_end_ = 0;
    while (out_end_ == 0 && !frame_done_) {
      if (in_at_ == in_end_ && at_ < end_) {
        const size_t n = static_cast<size_t>(std::min<uint64_t>(in_.size(), end_ - at_));
        TRY(ReadRaw(in_.data(), n));
        if (sealed_) hash_.Update(os::ByteView(in_.data(), n));
        in_at_ = 0;
        in_end_ = n;
      }
      ZSTD_inBuffer in{in_.data(), in_end_, in_at_};
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const size_t left = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(left)) return Damaged(ZSTD_getErrorName(left));
      if (in.pos == in_at_ && out.pos == 0) return Damaged("it is cut short");
      in_at_ = in.pos;
      out_end_ = out.pos;
      frame_done_ = left == 0;
    }
    return Ok();
  }

  os::File& file_;
  ZSTD_DCtx* const stream_;
  std::vector<uint8_t> in_, out_;
  size_t in_at_ = 0, in_end_ = 0, out_at_ = 0, out_end_ = 0;
  uint64_t at_ = 0, end_ = 0;
  bool sealed_ = false, frame_done_ = false;
  os::Sha256 hash_;
};

class Parser {
 public:
  Parser(os::File& file, const VmFilePlaces& places, VmFileVisitor& visitor)
      : source_(file), places_(places), visitor_(visitor) {}

  Status Info(VmFileInfo* info) {
    TRY(source_.Open());
    uint8_t tag = 0;
    TRY(source_.Number(&tag));
    if (tag != kInfo) return Damaged("it does not begin with its head");
    uint32_t size = 0;
    std::string text;
    TRY(source_.Number(&size));
    TRY(source_.Grow(size, kMaxInfo, &text));
    ASSIGN(*info, VmFileInfo::FromJson(Json::parse(text, nullptr, false)));
    return Ok();
  }

  Status All() {
    VmFileInfo info;
    TRY(Info(&info));
    TRY(visitor_.Info(info));
    for (;;) {
      uint8_t tag = 0;
      TRY(source_.Number(&tag));
      switch (tag) {
        case kRecord:
          TRY(Record());
          break;
        case kDirectory:
          TRY(Directory());
          break;
        case kFile:
          TRY(File());
          break;
        case kKey:
          TRY(Key());
          break;
        case kEnd:
          return End();
        default:
          return Damaged("it has a part of an unknown kind");
      }
    }
  }

 private:
  Status Record() {
    IndexRecord record;
    TRY(source_.Number(&record.flags));
    TRY(source_.Number(&record.base));
    TRY(source_.Path(places_, &record.path));
    ++counts_.records;
    return visitor_.Record(record);
  }

  Status Entry(std::u16string* path, os::FileInfo* info) {
    TRY(source_.Path(places_, path));
    if (!IsFilePath(*path)) return Damaged("a file has a key's name");
    TRY(source_.Number(&info->attributes));
    TRY(source_.Number(&info->times.created));
    TRY(source_.Number(&info->times.modified));
    return source_.Number(&info->times.accessed);
  }

  Status Directory() {
    std::u16string path;
    os::FileInfo info;
    TRY(Entry(&path, &info));
    info.directory = true;
    ++counts_.directories;
    return visitor_.Directory(path, info);
  }

  Status File() {
    std::u16string path;
    os::FileInfo info;
    TRY(Entry(&path, &info));
    if (path.size() < 4) return Damaged("a file has a drive's name");
    TRY(source_.Number(&info.size));
    ++counts_.files;
    TRY(visitor_.File(path, info));
    for (uint64_t left = info.size; left > 0;) {
      ASSIGN(const os::ByteView piece, source_.Piece(left));
      if (piece.empty()) return Damaged("it is cut short");
      TRY(visitor_.Data(piece));
      left -= piece.size();
    }
    return Ok();
  }

  Status Key() {
    std::u16string path;
    KeyNode node;
    uint8_t bits = 0;
    uint32_t access = 0, values = 0;
    TRY(source_.Path(places_, &path));
    if (IsFilePath(path)) return Damaged("a key has a file's name");
    TRY(source_.Number(&bits));
    node.link = (bits & kKeyLink) != 0;
    node.volatile_key = (bits & kKeyVolatile) != 0;
    TRY(source_.Text(&node.class_name));
    TRY(source_.Number(&access));
    TRY(source_.Grow(access, kMaxAccess, &node.access));
    TRY(source_.Number(&values));
    for (uint32_t i = 0; i < values; ++i) {
      image::ValueItem value;
      uint32_t size = 0;
      TRY(source_.Text(&value.name));
      TRY(source_.Number(&value.type));
      TRY(source_.Number(&size));
      TRY(source_.Grow(size, kMaxValue, &value.data));
      node.values.push_back(std::move(value));
    }
    ++counts_.keys;
    return visitor_.Key(path, node);
  }

  Status End() {
    Counts written;
    TRY(source_.Number(&written.records));
    TRY(source_.Number(&written.directories));
    TRY(source_.Number(&written.files));
    TRY(source_.Number(&written.keys));
    if (!(written == counts_)) return Damaged("parts of it are missing");
    return source_.Close();
  }

  Source source_;
  const VmFilePlaces& places_;
  VmFileVisitor& visitor_;
  Counts counts_;
};

}  // namespace

std::u16string ToPortable(std::u16string_view canonical, const VmFilePlaces& places) {
  std::u16string_view rest;
  if (Below(canonical, places.profile, &rest)) return std::u16string(kProfile) + std::u16string(rest);
  if (Below(canonical, u"U\\" + places.user_sid, &rest))
    return std::u16string(kCurrentUser) + std::u16string(rest);
  return std::u16string(canonical);
}

Result<std::u16string> FromPortable(std::u16string_view portable, const VmFilePlaces& places) {
  std::u16string_view rest;
  std::u16string out(portable);
  if (Below(portable, kProfile, &rest))
    out = places.profile + std::u16string(rest);
  else if (Below(portable, kCurrentUser, &rest))
    out = u"U\\" + places.user_sid + std::u16string(rest);
  const bool file = IsFilePath(out);
  const bool drive = file && out[0] >= u'A' && out[0] <= u'Z' && (out.size() == 2 || out[2] == u'\\');
  const bool hive = out == u"M" || out == u"U" || out.starts_with(u"M\\") || out.starts_with(u"U\\");
  if (out.size() > kMaxUnits || !(drive || hive) || !SafeComponents(out, !file))
    return Damaged("it names something outside of a VM");
  return out;
}

}  // namespace vm_file

Status ReadVmFile(os::File& file, const VmFilePlaces& places, VmFileVisitor& visitor) {
  return vm_file::Parser(file, places, visitor).All();
}

Result<VmFileInfo> ReadVmFileInfo(os::File& file) {
  VmFileVisitor nobody;
  const VmFilePlaces nowhere;
  VmFileInfo info;
  TRY(vm_file::Parser(file, nowhere, nobody).Info(&info));
  return info;
}

}  // namespace plume::agent
