// Writer and reader of trace files, together.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "os/clock.h"
#include "os/mapped_file.h"
#include "os/test_folder.h"
#include "trace/reader.h"
#include "trace/recording.h"
#include "trace/writer.h"

namespace plume::trace {
namespace {

// A trace in memory that child processes share.
class Shared {
 public:
  explicit Shared(uint32_t segments = kMinSegments, uint32_t flags = 0) : bytes_(FileBytes(segments)) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FileHeader h{};
    h.magic = kMagic;
    h.version = kVersion;
    h.file_bytes = bytes_;
    h.segment_bytes = kSegmentBytes;
    h.segments = segments;
    h.flags = flags;
    h.spaces = (1u << kSpaces) - 1;
    h.ticks_start = 1000;
    h.time_start = 132000000000000000;
    h.ticks_per_second = 10000000;  // a tick is 100 ns
    h.session = 7;
    std::memcpy(memory_, static_cast<const void*>(&h), sizeof(h));
  }
  ~Shared() { munmap(memory_, bytes_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  uint8_t* data() const { return static_cast<uint8_t*>(memory_); }
  uint64_t size() const { return bytes_; }
  uint8_t* segment(uint32_t i) const { return data() + kHeaderBytes + i * kSegmentBytes; }

 private:
  uint64_t bytes_;
  void* memory_;
};

const Process kProcess{240, 8, 64, u"C:\\Program Files\\A\\a.exe"};

std::unique_ptr<Writer> NewWriter(const Shared& file, const Process& process = kProcess) {
  auto writer = std::make_unique<Writer>();
  EXPECT_TRUE(writer->Attach(file.data(), file.size(), process));
  return writer;
}

Reader NewReader(const Shared& file) {
  auto reader = Reader::Open(file.data(), file.size());
  EXPECT_TRUE(reader.ok());
  return std::move(*reader);
}

Event NewEvent(view::WView name, uint64_t ticks = 2000) {
  Event e;
  e.space = Space::kFile;
  e.call = "NtOpenFile";
  e.name = name;
  e.ticks = ticks;
  e.thread = 99;
  return e;
}

TEST(Trace, ACallIsReadAsItWasWritten) {
  const Shared file;
  const auto writer = NewWriter(file);
  Event e = NewEvent(u"C:\\Program Files\\A\\\u0416.dll");
  e.layer = Layer::kImage;
  e.mode = 2;
  e.real = u"\\??\\C:\\state\\images\\x\\C\\Program Files\\A\\\u0416.dll";
  e.rule = "policy.toml:4";
  e.image = "sha256:abc";
  e.status = 0xc0000034;
  e.detail = 0x120089;
  e.begin = 1680;
  writer->Write(e);
  writer->Write(NewEvent(u"C:\\x", 3000));

  Reader reader = NewReader(file);
  const std::vector<Call> calls = reader.Read(false);
  ASSERT_EQ(calls.size(), 2u);
  const Call& c = calls[0];
  EXPECT_EQ(c.call, "NtOpenFile");
  EXPECT_EQ(c.name, "C:\\Program Files\\A\\\u0416.dll");
  EXPECT_EQ(c.real, "\\??\\C:\\state\\images\\x\\C\\Program Files\\A\\\u0416.dll");
  EXPECT_EQ(c.rule, "policy.toml:4");
  EXPECT_EQ(c.image, "sha256:abc");
  EXPECT_EQ(c.exe, "C:\\Program Files\\A\\a.exe");
  EXPECT_EQ(c.space, Space::kFile);
  EXPECT_EQ(c.layer, Layer::kImage);
  EXPECT_EQ(c.mode, 2);
  EXPECT_EQ(c.status, 0xc0000034u);
  EXPECT_TRUE(c.failed());
  EXPECT_EQ(c.detail, 0x120089u);
  EXPECT_EQ(c.pid, 240u);
  EXPECT_EQ(c.parent, 8u);
  EXPECT_EQ(c.bits, 64);
  EXPECT_EQ(c.thread, 99u);
  EXPECT_EQ(c.since_start, 1000u);
  EXPECT_EQ(c.time, 132000000000001000);
  EXPECT_EQ(c.duration, 320u);
  EXPECT_EQ(calls[1].name, "C:\\x");
  EXPECT_EQ(calls[1].real, "");
  EXPECT_EQ(calls[1].mode, kNoMode);
  EXPECT_EQ(reader.lost(), 0u);
  EXPECT_TRUE(reader.Read(false).empty()) << "what was read is not read again";
  writer->Write(NewEvent(u"C:\\y", 4000));
  EXPECT_EQ(reader.Read(false).size(), 1u) << "what came since is";
}

TEST(Trace, KeysAreNamedAsPeopleWriteThem) {
  const Shared file;
  const auto writer = NewWriter(file);
  for (const char16_t* name :
       {u"M\\Software\\x", u"U\\S-1-5\\Software", u"U\\S-1-5", u"U\\S-1-55\\x", u"M", u"Machine"}) {
    Event e = NewEvent(name);
    e.space = Space::kRegistry;
    writer->Write(e);
  }
  writer->Write(NewEvent(u"M\\a file"));
  Reader reader = NewReader(file);
  reader.SetUser("S-1-5");
  std::vector<std::string> names;
  for (const Call& c : reader.Read(true)) names.emplace_back(c.name);
  EXPECT_EQ(names, (std::vector<std::string>{"HKLM\\Software\\x", "HKCU\\Software", "HKCU", "HKU\\S-1-55\\x",
                                             "HKLM", "Machine", "M\\a file"}));
}

TEST(Trace, NamesAreWrittenOncePerSegment) {
  const Shared file;
  const auto writer = NewWriter(file);
  const std::u16string name(500, u'n');
  writer->Write(NewEvent(name));
  const auto used = [&] { return reinterpret_cast<SegmentHeader*>(file.segment(0))->used.load(); };
  const uint32_t first = used();
  for (int i = 0; i < 100; ++i) writer->Write(NewEvent(name));
  EXPECT_EQ(used() - first, 100 * sizeof(CallRecord));
}

TEST(Trace, ALongNameIsCut) {
  const Shared file;
  const auto writer = NewWriter(file);
  writer->Write(NewEvent(std::u16string(5000, u'\u0416')));
  Reader reader = NewReader(file);
  const std::vector<Call> calls = reader.Read(true);
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].name.size(), kMaxName * 2 + 3);
  EXPECT_EQ(calls[0].name.substr(calls[0].name.size() - 5), "\u0416...");
}

TEST(Trace, OldSegmentsAreOverwritten) {
  const Shared file;
  const auto writer = NewWriter(file);
  Reader late = NewReader(file);
  constexpr uint64_t kCalls = 50000;  // of some 150 bytes: several times round
  for (uint64_t i = 0; i < kCalls; ++i) {
    const std::string text = "C:\\folder\\file" + std::to_string(i);
    writer->Write(NewEvent(std::u16string(text.begin(), text.end()), 2000 + i));
  }
  const std::vector<Call> calls = late.Read(true);
  EXPECT_GT(late.overwritten(), kMinSegments);
  ASSERT_GT(calls.size(), 1000u);
  EXPECT_LT(calls.size(), kCalls);
  EXPECT_EQ(calls.back().name, "C:\\folder\\file" + std::to_string(kCalls - 1)) << "the newest are kept";
  for (size_t i = 1; i < calls.size(); ++i)
    ASSERT_EQ(calls[i].ticks, calls[i - 1].ticks + 1) << "without a gap";
  EXPECT_EQ(late.lost(), 0u) << "and nothing is damaged where segments were left";
}

TEST(Trace, KeepFirstStopsWhenItIsFull) {
  const Shared file(kMinSegments, kKeepFirst);
  const auto writer = NewWriter(file);
  constexpr uint64_t kCalls = 50000;
  for (uint64_t i = 0; i < kCalls; ++i) {
    const std::string text = "C:\\folder\\file" + std::to_string(i);
    writer->Write(NewEvent(std::u16string(text.begin(), text.end()), 2000 + i));
  }
  Reader reader = NewReader(file);
  const std::vector<Call> calls = reader.Read(true);
  ASSERT_GT(calls.size(), 1000u);
  for (size_t i = 0; i < calls.size(); ++i)
    ASSERT_EQ(calls[i].ticks, 2000 + i) << "from the first on, without a gap";
  EXPECT_EQ(calls.size() + reader.lost(), kCalls) << "what did not fit is counted";
  EXPECT_EQ(reader.overwritten(), 0u);
}

TEST(Trace, AFullDiskEndsTheRecording) {
  const Shared file;
  static int segments;
  segments = 2;
  static const Shared* cleared;
  cleared = &file;
  const auto clear = [](const void* context, uint64_t offset) {
    EXPECT_EQ(context, cleared);
    EXPECT_EQ((offset - kHeaderBytes) % kSegmentBytes, 0u);
    return segments-- > 0;
  };
  Writer writer;
  ASSERT_TRUE(writer.Attach(file.data(), file.size(), kProcess, clear, &file));
  for (uint64_t i = 0; i < 5000; ++i) writer.Write(NewEvent(u"C:\\x", 2000 + i));
  Reader reader = NewReader(file);
  const std::vector<Call> calls = reader.Read(true);
  EXPECT_GT(calls.size(), 2000u);
  EXPECT_LT(calls.size(), 2 * kSegmentBytes / sizeof(CallRecord));
  EXPECT_EQ(calls.size() + reader.lost(), 5000u);
  EXPECT_EQ(segments, -1) << "and nobody asks again and again";
}

TEST(Trace, ThreadsAndProcessesWriteAtOnce) {
  const Shared file(256);
  constexpr int kProcesses = 3, kThreads = 4;
  constexpr uint64_t kCalls = 3000;
  for (int p = 0; p < kProcesses; ++p) {
    if (fork() != 0) continue;
    const auto writer = NewWriter(file, {static_cast<uint32_t>(1000 + p), 1, 64, u"C:\\p.exe"});
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t i = 0; i < kCalls; ++i) {
          const std::string text =
              "C:\\" + std::to_string(p) + "\\" + std::to_string(t) + "\\" + std::to_string(i % 500);
          Event e = NewEvent({}, 2000 + i);
          const std::u16string name(text.begin(), text.end());
          e.name = name;
          e.thread = static_cast<uint32_t>(t);
          e.detail = static_cast<uint32_t>(i);
          writer->Write(e);
        }
      });
    }
    for (std::thread& t : threads) t.join();
    _exit(0);
  }
  Reader reader = NewReader(file);
  std::map<std::pair<uint32_t, uint32_t>, std::set<uint32_t>> seen;
  size_t calls = 0;
  auto check = [&](bool last) {
    for (const Call& c : reader.Read(last)) {
      const std::string name = "C:\\" + std::to_string(c.pid - 1000) + "\\" + std::to_string(c.thread) +
                               "\\" + std::to_string(c.detail % 500);
      ASSERT_EQ(c.name, name);
      EXPECT_TRUE((seen[{c.pid, c.thread}].insert(c.detail).second)) << "once only";
      ++calls;
    }
  };
  for (int left = kProcesses; left > 0;) {
    check(false);  // while they write
    if (waitpid(-1, nullptr, WNOHANG) > 0) --left;
  }
  check(true);
  EXPECT_EQ(reader.lost(), 0u);
  EXPECT_EQ(calls, kProcesses * kThreads * kCalls);
  EXPECT_EQ(seen.size(), static_cast<size_t>(kProcesses * kThreads));
}

