#include "agent/agent.h"

#include <set>

#include "agent/identity.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/registry.h"
#include "image/store.h"
#include "os/lock.h"
#include "spdlog/spdlog.h"
#include "wire/messages.h"

namespace plume::agent {
namespace {

uint32_t NtStatusOf(Errc code) {
  switch (code) {
    case Errc::kUnreachable:
      return wire::kStatusFileIsOffline;
    case Errc::kNoSpace:
      return 0xC000007F;  // STATUS_DISK_FULL
    case Errc::kCorrupt:
      return 0xC000003E;  // STATUS_DATA_ERROR
    case Errc::kDenied:
      return 0xC0000022;  // STATUS_ACCESS_DENIED
    case Errc::kNotFound:
      return 0xC0000034;  // STATUS_OBJECT_NAME_NOT_FOUND
    default:
      return 0xC0000001;  // STATUS_UNSUCCESSFUL
  }
}

constexpr uint32_t kFinishMillis = 5000;

// "C\\Program Files\\x" -> "C:\\Program Files\\x"
std::string FileForPeople(const std::string& name) {
  if (name.size() > 1 && name[1] == '\\') return name.substr(0, 1) + ":" + name.substr(1);
  return name.rfind("Profile\\", 0) == 0 ? "%USERPROFILE%" + name.substr(7) : name;
}

}  // namespace

const Agent::Verb Agent::kVerbs[] = {
    {"agent.status", &Agent::AgentStatus},
    {"agent.stop", &Agent::AgentStop},
    {"status", &Agent::Overview},
    {"app.add", &Agent::AppAdd},
    {"app.list", &Agent::AppList},
    {"app.update", &Agent::AppUpdate},
    {"app.remove", &Agent::AppRemove},
    {"cache.status", &Agent::CacheStatus},
    {"cache.verify", &Agent::CacheVerify},
    {"cache.repair", &Agent::CacheRepair},
    {"hydrate", &Agent::HydratePath},
    {"vm.create", &Agent::VmCreate},
    {"vm.list", &Agent::VmList},
    {"vm.prepare", &Agent::VmPrepare},
    {"vm.resolve", &Agent::VmResolve},
    {"vm.lease", &Agent::VmLease},
    {"vm.started", &Agent::VmStarted},
    {"vm.release", &Agent::VmRelease},
    {"vm.ps", &Agent::VmProcesses},
    {"vm.stop", &Agent::VmStop},
    {"vm.delete", &Agent::VmDelete},
    {"vm.discard", &Agent::VmDiscard},
    {"vm.diff", &Agent::VmDiff},
    {"vm.explain", &Agent::VmExplain},
    {"vm.workspace", &Agent::VmWorkspace},
    {"vm.snapshot", &Agent::VmSnapshot},
    {"vm.snapshots", &Agent::VmSnapshots},
    {"vm.snapshot.delete", &Agent::VmSnapshotDelete},
    {"vm.restore", &Agent::VmRestore},
    {"vm.export", &Agent::VmExport},
    {"vm.import", &Agent::VmImport},
    {"vm.commit", &Agent::VmCommit},
    {"vm.trace", &Agent::VmTrace},
    {"vm.only-services", &Agent::VmOnlyServices},
    {"app.integrate", &Agent::AppIntegrate},
    {"app.command", &Agent::AppCommand},
    {"app.unintegrate", &Agent::AppUnintegrate},
    {"vm.report", &Agent::VmReport},
    {"profile.show", &Agent::ProfileShow},
};

Result<std::unique_ptr<Agent>> Agent::Start(const StatePaths& state) {
  if (Status made = os::SystemFiles().MakeDirectories(HostPath(state.root())); !made.ok()) {
    if (made.error().code == Errc::kNoSpace) return made.error();
    return Error{made.error().code,
                 made.error().message + " (set PLUME_HOME to a folder that you may write)"};
  }
  ASSIGN(os::FileLock lock, os::FileLock::Acquire(HostPath(state.Lock()), os::FileLock::Mode::kExclusive, 0));
  ASSIGN(MachineFacts facts, GatherFacts(state));
  std::unique_ptr<Agent> agent(new Agent(state, std::move(facts)));
  agent->lock_ = std::make_unique<os::FileLock>(std::move(lock));
  bool moved = false;
  TRY(ClaimState(agent->state_, agent->facts_.user_sid, &moved));
  cache::Options cache_options;
  cache_options.variables = ImageMeanings(agent->facts_);
  cache_options.report = [](const std::string& line) { spdlog::warn("{}", line); };
  ASSIGN(agent->cache_, cache::Cache::Open(HostPath(state.root()), cache_options));
  agent->http_ = std::make_shared<os::HttpLog>(os::MakeHttpClient());
  agent->apps_ = std::make_unique<Apps>(agent->state_, *agent->cache_, agent->http_);
  agent->starts_ = std::make_unique<Starts>(HostPath(agent->state_.Profiles()), *agent->cache_, agent->http_);
  TRY(agent->apps_->Load());
  Agent* self = agent.get();
  agent->integrations_ = std::make_unique<Integrations>(
      agent->state_, [self](const std::string& application) { return self->DescribeForDesktop(application); },
      [self](const std::string& application, const std::u16string& path) {
        return self->FetchForDesktop(application, path);
      });
  TRY(agent->integrations_->Load());
  agent->vms_ = std::make_unique<Vms>(
      agent->state_, agent->facts_, [self](const std::string& digest) { return self->Layer(digest); },
      [self] {
        std::vector<std::u16string> keys = self->integrations_->Keys();
        for (std::u16string& key : keys) {
          const bool machine = key.starts_with(u"HKLM\\");
          key = (machine ? u"M\\" : u"U\\" + self->facts_.user_sid + u"\\") + key.substr(5);
        }
        return keys;
      });
  TRY(agent->vms_->Recover(moved));
  agent->started_ = GetTickCount64();
  return agent;
}

void Agent::Run(uint32_t idle_seconds) {
  last_use_ = GetTickCount64();
  // The guests' pipe first: whoever can reach the agent can start guests at once.
  Status served =
      ServePipe(state_.GuestPipe(), facts_.user_sid, 8, [this](Handle pipe) { ServeGuest(std::move(pipe)); });
  if (served.ok())
    served = ServePipe(state_.ControlPipe(), facts_.user_sid, 4,
                       [this](Handle pipe) { ServeControl(std::move(pipe)); });
  if (!served.ok()) {
    spdlog::error("{}", served.error().message);
    return;
  }
  ServeLaunchers();
  spdlog::info("serving {}", ToUtf8(state_.root()));
  while (!stopping_) {
    Sleep(250);
    vms_->Tend();
    starts_->Tend(hydrations_ > 0, [this](const std::string& vm) { return vms_->InUse(vm); });
    if (clients_ > 0 || hydrations_ > 0 || vms_->AnyInUse()) last_use_ = GetTickCount64();
    if (GetTickCount64() - last_use_ >= idle_seconds * 1000ull && TryEnd()) {
      spdlog::info("nothing to do for {} s: ending", idle_seconds);
      return;
    }
  }
  spdlog::info("told to stop");
  Sleep(100);  // the answer to whoever asked is still on its way
  vms_->Finish(kFinishMillis);
}

bool Agent::Enter() {
  const std::lock_guard lock(door_);
  if (ending_) return false;
  ++clients_;
  return true;
}

void Agent::Leave() {
  last_use_ = GetTickCount64();
  --clients_;
}

bool Agent::TryEnd() {
  const std::lock_guard lock(door_);
  if (clients_ > 0 || hydrations_ > 0 || vms_->AnyInUse()) return false;
  ending_ = true;
  return true;
}

void Agent::ServeControl(Handle pipe) {
  if (!Enter()) return;
  Session session{Connection(std::move(pipe)), {}, {}, nullptr};
  session.progress = [&session](const Progress& p) { (void)session.connection.Send(MakeProgress(p)); };
  // A process is in a VM before its first instruction, or never.
  const uint32_t pid = session.connection.ClientProcess();
  const bool is_guest = pid != 0 && vms_->IsGuest(pid);
  for (;;) {
    const auto payload = session.connection.Receive(kMaxRequestBytes);
    if (!payload.ok()) {
      // Gone, or not speaking our language: say so if it still listens, and let it go.
      if (payload.error().code == Errc::kInvalid) (void)session.connection.Send(MakeReply(payload.error()));
      break;
    }
    // What an ending agent promises (a lease, a job) nobody keeps: the client asks the next one.
    ++requests_;
    if (ending_) {
      --requests_;
      break;
    }
    Result<Json> answer = Error{};
    const auto request = ParseRequest(*payload);
    if (!request.ok()) {
      answer = request.error();
    } else if (is_guest) {
      // A guest must not be able to command the world outside its VM.
      answer =
          Error{Errc::kDenied, "running '" + request->verb + "' failed: plume cannot be used inside a VM"};
    } else {
      try {
        answer = Dispatch(session, *request);
      } catch (const std::exception& e) {
        answer = Error{Errc::kInternal,
                       "running '" + request->verb + "' failed: " + e.what() + " (see agent.log)"};
      }
    }
    --requests_;
    if (!answer.ok()) spdlog::info("{}: {}", request.ok() ? request->verb : "?", answer.error().message);
    if (!session.connection.Send(MakeReply(answer)).ok()) break;
  }
  // A client that ends without a word was killed, and with it goes the program that the user saw as its own.
  for (const auto& [id, guest] : session.guests) TerminateProcess(guest.get(), 1);
  for (const std::string& id : session.leases) vms_->Release(id);
  Leave();
}

Result<Json> Agent::Dispatch(Session& session, const Request& request) {
  for (const Verb& verb : kVerbs)
    if (request.verb == verb.name) return (this->*verb.handler)(session, request.args);
  return Error{Errc::kUnsupported,
               "running '" + request.verb +
                   "' failed: this agent does not know it (plume agent stop, then try again)"};
}

void Agent::ServeGuest(Handle pipe) {
  wire::Request request;
  while (ReadExactly(pipe.get(), &request, sizeof(request))) {
    if (request.magic != wire::kMagic || (request.op != wire::Op::kHydrate && request.op != wire::Op::kPing &&
                                          request.op != wire::Op::kServices)) {
      spdlog::warn("a message on the guests' pipe is not of this version");
      return;
    }
    if (request.op == wire::Op::kPing) {
      const wire::Reply alive{wire::kMagic, 0};
      if (!WriteExactly(pipe.get(), &alive, sizeof(alive))) return;
      continue;
    }
    size_t length = 0;
    while (length < std::size(request.vm_id) && request.vm_id[length] != 0) ++length;
    ++hydrations_;
    wire::Reply reply{wire::kMagic, 0xC0000001};
    try {
      const std::string vm_id = ToUtf8(std::u16string_view(request.vm_id, length));
      reply.status = request.op == wire::Op::kServices
                         ? StartServices(vm_id)
                         : Hydrate(vm_id, request.layer, request.entry, request.pid);
    } catch (const std::exception& e) {
      spdlog::error("answering a guest failed: {}", e.what());
    }
    --hydrations_;
    if (!WriteExactly(pipe.get(), &reply, sizeof(reply))) return;
  }
}

uint32_t Agent::Hydrate(const std::string& vm_id, uint32_t layer, uint32_t entry, uint32_t pid) {
  std::string name;
  const std::string digest = vms_->LayerDigest(vm_id, layer, &name);
  if (digest.empty()) return NtStatusOf(Errc::kNotFound);
  const int64_t began = os::SystemClock().MonotonicMicros();
  const auto image = apps_->Attach(digest);
  Status done = image.ok() ? cache_->EnsureFile(digest, entry) : Status(image.error());
  starts_->Missed(vm_id, layer, entry, began, os::SystemClock().MonotonicMicros(), done.ok());
  if (done.ok()) return 0;
  spdlog::warn("vm {} pid {}: {}", name, pid, done.error().message);
  const bool offline = done.error().code == Errc::kUnreachable;
  vms_->Note(vm_id, offline && image.ok()
                        ? "the file " + FileForPeople(cache_->NameOf(digest, entry)) +
                              " is needed but not here, and its repository cannot be reached: offline"
                        : done.error().message);
  return NtStatusOf(done.error().code);
}

Result<LayerInput> Agent::Layer(const std::string& digest) {
  ASSIGN(const cache::Image* image, apps_->Attach(digest));
  LayerInput out;
  out.digest = digest;
  out.catalog_path = FromWide(image->catalog_path.wstring());
  out.files = FromWide(image->files.wstring());
  out.catalog = &image->catalog;
  return out;
}

// "NAME:VERSION" of the local store, a subscribed application, or a digest.
Result<std::vector<std::string>> Agent::ImageDigests(const std::vector<std::string>& refs) {
  std::vector<std::string> out;
  for (const std::string& ref : refs) {
    if (const auto app = apps_->Find(ref); app.ok()) {
      out.push_back(app->digest);
      continue;
    }
    if (cache_->Find(ref) != nullptr) {
      out.push_back(ref);
      continue;
    }
    ASSIGN(const auto store, image::Store::Open(os::SystemFiles(), HostPath(state_.Store())));
    ASSIGN(const image::ImageRef found, store->Resolve(ref));
    TRY(apps_->Attach(found.digest));
    out.push_back(found.digest);
  }
  return out;
}

// Removes images that nothing needs any more. What is mapped or being fetched stays until next time.
void Agent::CollectImages() {
  std::set<std::string> wanted;
  for (const std::string& digest : apps_->Wanted()) wanted.insert(digest);
  for (const VmRecord& vm : vms_->List())
    if (vm.application.empty() || vms_->InUse(vm.id)) wanted.insert(vm.images.begin(), vm.images.end());
  const auto images = cache_->ImageStatuses();
  if (!images.ok()) return;
  for (const cache::ImageStatus& image : *images) {
    if (wanted.contains(image.digest)) continue;
    const Status removed = cache_->Remove(image.digest);
    spdlog::info("removing image {}: {}", image.digest, removed.ok() ? "done" : removed.error().message);
    if (!removed.ok()) continue;
    const std::u16string hex = ToUtf16(std::string_view(image.digest).substr(image.digest.find(':') + 1));
    for (const bool alone : {false, true}) {
      if (const Status keys = RemoveKeyTree(state_.ImageKey(hex, alone)); !keys.ok())
        spdlog::warn("{}", keys.error().message);
    }
  }
}

Json Agent::Describe(const VmRecord& vm) const {
  return Json{{"name", vm.name},
              {"id", vm.id},
              {"policy", !vm.damage.empty()                ? "damaged"
                         : vm.base == BasePolicy::kSandbox ? "sandbox"
                                                           : "application"},
              {"policy_file", vm.policy_file},
              {"application", vm.application},
              {"images", vm.images},
              {"created", vm.created},
              {"guests", vms_->GuestCount(vm.id)}};
}

Json Agent::Describe(const AppRecord& app) const {
  Json out = app.ToJson();
  Json running = Json::array();
  for (const VmRecord& vm : vms_->List())
    if (SameName(vm.application, app.name) && vms_->GuestCount(vm.id) > 0)
      running.push_back({{"vm", vm.name}, {"digest", vm.images.empty() ? "" : vm.images.front()}});
  out["running"] = std::move(running);
  out["integrated"] = integrations_->IsIntegrated(app.name);
  return out;
}

}  // namespace plume::agent
