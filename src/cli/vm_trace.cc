// windows.h must be first.
// clang-format off
#include <windows.h>
// clang-format on

#include <atomic>
#include <set>

#include "agent/text.h"
#include "cli/command.h"
#include "os/mapped_file.h"
#include "trace/query.h"
#include "trace/recording.h"

namespace plume::cli {
namespace {

using agent::Json;

struct TraceOptions {
  std::string name, call, path, process, kind, layer, status;
  uint32_t megabytes = 64;
  bool follow = false, start = false, stop = false, show = false, summary = false, json = false;
  bool keep_first = false;
};

std::atomic<bool> g_interrupted{false};

BOOL WINAPI OnInterrupt(DWORD) {
  g_interrupted = true;
  return TRUE;
}

Result<trace::Filter> MakeFilter(const TraceOptions& o) {
  trace::Filter filter;
  filter.call = o.call;
  filter.path = o.path;
  filter.process = o.process;
  const auto set = [&](const std::string& text, auto parse, auto* to) -> Status {
    if (text.empty()) return Ok();
    auto value = parse(text);
    if (!value.ok())
      return Error{Errc::kInvalid, "tracing '" + o.name + "' failed: " + value.error().message};
    *to = *value;
    return Ok();
  };
  TRY(set(o.kind, trace::Filter::SpaceFromName, &filter.space));
  TRY(set(o.layer, trace::Filter::LayerFromName, &filter.layer));
  TRY(set(o.status, trace::Filter::StatusFromText, &filter.status));
  return filter;
}

Status CheckTogether(const TraceOptions& o) {
  const auto refuse = [&](const std::string& why) {
    return Status(
        Error{Errc::kInvalid, "tracing '" + o.name + "' failed: " + why + " (plume vm trace --help)"});
  };
  if (o.follow + o.start + o.stop + o.show > 1)
    return refuse("only one of -f, --start, --stop and --show can be meant");
  const bool prints = o.follow || o.show || o.summary;
  const bool chooses = !(o.call + o.path + o.process + o.kind + o.layer + o.status).empty();
  if ((o.start || o.stop) && (chooses || o.summary || o.json))
    return refuse("--start and --stop print nothing");
  if (!prints && (chooses || o.json)) return refuse("what to print is chosen with -f, --show or --summary");
  if ((o.stop || o.show) && o.keep_first) return refuse("how to record is said when it begins");
  return Ok();
}

// Reads a recording, chooses and prints.
class Printer {
 public:
  static Result<Printer> Open(const TraceOptions& options, const Json& trace, bool list) {
    ASSIGN(trace::Filter filter, MakeFilter(options));
    ASSIGN(os::MappedFile file,
           os::MappedFile::OpenRead(agent::HostPath(agent::ToUtf16(Field(trace, "file")))));
    ASSIGN(trace::Reader reader, trace::Reader::Open(file.data(), file.size()));
    reader.SetUser(Field(trace, "user_sid"));
    return Printer(options, std::move(filter), std::move(file), std::move(reader), list);
  }

  void Read(bool last) {
    for (const trace::Call& call : reader_.Read(last)) {
      processes_.insert(call.process);
      ++calls_;
      if (!filter_.Matches(call)) continue;
      if (options_.summary) {
        summary_.Add(call);
      } else if (prints_ && options_.json) {
        Print(std::string(!list_   ? ""
                          : first_ ? "[\n"
                                   : ",\n") +
              trace::JsonLine(call) + (list_ ? "" : "\n"));
        first_ = false;
      } else if (prints_) {
        PrintLine(trace::Line(call));
      }
    }
    FlushOutput();
  }

  void End() {
    if (options_.summary) {
      if (options_.json)
        PrintLine(summary_.Json());
      else
        Print(summary_.Text());
    } else if (options_.json && list_) {
      PrintLine(first_ ? "[]" : "\n]");
    }
    FlushOutput();
    if (reader_.overwritten() > 0) {
      Warn(
          "the recording is longer than its file: the oldest calls were overwritten (--size gives more room, "
          "--keep-first keeps the oldest)");
    } else if (reader_.lost() > 0) {
      Warn(std::to_string(reader_.lost()) + " calls were not recorded: the file or the disk was full");
    }
  }

  bool any() const { return calls_ > 0; }
  std::string Count() const {
    return std::to_string(calls_) + " calls of " + std::to_string(processes_.size()) + " processes";
  }

 private:
  Printer(const TraceOptions& options, trace::Filter filter, os::MappedFile file, trace::Reader reader,
          bool list)
      : options_(options),
        filter_(std::move(filter)),
        file_(std::move(file)),
        reader_(std::move(reader)),
        prints_(options.follow || options.show),
        list_(list) {}