TEST(Trace, AKilledWriterLosesAtMostWhatItWasWriting) {
  for (uint32_t round = 0; round < 25; ++round) {
    const Shared file;
    const pid_t child = fork();
    if (child == 0) {
      const auto writer = NewWriter(file);
      for (uint64_t i = 0;; ++i) {
        const std::string text = "C:\\file" + std::to_string(i % 1000);
        const std::u16string name(text.begin(), text.end());
        writer->Write(NewEvent(name, 2000 + i));
      }
    }
    const auto* claims = reinterpret_cast<std::atomic<uint32_t>*>(file.data() + kGuestOffset);
    while (claims->load() < 2) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds(round * 131));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    Reader reader = NewReader(file);
    const std::vector<Call> calls = reader.Read(true);
    ASSERT_GT(calls.size(), 100u);
    EXPECT_LE(reader.lost(), 1u);
    for (size_t i = 1; i < calls.size(); ++i) ASSERT_EQ(calls[i].ticks, calls[i - 1].ticks + 1);
    for (const Call& c : calls) ASSERT_EQ(c.name, "C:\\file" + std::to_string((c.ticks - 2000) % 1000));
    // The next process goes on.
    NewWriter(file, {77, 1, 32, u"C:\\next.exe"})->Write(NewEvent(u"C:\\next", 1u << 30));
    const std::vector<Call> next = reader.Read(true);
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next[0].exe, "C:\\next.exe");
    EXPECT_NE(next[0].process, calls[0].process);
  }
}

