#include "vl/low/trace.h"

#include <cstring>

#include "trace/writer.h"
#include "vl/low/fail.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/lock.h"
#include "vl/low/map_file.h"
#include "vl/low/memory.h"
#include "vl/low/teb.h"
#include "wire/view_generated.h"

namespace plume::vl {
namespace {

using view::WView;

struct Recording {
  trace::Writer writer;
  const VlState* vl;
  uint32_t number;
};

constexpr uint32_t kNoRecording = 0, kSwitching = UINT32_MAX;

// The recording that this process takes part in. g_word is the VM index's word it was set up for.
constinit std::atomic<uint32_t> g_word{kNoRecording};
constinit std::atomic<Recording*> g_recording{nullptr};
constinit std::atomic<uint32_t> g_users{0};  // threads that are using g_recording
constinit std::atomic<uint32_t> g_switch_lock{0};
constinit std::atomic<bool> g_stuck{false};
// Only under g_switch_lock.
constinit void* g_mapped = nullptr;

// Notes are never freed, and not on the stack: a thread may leave a call without coming back (it is ended, or
// an exception passes through).
constexpr uint32_t kNotes = 256, kProbes = 16;
constinit std::atomic<TraceNote*> g_notes{nullptr};
constinit const std::atomic<uint32_t> g_no_word{0};

// "<folder>\<number>.plt"
WView FileOf(const VlState& vl, CallScratch& scratch, uint32_t session) {
  char16_t* text = scratch.Units(vl.trace_folder.size() + 16);
  if (!text) return WView();
  size_t n = 0;
  for (char16_t c : vl.trace_folder) text[n++] = c;
  text[n++] = u'\\';
  char16_t digits[10];
  int count = 0;
  do digits[count++] = static_cast<char16_t>(u'0' + session % 10);
  while (session /= 10);
  while (count) text[n++] = digits[--count];
  for (char16_t c : {u'.', u'p', u'l', u't'}) text[n++] = c;
  return WView(text, n);
}

// Nobody may be writing into the recording that ends. False: somebody still is; a suspended thread, most
// likely.
bool WaitForUsers() {
  for (uint32_t round = 0; g_users.load() != 0; ++round) {
    if (round == 100 || LockWait(round)) return false;
  }
  return true;
}

// By the file, whose handle is not kept: the application could close it.
bool ClearSegment(const void* context, uint64_t offset) {
  const auto& recording = *static_cast<const Recording*>(context);
  CallScratch scratch;
  const WView name = FileOf(*recording.vl, scratch, recording.number);
  void* zeros = scratch.Alloc(trace::kSegmentBytes);
  if (!name.data() || !zeros) return false;
  std::memset(zeros, 0, trace::kSegmentBytes);
  nt::UnicodeString text{static_cast<uint16_t>(name.size() * 2), static_cast<uint16_t>(name.size() * 2),
                         const_cast<char16_t*>(name.data())};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  nt::Handle file;
  if (!nt::Ok(orig.NtOpenFile(&file, nt::kFileWriteData | nt::kSynchronize, &attributes, &io, nt::kShareAll,
                              nt::kSynchronousNonAlert | nt::kNonDirectoryFile))) {
    return false;
  }
  auto at = static_cast<nt::LargeInteger>(offset);
  const nt::NtStatus s =
      orig.NtWriteFile(file, nullptr, nullptr, nullptr, &io, zeros, trace::kSegmentBytes, &at, nullptr);
  orig.NtClose(file);
  return nt::Ok(s) && io.information == trace::kSegmentBytes;
}

Recording* OpenRecording(const VlState& vl, uint32_t word) {
  if (word == 0 || vl.trace_folder.empty()) return nullptr;
  CallScratch scratch;
  const WView name = FileOf(vl, scratch, word);
  void* base = nullptr;
  size_t size = 0;
  // Not there: it was deleted meanwhile. The VM runs on, unrecorded.
  if (!name.data() || !nt::Ok(MapFile(name, true, &base, &size))) return nullptr;
  if (!g_notes.load(std::memory_order_relaxed)) {
    // Zeroed pages are free notes; those of calls that are never reached take no memory.
    auto* notes = static_cast<TraceNote*>(PagesAlloc(kNotes * sizeof(TraceNote)));
    g_notes.store(notes, std::memory_order_release);
  }
  void* place = PagesAlloc(sizeof(Recording));
  auto* recording = place ? new (place) Recording{{}, &vl, word} : nullptr;
  nt::ProcessBasicInformation basic{};
  orig.NtQueryInformationProcess(nt::CurrentProcess(), nt::kProcessBasicInformation, &basic, sizeof(basic),
                                 nullptr);
  const trace::Process process{vl.pid, static_cast<uint32_t>(basic.parent_process_id), sizeof(void*) * 8,
                               vl.exe};
  if (recording && recording->writer.Attach(base, size, process, ClearSegment, recording)) {
    g_mapped = base;
    return recording;
  }
  if (place) PagesFree(place, sizeof(Recording));
  orig.NtUnmapViewOfSection(nt::CurrentProcess(), base);
  return nullptr;
}

// Takes part in the recording `word`, or in none. False: another thread is at it and does not get done.
bool Switch(const VlState& vl, uint32_t word) {
  if (g_switch_lock.exchange(1, std::memory_order_acquire)) {
    for (uint32_t round = 0; round < 200 && !g_stuck.load(std::memory_order_relaxed); ++round) {
      if (g_word.load(std::memory_order_acquire) == word) return true;
      if (LockWait(round)) return false;
    }
    // That thread was ended or is suspended. Waiting in every call would stop the program.
    g_stuck.store(true, std::memory_order_relaxed);
    return g_word.load(std::memory_order_acquire) == word;
  }
  if (g_word.load(std::memory_order_acquire) != word) {
    g_word.store(kSwitching);
    Recording* old = g_recording.exchange(nullptr);
    if (old && WaitForUsers()) {
      orig.NtUnmapViewOfSection(nt::CurrentProcess(), g_mapped);
      PagesFree(old, sizeof(Recording));
    }
    g_mapped = nullptr;
    g_recording.store(OpenRecording(vl, word));
    g_word.store(word);
  }
  g_stuck.store(false, std::memory_order_relaxed);
  g_switch_lock.store(0, std::memory_order_release);
  return true;
}

std::string_view Origin(const flatbuffers::String* text) {
  return text ? std::string_view(text->c_str(), text->size()) : std::string_view();
}

// The origin of rows[i], if there is such a row.
template <typename Rows>
std::string_view OriginAt(const Rows* rows, int64_t i) {
  return rows && i >= 0 && i < static_cast<int64_t>(rows->size())
             ? Origin(rows->Get(static_cast<uint32_t>(i))->origin())
             : std::string_view();
}

const wire::View& ViewOf(const VlState& vl) { return *static_cast<const wire::View*>(vl.view); }

uint32_t FirstProbe(uint32_t thread) { return thread / 4 * 0x9E3779B1u >> 24; }
static_assert(kNotes == 256);

// Hands the call to the recording that is going on.
void Write(const VlState& vl, trace::Event* event) {
  const uint32_t word = vl.index.Trace().load(std::memory_order_relaxed);
  if (g_word.load(std::memory_order_acquire) != word && !Switch(vl, word)) return;
  // The order of these two, and of the two in Switch, keeps a writer from being freed while it is used.
  g_users.fetch_add(1);
  Recording* recording = g_word.load() == word ? g_recording.load() : nullptr;
  if (recording) {
    event->ticks = __builtin_ia32_rdtsc();
    recording->writer.Write(*event);
  }
  g_users.fetch_sub(1);
}

}  // namespace

constinit std::atomic<const std::atomic<uint32_t>*> plume_trace_word{&g_no_word};

void TraceNote::Text::Set(WView t) {
  units = 0;
  Append(t);
}

void TraceNote::Text::Append(WView t) {
  for (size_t i = 0; i < t.size() && units < kUnits; ++i) text[units++] = t[i];
}

void TraceNote::Name(trace::Space space, WView name) {
  About(space);
  name_.Set(name);
  real_.units = 0;
  layer_ = trace::Layer::kNone;
  mode_ = trace::kNoMode;
  rule_ = image_ = {};
}

void TraceNote::AppendName(WView a, WView b) {
  name_.Append(a);
  name_.Append(b);
}

void TraceNote::Real(trace::Layer layer, WView real) {
  layer_ = layer;
  real_.Set(real);
  image_ = {};
}

void TraceNote::AppendReal(WView a, WView b) {
  if (!real_.units) return;
  real_.Append(a);
  real_.Append(b);
}

void TraceNote::Rule(const VlState& vl, const view::Lookup& found, bool registry) {
  const wire::View& v = ViewOf(vl);
  Rule(found.mode, OriginAt(registry ? v.key_rules() : v.file_rules(), found.rule));
}

void TraceNote::Rule(const VlState& vl, const view::NameRule* rule, view::Mode otherwise) {
  if (!rule) return Rule(otherwise, "system: no rule names it");
  const wire::View& v = ViewOf(vl);
  std::string_view origin;
  const auto look = [&](std::span<const view::NameRule> rules, const auto* rows) {
    if (rule >= rules.data() && rule < rules.data() + rules.size())
      origin = OriginAt(rows, rule - rules.data());
  };
  look(vl.object_rules, v.object_rules());
  look(vl.device_rules, v.device_rules());
  look(vl.window_rules, v.window_rules());
  Rule(rule->mode, origin);
}

void TraceNote::Image(const VlState& vl, int mount) {
  if (mount < 0) return;
  const uint16_t layer = vl.space.mounts[static_cast<size_t>(mount)].layer;
  const auto* layers = ViewOf(vl).layers();
  if (layer < layers->size()) image_ = Origin(layers->Get(layer)->digest());
}

void TraceNote::Record(nt::NtStatus status) {
  if (!told_) return;
  trace::Event e;
  e.space = space_;
  e.layer = layer_;
  e.mode = mode_;
  size_t n = 0;
  while (call_[n]) ++n;
  e.call = std::string_view(call_, n);
  e.name = name_.View();
  e.real = real_.View();
  e.rule = rule_;
  e.image = image_;
  e.status = static_cast<uint32_t>(status_ ? status_ : status);
  e.detail = detail_;
  e.thread = CurrentThreadId();
  e.begin = begin_;
  if (const VlState* vl = g_state.load(std::memory_order_acquire)) Write(*vl, &e);
}

void TraceNote::Leave(nt::NtStatus status) {
  Record(status);
  thread_.store(0, std::memory_order_relaxed);
}

TraceNote* FindNote() {
  TraceNote* notes = g_notes.load(std::memory_order_acquire);
  if (!notes) return nullptr;
  const uint32_t thread = CurrentThreadId(), first = FirstProbe(thread);
  TraceNote* inner = nullptr;
  for (uint32_t i = 0; i < kProbes; ++i) {
    TraceNote& note = notes[(first + i) % kNotes];
    if (note.thread_.load(std::memory_order_relaxed) == thread && (!inner || note.depth_ > inner->depth_))
      inner = &note;
  }
  return inner;
}

TraceScope::TraceScope(const char* call) : note_(nullptr) {
  const VlState* vl = g_state.load(std::memory_order_acquire);
  if (!vl) return;
  const uint32_t word = vl->index.Trace().load(std::memory_order_relaxed);
  if (g_word.load(std::memory_order_acquire) != word && !Switch(*vl, word)) return;
  TraceNote* notes = g_notes.load(std::memory_order_acquire);
  if (!notes || !g_recording.load(std::memory_order_relaxed)) return;
  const TraceNote* outer = FindNote();
  const uint32_t thread = CurrentThreadId(), first = FirstProbe(thread);
  for (uint32_t i = 0; i < kProbes && !note_; ++i) {
    TraceNote& note = notes[(first + i) % kNotes];
    uint32_t free = 0;
    if (note.thread_.compare_exchange_strong(free, thread, std::memory_order_relaxed)) note_ = &note;
  }
  if (!note_) {
    g_users.fetch_add(1);
    if (g_word.load() == word) {
      if (Recording* recording = g_recording.load()) recording->writer.Lose();
    }
    g_users.fetch_sub(1);
    return;
  }
  note_->depth_ = outer ? outer->depth_ + 1 : 1;
  note_->call_ = call;
  note_->detail_ = 0;
  note_->status_ = nt::kSuccess;
  note_->Name(trace::Space::kOther, {});
  note_->told_ = false;
  note_->begin_ = __builtin_ia32_rdtsc();
}

void TraceScope::End(nt::NtStatus status) {
  // Left already? Then it may be another thread's by now.
  if (note_ && note_->thread_.load(std::memory_order_relaxed) == CurrentThreadId()) note_->Leave(status);
}

}  // namespace plume::vl