  const TraceOptions options_;
  const trace::Filter filter_;
  os::MappedFile file_;
  trace::Reader reader_;
  trace::Summary summary_;
  std::set<uint32_t> processes_;
  uint64_t calls_ = 0;
  const bool prints_, list_;
  bool first_ = true;
};

Result<int> ShowTrace(Context& context, const TraceOptions& o) {
  ASSIGN(const Json trace, context.Ask("vm.trace", {{"name", o.name}, {"action", "status"}}));
  if (Field(trace, "file").empty()) {
    return Error{Errc::kNotFound, "showing the trace of '" + o.name +
                                      "' failed: nothing was recorded yet (plume vm trace " + o.name +
                                      " records)"};
  }
  ASSIGN(Printer printer, Printer::Open(o, trace, true));
  printer.Read(true);
  printer.End();
  return 0;
}

// Follows the recording until Ctrl-C or the end of the last guest.
Result<int> Record(Context& context, const TraceOptions& o, const Json& start) {
  const Json status{{"name", o.name}, {"action", "status"}};
  ASSIGN(Json trace, context.Ask("vm.trace", status));
  const bool own = !(o.follow && agent::OptionalBool(trace, "recording"));
  if (own) {
    TRY(MakeFilter(o));  // a wrong word is complained of before anything is recorded
    ASSIGN(trace, context.Ask("vm.trace", start));
  }
  ASSIGN(Printer printer, Printer::Open(o, trace, false));
  SetConsoleCtrlHandler(OnInterrupt, TRUE);
  bool seen = NumberField(trace, "guests") > 0;
  if (!seen) Warn("recording '" + o.name + "': waiting for its first program (Ctrl-C ends)");
  const uint64_t session = NumberField(trace, "session");
  bool there = true;
  for (int round = 1; !g_interrupted; ++round) {
    Sleep(100);
    printer.Read(false);
    seen = seen || printer.any();
    if (round % 4 != 0) continue;
    const auto now = context.Ask("vm.trace", status);
    // A VM of --rm is gone with its last guest; what it recorded is still mapped.
    there = now.ok() && NumberField(*now, "session") == session;
    if (!there || !agent::OptionalBool(*now, "recording")) break;
    const bool runs = NumberField(*now, "guests") > 0;
    if (seen && !runs) break;
    seen = seen || runs;
  }
  bool ended = false;
  if (own && there) ended = context.Ask("vm.trace", {{"name", o.name}, {"action", "stop"}}).ok();
  printer.Read(true);
  printer.End();
  Warn(printer.Count() + " recorded" + (ended ? " (plume vm trace " + o.name + " --show)" : ""));
  return 0;
}

Result<int> RunTrace(Context& context, const TraceOptions& o) {
  TRY(CheckTogether(o));
  TRY(MakeFilter(o));
  if (o.show) return ShowTrace(context, o);
  const Json start{
      {"name", o.name}, {"action", "start"}, {"megabytes", o.megabytes}, {"keep_first", o.keep_first}};
  if (o.start || o.stop) {
    ASSIGN(const Json trace,
           context.Ask("vm.trace", o.start ? start : Json{{"name", o.name}, {"action", "stop"}}));
    return 0;
  }
  return Record(context, o, start);
}

}  // namespace

void AddVmTrace(CLI::App& vm, Context& context) {
  auto o = std::make_shared<TraceOptions>();
  CLI::App* c =
      AddCommand(vm, context, "trace",
                 "Record the calls of a virtual machine: files, registry, processes, objects, windows, "
                 "clipboard, devices, network",
                 "plume vm trace test            record until Ctrl-C or until its last program ends\n"
                 "  plume vm trace test -f         and print the calls as they come\n"
                 "  plume vm trace test --show --path '*.dll' --status failed\n"
                 "  plume vm trace test --show --summary\n"
                 "  plume vm trace test --start    record from now on, over restarts; --stop ends it",
                 [o, &context]() -> Result<int> { return RunTrace(context, *o); });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_flag("-f,--follow", o->follow, "Print calls as they come");
  c->add_flag("--start", o->start, "Begin recording and return");
  c->add_flag("--stop", o->stop, "End recording");
  c->add_flag("--show", o->show, "Print what was recorded last");
  c->add_flag("--summary", o->summary, "Print counts instead of calls");
  c->add_option("--call", o->call, "Only this call, or a pattern with * and ?");
  c->add_option("--path", o->path, "Only names with this in them, or a pattern with * and ?");
  c->add_option("--process", o->process, "Only this process: number, or file name or pattern of its program");
  c->add_option("--kind", o->kind,
                "Only one kind: file, registry, process, object, window, clipboard, device, network");
  c->add_option("--layer", o->layer, "Only what this layer answered: upper, image, host, none");
  c->add_option("--status", o->status, "Only ok, failed, or one status such as c0000034");
  c->add_option("--size", o->megabytes,
                "Room for the recording in MB (64); then the oldest calls are overwritten");
  c->add_flag("--keep-first", o->keep_first, "When the room is used up, stop instead");
  c->add_flag("--json", o->json, "Print JSON: an array, with -f one object on each line");
}

}  // namespace plume::cli