// The offsets of all records of segment 0.
std::vector<uint32_t> Records(const Shared& file) {
  std::vector<uint32_t> out;
  const uint8_t* at = file.segment(0);
  const uint32_t used = reinterpret_cast<const SegmentHeader*>(at)->used.load();
  for (uint32_t i = sizeof(SegmentHeader); i < used;) {
    out.push_back(i);
    uint32_t head;
    std::memcpy(&head, at + i, 4);
    i += (head & 0xffff) * 8;
  }
  return out;
}

TEST(Trace, ARecordThatIsNotWholeHidesNothingElse) {
  const Shared file;
  const auto writer = NewWriter(file);
  for (uint64_t i = 0; i < 10; ++i) writer->Write(NewEvent(u"C:\\x", 2000 + i));
  // The record of the sixth call: never finished, then (below) finished late.
  const uint32_t at = Records(file)[3 + 5];
  uint32_t head;
  std::memcpy(&head, file.segment(0) + at, 4);
  std::memset(file.segment(0) + at, 0, 4);
  Reader reader = NewReader(file);
  EXPECT_EQ(reader.Read(false).size(), 5u) << "it is waited for";
  EXPECT_TRUE(reader.Read(false).empty());
  {
    Reader other = NewReader(file);
    EXPECT_EQ(other.Read(true).size(), 9u) << "but not at the end";
    EXPECT_EQ(other.lost(), 1u);
  }
  {
    Reader other = NewReader(file);
    size_t got = 0;
    for (int i = 0; i < 100; ++i) got += other.Read(false).size();
    EXPECT_EQ(got, 9u) << "nor for ever";
  }
  std::memcpy(file.segment(0) + at, &head, 4);
  const std::vector<Call> calls = reader.Read(false);
  ASSERT_EQ(calls.size(), 5u);
  EXPECT_EQ(calls[0].ticks, 2005u);
  EXPECT_EQ(reader.lost(), 0u);
}

