#include "trace/reader.h"

#include <algorithm>
#include <cstring>

#include "base/utf16.h"

namespace plume::trace {
namespace {

// The file may change while it is read: every number is read once, and as a whole.
uint32_t Load(const uint8_t* at) {
  return reinterpret_cast<const std::atomic<uint32_t>*>(at)->load(std::memory_order_acquire);
}

// How often a record that is being written is waited for. Writing one takes a microsecond; a thread that was
// suspended or ended meanwhile must not hide what the others write.
constexpr uint32_t kMostWaits = 20;
// A recording without end must not fill its reader's memory.
constexpr size_t kMostTexts = 200000;

}  // namespace

const char* SpaceName(Space space) {
  static constexpr const char* kNames[] = {"other",  "file",      "registry", "process", "object",
                                           "window", "clipboard", "device",   "network"};
  static_assert(std::size(kNames) == kSpaces);
  const auto i = static_cast<uint32_t>(space);
  return i < kSpaces ? kNames[i] : "other";
}

const char* LayerName(Layer layer) {
  static constexpr const char* kNames[] = {"none", "upper", "image", "host"};
  static_assert(std::size(kNames) == kLayers);
  const auto i = static_cast<uint32_t>(layer);
  return i < kLayers ? kNames[i] : "none";
}

const char* ModeText(uint8_t mode) {
  static constexpr const char* kNames[] = {"merge", "host", "private", "deny"};
  return mode < std::size(kNames) ? kNames[mode] : "";
}

Result<Reader> Reader::Open(const uint8_t* file, uint64_t bytes) {
  FileHeader h;
  if (file == nullptr || bytes < kHeaderBytes)
    return Error{Errc::kInvalid, "reading the trace failed: it is no trace"};
  std::memcpy(static_cast<void*>(&h), file, sizeof(h));
  if (h.magic != kMagic) return Error{Errc::kInvalid, "reading the trace failed: it is no trace"};
  if (h.version != kVersion) {
    return Error{Errc::kUnsupported, "reading the trace failed: it is of version " +
                                         std::to_string(h.version) + ", this program reads version " +
                                         std::to_string(kVersion)};
  }
  if (h.segment_bytes != kSegmentBytes || h.segments < kMinSegments || h.segments > kMaxSegments ||
      bytes < FileBytes(h.segments)) {
    return Error{Errc::kCorrupt, "reading the trace failed: its header is damaged"};
  }
  return Reader(file, bytes, h.segments);
}

Reader::Reader(const uint8_t* file, uint64_t, uint32_t segments)
    : file_(file),
      segments_(segments),
      positions_(segments),
      segment_(kSegmentBytes),
      names_(kSegmentBytes / 8) {
  FileHeader h;
  std::memcpy(static_cast<void*>(&h), file, sizeof(h));
  const uint64_t per_second = std::clamp<uint64_t>(h.ticks_per_second, 1000000, 100000000000);
  tenths_per_tick_ = 1e7 / static_cast<double>(per_second);
  ticks_start_ = h.ticks_start;
  time_start_ = h.time_start;
}

Info Reader::ReadInfo() const {
  FileHeader h;
  std::memcpy(static_cast<void*>(&h), file_, sizeof(h));
  Info out;
  out.session = h.session;
  out.flags = h.flags;
  out.spaces = h.spaces;
  out.segments = segments_;
  out.time_start = h.time_start;
  out.time_stopped = h.time_stopped.load(std::memory_order_relaxed);
  out.text.assign(reinterpret_cast<const char*>(file_) + kTextOffset, std::min(h.text_bytes, kMaxText));
  return out;
}

uint64_t Reader::lost() const {
  return uint64_t{Load(file_ + kGuestOffset + offsetof(GuestCounters, lost))} + damaged_;
}

std::string_view Reader::Intern(std::string text) { return *texts_.insert(std::move(text)).first; }

template <typename T>
T Reader::At(uint32_t offset) const {
  T out;
  std::memcpy(&out, segment_.data() + offset, sizeof(T));
  return out;
}

// The size of the record at `offset` if it is whole; else 0.
uint32_t Reader::CheckedBytes(uint32_t offset, uint32_t end, Kind* kind) const {
  const auto head = At<uint32_t>(offset);
  const uint32_t bytes = (head & 0xffff) * 8;
  *kind = static_cast<Kind>(head >> 16 & 0xff);
  if ((head & 0xff000000) != kHeadMark || bytes < sizeof(RecordHead) || bytes > end - offset) return 0;
  const auto* words = reinterpret_cast<const uint64_t*>(segment_.data() + offset);
  return Check(words + 1, bytes / 8 - 1, head, claim_) == At<uint32_t>(offset + 4) ? bytes : 0;
}

std::string_view Reader::NameAt(uint16_t place) {
  if (place == 0 || place >= names_.size()) return {};
  if (names_[place].data() != nullptr) return names_[place];
  const uint32_t offset = place * 8u;
  Kind kind;
  const uint32_t bytes =
      offset + sizeof(NameRecord) <= kSegmentBytes ? CheckedBytes(offset, kSegmentBytes, &kind) : 0;
  std::string text = "?";  // the call is whole, its name is not
  if (bytes >= sizeof(NameRecord) && kind == Kind::kName) {
    const auto length = At<uint32_t>(offset + offsetof(NameRecord, length));
    const auto form = static_cast<NameForm>(segment_[offset + offsetof(NameRecord, form)]);
    const uint32_t size = length > kMaxName ? UINT32_MAX : form == NameForm::kUtf16 ? length * 2 : length;
    const uint8_t* data = segment_.data() + offset + sizeof(NameRecord);
    if (size <= bytes - sizeof(NameRecord)) {
      if (form == NameForm::kUtf8) {
        text = ToUtf8(FromUtf8Lossy(std::string_view(reinterpret_cast<const char*>(data), size)));
      } else {
        std::u16string wide(length, u'\0');
        if (form == NameForm::kUtf16)
          std::memcpy(wide.data(), data, size);
        else
          std::copy(data, data + size, wide.begin());
        text = ToUtf8(wide);
      }
      if (segment_[offset + offsetof(NameRecord, cut)]) text += "...";
    }
  }
  return names_[place] = Intern(std::move(text));
}

std::string_view Reader::KeyForPeople(std::string_view name) {
  auto below = [&](std::string_view root) {
    return name.size() >= root.size() && name.substr(0, root.size()) == root &&
           (name.size() == root.size() || name[root.size()] == '\\');
  };
  if (user_.size() > 2 && below(user_)) return Intern("HKCU" + std::string(name.substr(user_.size())));
  if (below("M")) return Intern("HKLM" + std::string(name.substr(1)));
  if (below("U")) return Intern("HKU" + std::string(name.substr(1)));
  return name;
}

bool Reader::ReadCall(uint32_t offset, uint32_t bytes, Call* out) {
  if (bytes < sizeof(CallRecord)) return false;
  CallRecord r;
  std::memcpy(static_cast<void*>(&r), segment_.data() + offset, sizeof(r));
  out->ticks = r.ticks;
  // A time before the start is a start that was not measured exactly.
  const uint64_t ticks = r.ticks > ticks_start_ ? r.ticks - ticks_start_ : 0;
  const double since = static_cast<double>(ticks) * tenths_per_tick_;
  out->since_start = since < 9e17 ? static_cast<uint64_t>(since) : 0;
  out->time = static_cast<int64_t>(static_cast<uint64_t>(time_start_) + out->since_start);
  out->duration = static_cast<uint64_t>(r.duration * double{kDurationUnit} * tenths_per_tick_ + 0.5);
  out->thread = r.thread;
  out->status = r.status;
  out->detail = r.detail;
  out->space = static_cast<uint32_t>(r.space) < kSpaces ? r.space : Space::kOther;
  out->layer = static_cast<uint32_t>(r.layer) < kLayers ? r.layer : Layer::kNone;
  out->mode = r.mode;
  out->call = NameAt(r.call);
  out->name = NameAt(r.name);
  out->real = NameAt(r.real);
  out->rule = NameAt(r.rule);
  out->image = NameAt(r.image);
  if (out->space == Space::kRegistry) out->name = KeyForPeople(out->name);
  return true;
}

void Reader::ReadSegment(uint32_t index, bool last, std::vector<Call>* out) {
  const uint8_t* at = file_ + kHeaderBytes + uint64_t{index} * kSegmentBytes;
  Position& position = positions_[index];
  const uint32_t claim = Load(at);
  if (claim == 0 || (claim - 1) % segments_ != index) return;
  if (claim != position.claim) position = Position{claim, sizeof(SegmentHeader), 0, false};
  const uint32_t used = std::min(Load(at + offsetof(SegmentHeader, used)), kSegmentBytes) & ~7u;
  if (used <= position.offset) return;
  std::memcpy(segment_.data(), at, kSegmentBytes);
  // Taken by another process while it was copied: that one's records are read the next time.
  if (Load(at) != claim) return;
  claim_ = claim;
  std::fill(names_.begin(), names_.end(), std::string_view());
  Call shared;
  shared.pid = At<uint32_t>(offsetof(SegmentHeader, pid));
  shared.parent = At<uint32_t>(offsetof(SegmentHeader, parent));
  shared.process = At<uint32_t>(offsetof(SegmentHeader, process));
  shared.bits = segment_[offsetof(SegmentHeader, bits)];
  shared.exe = NameAt(At<uint16_t>(offsetof(SegmentHeader, exe)));
  while (position.offset + sizeof(RecordHead) <= used) {
    Kind kind;
    const uint32_t bytes = CheckedBytes(position.offset, used, &kind);
    if (bytes == 0) {
      // Still being written, or left by a thread that was ended. Records begin on multiples of 8.
      if (!last && !position.damaged && position.waited++ < kMostWaits) return;
      if (!position.damaged) ++damaged_;
      position.damaged = true;
      position.offset += 8;
      continue;
    }
    position.damaged = false;
    position.waited = 0;
    Call call = shared;
    if (kind == Kind::kEnd) {
      position.offset = kSegmentBytes;
      return;
    }
    if (kind == Kind::kCall && ReadCall(position.offset, bytes, &call)) out->push_back(call);
    position.offset += bytes;
  }
}

std::vector<Call> Reader::Read(bool last) & {
  std::vector<Call> out;
  if (texts_.size() > kMostTexts) texts_.clear();
  const uint32_t claims = Load(file_ + kGuestOffset + offsetof(GuestCounters, claims));
  // What was taken since the last time, less what is still there.
  const uint32_t taken = claims - seen_claims_;
  if (taken > segments_ && (ReadInfo().flags & kKeepFirst) == 0) overwritten_ += taken - segments_;
  seen_claims_ = claims;
  for (uint32_t i = 0; i < segments_; ++i) ReadSegment(i, last, &out);
  std::stable_sort(out.begin(), out.end(), [](const Call& a, const Call& b) { return a.ticks < b.ticks; });
  return out;
}

}  // namespace plume::trace