TEST(Trace, EveryDamagedByteIsNoticedOrHarmless) {
  const Shared file;
  const auto writer = NewWriter(file);
  for (uint64_t i = 0; i < 5; ++i) writer->Write(NewEvent(u"C:\\x", 2000 + i));
  const uint32_t used = reinterpret_cast<SegmentHeader*>(file.segment(0))->used.load();
  for (uint32_t i = sizeof(SegmentHeader); i < used; ++i) {
    file.segment(0)[i] ^= 0x10;
    Reader reader = NewReader(file);
    for (const Call& c : reader.Read(true)) {
      EXPECT_TRUE(c.ticks >= 2000 && c.ticks < 2005);
      EXPECT_TRUE(c.name == "C:\\x" || c.name == "?") << c.name;
      EXPECT_TRUE(c.call == "NtOpenFile" || c.call == "?") << c.call;
    }
    EXPECT_GT(reader.lost(), 0u) << "at " << i;
    file.segment(0)[i] ^= 0x10;
  }
}

TEST(Trace, HeadersThatAreNotOurs) {
  const Shared file;
  EXPECT_FALSE(Reader::Open(file.data(), 100).ok());
  EXPECT_FALSE(Reader::Open(nullptr, 1 << 20).ok());
  EXPECT_FALSE(Reader::Open(file.data(), file.size() - 1).ok());
  auto* h = reinterpret_cast<FileHeader*>(file.data());
  Writer writer;
  h->version = 2;
  EXPECT_EQ(Reader::Open(file.data(), file.size()).error().code, Errc::kUnsupported);
  EXPECT_FALSE(writer.Attach(file.data(), file.size(), kProcess));
  h->version = kVersion;
  h->segments = 0;
  EXPECT_EQ(Reader::Open(file.data(), file.size()).error().code, Errc::kCorrupt);
  EXPECT_FALSE(writer.Attach(file.data(), file.size(), kProcess));
  h->segments = kMinSegments;
  h->magic = 0;
  EXPECT_EQ(Reader::Open(file.data(), file.size()).error().code, Errc::kInvalid);
  EXPECT_FALSE(writer.Attach(file.data(), file.size(), kProcess));
}

TEST(Trace, RecordingMakesAFileThatIsWrittenAndRead) {
  os::testing::TestFolder folder;
  const os::Path path = folder.path() / "trace" / "3.plt";
  Recording recording;
  recording.session = 3;
  recording.megabytes = 2;
  recording.keep_first = true;
  recording.spaces = 1u << static_cast<uint32_t>(Space::kFile);
  recording.text = "{\"vm\":\"x\"}";
  ASSERT_TRUE(BeginRecording(path, recording).ok());
  auto mapped = os::MappedFile::OpenShared(path, 0, nullptr);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->size(), FileBytes(31));
  Writer writer;
  ASSERT_TRUE(writer.Attach(mapped->data(), mapped->size(), kProcess));
  const int64_t before = os::SystemClock().NowFiletime();
  Event e = NewEvent(u"C:\\x", __builtin_ia32_rdtsc());
  writer.Write(e);
  e.space = Space::kRegistry;  // not recorded
  writer.Write(e);
  auto reader = Reader::Open(mapped->data(), mapped->size());
  ASSERT_TRUE(reader.ok());
  const std::vector<Call> calls = reader->Read(true);
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_NEAR(static_cast<double>(calls[0].time), static_cast<double>(before), 1e7)
      << "within a second of the clock";
  EXPECT_EQ(reader->ReadInfo().time_stopped, 0);
  ASSERT_TRUE(EndRecording(path).ok());
  const Info info = reader->ReadInfo();
  EXPECT_GE(info.time_stopped, info.time_start);
  EXPECT_EQ(info.session, 3u);
  EXPECT_EQ(info.text, recording.text);
  EXPECT_EQ(info.flags, static_cast<uint32_t>(kKeepFirst));
}

// The golden file is what a writer of version 1 left, without the zeros at its end.
TEST(Trace, Golden) {
  std::ifstream in(PLUME_GOLDEN "/trace_v1.plt", std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  const Shared file;
  const auto writer = NewWriter(file);
  Event e = NewEvent(u"C:\\Program Files\\A\\\u0416.dll");
  e.layer = Layer::kImage;
  e.real = u"\\??\\C:\\state\\images\\0\\C\\Program Files\\A\\\u0416.dll";
  e.image = "sha256:0";
  e.rule = "application: brought by the image";
  e.mode = 0;
  e.begin = 1500;
  writer->Write(e);
  e.call = "NtQueryAttributesFile";
  e.ticks = 2500;
  e.begin = 0;
  writer->Write(e);
  std::string made(reinterpret_cast<const char*>(file.data()), file.size());
  made.resize(made.find_last_not_of('\0') + 1);
  EXPECT_EQ(made.size(), golden.size());
  EXPECT_TRUE(made == golden) << "the format has changed: raise its version and keep reading this one";
  if (made != golden) std::ofstream("trace_v1.plt", std::ios::binary) << made;

  const Shared old;
  ASSERT_LE(golden.size(), old.size());
  std::memcpy(old.data(), golden.data(), golden.size());
  Reader reader = NewReader(old);
  const std::vector<Call> calls = reader.Read(true);
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[1].call, "NtQueryAttributesFile");
  EXPECT_EQ(calls[1].duration, 0u);
  EXPECT_EQ(calls[1].name, "C:\\Program Files\\A\\\u0416.dll");
}

}  // namespace
}  // namespace plume::trace
