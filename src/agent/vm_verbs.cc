// Verbs about VMs.
#include <algorithm>

#include "agent/agent.h"
#include "agent/environment.h"
#include "agent/explain.h"
#include "agent/explain_windows.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/thread.h"
#include "capture/capture.h"
#include "capture/environment.h"

namespace plume::agent {
namespace {

Json DescribeChange(const Change& c, const std::u16string& user_sid) {
  static constexpr const char* kThings[] = {"file", "directory", "key", "value"};
  const bool registry = c.thing == ChangedThing::kKey || c.thing == ChangedThing::kValue;
  Json out{{"change", std::string(1, static_cast<char>(c.kind))},
           {"kind", kThings[static_cast<int>(c.thing)]},
           {"path", ToUtf8(registry ? KeyForPeople(c.path, user_sid) : c.path)}};
  if (c.thing == ChangedThing::kValue) out["value"] = ToUtf8(c.value);
  return out;
}

const char* PlaceName(Place place) {
  switch (place) {
    case Place::kUpper:
      return "upper";
    case Place::kImage:
      return "image";
    case Place::kHost:
      return "host";
    case Place::kNone:
      break;
  }
  return "none";
}

// A path as a guest's shell would understand it: relative to `cwd` unless it starts with a drive.
Result<std::u16string> Absolute(std::u16string_view path, const std::u16string& cwd) {
  if (path.size() >= 2 && path[1] == u':') {
    if (path.size() == 2 || (path[2] != u'\\' && path[2] != u'/')) {
      // "D:x": relative to the drive's own directory, which only this drive's current one is known of.
      if (view::EqualFolded(path.substr(0, 2), cwd.substr(0, 2)))
        return CleanPath(cwd + u"\\" + std::u16string(path.substr(2)));
      return CleanPath(std::u16string(path.substr(0, 2)) + u"\\" + std::u16string(path.substr(2)));
    }
    return CleanPath(path);
  }
  if (!path.empty() && (path[0] == u'\\' || path[0] == u'/')) {
    if (path.size() > 1 && (path[1] == u'\\' || path[1] == u'/'))
      return Error{Errc::kUnsupported, "finding " + ToUtf8(path) +
                                           " failed: programs on network shares cannot be started in a VM"};
    return CleanPath(cwd.substr(0, 2) + std::u16string(path));
  }
  return CleanPath(cwd + u"\\" + std::u16string(path));
}

bool HasExtension(std::u16string_view path, std::u16string_view extension) {
  return path.size() > extension.size() &&
         view::EqualFolded(path.substr(path.size() - extension.size()), extension);
}

std::vector<std::u16string> Candidates(const std::u16string& path) {
  std::vector<std::u16string> out;
  static constexpr std::u16string_view kExtensions[] = {u".com", u".exe", u".bat", u".cmd", u".msi"};
  if (std::any_of(std::begin(kExtensions), std::end(kExtensions),
                  [&](auto e) { return HasExtension(path, e); })) {
    out.push_back(path);
  }
  for (const auto e : kExtensions) out.push_back(path + std::u16string(e));
  out.push_back(path);  // a program by another extension
  return out;
}

}  // namespace

// Fills in the policy given as text; the name is for messages.
Result<std::string> Agent::ReadPolicyArgs(const Json& args, VmRecord* record) {
  record->policy_text = OptionalString(args, "policy_text");
  record->policy_file = OptionalString(args, "policy_file");
  if (record->policy_text.size() > (1u << 20))
    return Error{Errc::kInvalid,
                 "reading the policy failed: " + record->policy_file + " is larger than 1 MB"};
  return record->policy_file;
}

Result<Json> Agent::VmCreate(Session& session, const Json& args) {
  VmRecord wanted;
  ASSIGN(wanted.name, RequiredString(args, "name"));
  TRY(CheckName("VM", wanted.name));
  TRY(ReadPolicyArgs(args, &wanted));
  if (const std::string from = OptionalString(args, "from"); !from.empty())
    return VmCreateFrom(session, from, OptionalString(args, "from_file"), std::move(wanted));
  ASSIGN(wanted.images, ImageDigests(OptionalStrings(args, "images")));
  ASSIGN(const VmRecord vm, vms_->Create(std::move(wanted)));
  return Describe(vm);
}

Result<Json> Agent::VmList(Session&, const Json&) {
  Json out = Json::array();
  for (const VmRecord& vm : vms_->List()) out.push_back(Describe(vm));
  return out;
}

// The VM to start in, leased: found, or made now if it may be. `application` and `images`: of a streamed
// application.
Result<VmRecord> Agent::TakeVm(const Json& args, const std::string& name, const std::string& application,
                               const std::vector<std::string>& images, std::string* note) {
  VmRecord wanted;
  wanted.name = name;
  wanted.application = application;
  wanted.base = application.empty() ? BasePolicy::kSandbox : BasePolicy::kApplication;
  wanted.images = images;
  TRY(ReadPolicyArgs(args, &wanted));
  if (application.empty()) {
    ASSIGN(wanted.images, ImageDigests(OptionalStrings(args, "images")));
  }
  for (int tries = 3;; --tries) {
    auto known = vms_->Find(name);
    if (!known.ok()) {
      if (!OptionalBool(args, "create")) return known.error();
      known = vms_->Create(wanted);
      // Two commands may start the same new VM at once: the second one uses what the first made.
      if (!known.ok() && known.error().code == Errc::kExists) known = vms_->Find(name);
    } else if (!application.empty() && !SameName(known->application, application)) {
      return Error{Errc::kExists, "starting '" + application + "' failed: there is a VM '" + name +
                                      "' already that is not its own (name another with --vm)"};
    } else if ((!wanted.policy_text.empty() && wanted.policy_text != known->policy_text) ||
               (application.empty() && !wanted.images.empty() && wanted.images != known->images)) {
      *note = "'" + name + "' is there already and keeps its policy and images (plume vm delete " + name +
              " first to have others)";
    }
    Result<VmRecord> vm = Error{};
    if (known.ok()) {
      const bool running = vms_->GuestCount(known->id) > 0;
      vm = vms_->Prepare(name, application.empty() ? nullptr : &images,
                         OptionalBool(args, "rm") || known->remove_when_empty);
      if (vm.ok() && running && !images.empty() && vm->images != images)
        *note = "a newer version is here; '" + name + "' is running, so it takes it at its next start";
    } else {
      vm = known.error();
    }
    // A VM of --rm may go between the two steps, when its last guest ends.
    if (vm.ok() || tries == 1 || vm.error().code != Errc::kNotFound || vms_->Find(name).ok()) return vm;
  }
}

// What set-ups that ran in the VM made of the environment, as a user finds it after the next logon.
std::vector<image::EnvVar> VmVariables(const std::u16string& upper_key, const std::u16string& user_sid) {
  std::vector<image::EnvVar> out;
  const auto upper = capture::OpenUpperKeys(upper_key);
  const auto host = capture::OpenHostKeys();
  for (const std::u16string& key :
       {std::u16string(u"M\\System\\CurrentControlSet\\Control\\Session Manager\\Environment"),
        u"U\\" + user_sid + u"\\Environment"}) {
    capture::KeyContent now, before;
    if (!upper->Read(key, &now)) continue;
    host->Read(key, &before);
    capture::MergeVariables(capture::NewVariables(now.values, before.values), &out);
  }
  return out;
}

// Everything that has to be true before a guest is started; the session then holds a lease on the VM.
Result<Json> Agent::VmPrepare(Session& session, const Json& args) {
  std::string name = OptionalString(args, "name");
  const std::string app_name = OptionalString(args, "app");
  std::string note;
  std::vector<std::string> images;
  std::string application;
  const int64_t began = os::SystemClock().MonotonicMicros();
  if (!app_name.empty()) {
    AppRecord app;
    // While the repository is asked for a newer version, what this one needs is on its way already.
    const bool offline = OptionalBool(args, "offline");
    std::string fetching;
    if (const auto known = apps_->Find(app_name);
        known.ok() && !offline && cache_->Holds(known->digest) && apps_->Attach(known->digest).ok()) {
      fetching = known->digest;
      starts_->Prefetch(fetching);
    }
    if (offline) {
      ASSIGN(app, apps_->Find(app_name));
    } else {
      ASSIGN(app, apps_->Refresh(app_name, &note, session.progress));
    }
    application = app.name;
    if (const auto shown = integrations_->Find(app.name); shown && shown->digest != app.digest)
      (void)StartThread([this, app] { integrations_->Renew(app.name, app.digest); });
    if (name.empty()) name = app.name;
    images.push_back(app.digest);
    TRY(apps_->Attach(app.digest));
    if (!offline && app.digest != fetching) starts_->Prefetch(app.digest);
  }
  const int64_t looked = os::SystemClock().MonotonicMicros();
  if (name.empty()) return Error{Errc::kInvalid, "starting failed: no VM was named"};

  ASSIGN(const VmRecord vm, TakeVm(args, name, application, images, &note));
  session.leases.insert(vm.id);
  if (!vm.images.empty() && vms_->GuestCount(vm.id) == 0) {
    starts_->Begin(vm.id, HostPath(state_.Workspace(ToUtf16(vm.id), vm.workspace)), vm.images, began);
    if (!app_name.empty()) starts_->Waited(vm.id, "looking for a newer version", began, looked);
    starts_->Waited(vm.id, "preparing the VM", looked, os::SystemClock().MonotonicMicros());
  }

  // The image's part of the environment, lowest layer first so that the top one wins.
  Json environment = Json::array(), entries = Json::array();
  std::string version;
  for (size_t i = vm.images.size(); i-- > 0;) {
    TRY(apps_->MayStart(vm.images[i]));
    ASSIGN(const image::Config config, apps_->ConfigOf(vm.images[i]));
    for (const image::EnvVar& v : config.environment)
      environment.push_back({{"name", v.name}, {"value", v.value}, {"join", v.join}});
    if (i == 0) {
      version = config.version;
      for (const image::EntryPoint& e : config.entry_points)
        entries.push_back(
            {{"id", e.id}, {"name", e.name}, {"path", e.path}, {"arguments", e.arguments}, {"cwd", e.cwd}});
    }
  }
  for (const image::EnvVar& v :
       VmVariables(state_.WorkspaceKey(ToUtf16(vm.id), vm.workspace), facts_.user_sid))
    environment.push_back({{"name", v.name}, {"value", v.value}, {"join", v.join}});
  Json variables = Json::object();
  for (const auto& [key, value] : ImageVariables(facts_)) variables[ToUtf8(key)] = ToUtf8(value);
  return Json{{"id", vm.id},
              {"name", vm.name},
              {"view", ToUtf8(state_.WorkspaceFile(ToUtf16(vm.id), vm.workspace, u"view.plv"))},
              {"job", ToUtf8(state_.Job(ToUtf16(vm.id)))},
              {"environment", std::move(environment)},
              {"variables", std::move(variables)},
              {"entries", std::move(entries)},
              {"version", version},
              {"system_root", ToUtf8(facts_.system_root)},
              {"profile", ToUtf8(facts_.profile)},
              {"note", note}};
}

// PROGRAM as the guest sees it -> the virtual path and the real file, hydrated.
Result<Json> Agent::VmResolve(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string program, RequiredString(args, "program"));
  ASSIGN(std::u16string cwd, CleanPath(ToUtf16(OptionalString(args, "cwd"))));
  ASSIGN(const auto space, vms_->Space(name));
  // Where a shortcut would start it; one that names a folder that is gone is no reason not to start.
  if (const auto start = CleanPath(ToUtf16(OptionalString(args, "start_in"))); start.ok()) {
    if (const auto at = space->LocateFile(*start); at.ok() && at->place != Place::kNone && at->directory)
      cwd = *start;
  }
  const std::u16string wanted = ToUtf16(program);

  ASSIGN(const Located directory, space->LocateFile(cwd));
  if (directory.place == Place::kNone || !directory.directory) {
    return Error{Errc::kNotFound, "starting " + program + " failed: the folder " + ToUtf8(cwd) +
                                      " does not exist in the VM (give another with --cwd)"};
  }
  std::vector<std::u16string> places;
  if (wanted.find_first_of(u"\\/:") != wanted.npos) {
    ASSIGN(const std::u16string path, Absolute(wanted, cwd));
    places = Candidates(path);
  } else {
    std::vector<std::u16string> folders = {cwd};
    const std::u16string path = ToUtf16(OptionalString(args, "path"));
    for (size_t begin = 0; begin < path.size();) {
      const size_t end = std::min(path.find(u';', begin), path.size());
      std::u16string item = path.substr(begin, end - begin);
      std::erase(item, u'"');
      if (auto clean = CleanPath(item); clean.ok()) folders.push_back(*clean);
      begin = end + 1;
    }
    folders.push_back(facts_.system_root + u"\\System32");
    folders.push_back(facts_.system_root);
    for (const std::u16string& folder : folders)
      for (std::u16string& c : Candidates(folder + u"\\" + wanted)) places.push_back(std::move(c));
  }
  for (const std::u16string& place : places) {
    const auto at = space->LocateFile(place);
    if (!at.ok() || at->place == Place::kNone || at->directory) continue;
    if (at->place == Place::kImage) {
      // This agent may not be the one that prepared the VM.
      TRY(apps_->Attach(space->LayerDigest(at->layer)));
      const std::string digest = space->LayerDigest(at->layer);
      const bool here = cache_->Present(digest, at->entry);
      const int64_t began = os::SystemClock().MonotonicMicros();
      Status fetched = cache_->EnsureFile(digest, at->entry);
      if (const auto vm = vms_->Find(name); vm.ok()) {
        starts_->Touch(vm->id, at->layer, at->entry);
        if (!here)
          starts_->Missed(vm->id, at->layer, at->entry, began, os::SystemClock().MonotonicMicros(),
                          fetched.ok());
      }
      TRY(std::move(fetched));
    }
    const char* kind = HasExtension(place, u".bat") || HasExtension(place, u".cmd") ? "script"
                       : HasExtension(place, u".msi")                               ? "installer"
                                                                                    : "program";
    return Json{{"virtual", ToUtf8(place)}, {"real", ToUtf8(at->real)}, {"kind", kind}, {"cwd", ToUtf8(cwd)}};
  }
  return Error{Errc::kNotFound, "starting " + program +
                                    " failed: the VM has no such program (plume vm explain " + name +
                                    " PATH says why)"};
}

Result<Json> Agent::VmLease(Session& session, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const VmRecord vm, vms_->Find(name));
  session.leases.insert(vm.id);
  vms_->Lease(vm.id);
  TRY(VmStarted(session, args));
  return Json{{"id", vm.id}};
}

Result<Json> Agent::VmStarted(Session& session, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const VmRecord vm, vms_->Find(name));
  const auto pid = args.find("pid");
  if (pid == args.end() || !pid->is_number_unsigned()) return Json::object();
  Handle guest(OpenProcess(PROCESS_TERMINATE | PROCESS_QUERY_INFORMATION, FALSE, pid->get<uint32_t>()));
  // Only ever a process of this VM: a process id alone proves nothing.
  if (guest && vms_->IsGuestOf(vm.id, guest.get())) session.guests[vm.id] = std::move(guest);
  StartAutomaticServices(vm);
  return Json::object();
}

Result<Json> Agent::VmRelease(Session& session, const Json& args) {
  ASSIGN(const std::string id, RequiredString(args, "id"));
  Json out{{"notes", vms_->TakeNotes(id)}};
  session.guests.erase(id);
  if (const auto it = session.leases.find(id); it != session.leases.end()) {
    session.leases.erase(it);
    vms_->Release(id);
  }
  return out;
}

Result<Json> Agent::VmProcesses(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  Status status;
  const std::vector<ProcessInfo> processes = vms_->Processes(name, &status);
  TRY(std::move(status));
  Json out = Json::array();
  for (const ProcessInfo& p : processes) out.push_back({{"pid", p.pid}, {"image", p.image}});
  return out;
}

Result<Json> Agent::VmStop(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  TRY(vms_->Stop(name));
  return Json::object();
}

Result<Json> Agent::VmOnlyServices(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const bool only, vms_->OnlyServicesRun(name));
  return Json{{"only_services", only}};
}

Result<Json> Agent::VmDelete(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  if (const auto vm = vms_->Find(name); vm.ok() && !vms_->InUse(vm->id)) starts_->Forget(vm->id);
  TRY(vms_->Delete(name));
  return Json::object();
}

Result<Json> Agent::VmDiscard(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  TRY(vms_->Discard(name));
  return Json::object();
}

Result<Json> Agent::VmDiff(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const auto space, vms_->Space(name));
  ASSIGN(const std::vector<Change> changes, space->ComputeDiff());
  Json out = Json::array();
  for (const Change& c : changes) out.push_back(DescribeChange(c, facts_.user_sid));
  return out;
}

Result<Json> Agent::VmExplain(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string text, RequiredString(args, "path"));
  if (const auto place = ParseHostAndPort(text)) {
    ASSIGN(const Policy policy, vms_->PolicyOf(name));
    return ExplainHost(policy, text, *place);
  }
  if (IsDeviceText(text)) {
    ASSIGN(const Policy policy, vms_->PolicyOf(name));
    return ExplainDevice(policy, text);
  }
  ASSIGN(const auto space, vms_->Space(name));
  if (auto window = ExplainWindow(space->view(), text)) return std::move(*window);
  if (auto object = ExplainObjectName(*space, text)) return std::move(*object);
  const std::u16string wanted = ToUtf16(text);
  const bool registry = wanted.size() < 2 || wanted[1] != u':';
  std::u16string canonical;
  if (registry) {
    ASSIGN(canonical, CanonicalKey(wanted, facts_.user_sid));
  } else {
    ASSIGN(canonical, CleanPath(wanted));
  }
  ASSIGN(const Located at, registry ? space->LocateKey(canonical) : space->LocateFile(canonical));
  Json out{{"path", text},
           {"canonical", ToUtf8(canonical)},
           {"space", registry ? "registry" : "file"},
           {"mode", ModeName(at.lookup.mode)},
           {"rule", space->RuleOrigin(at.lookup, registry)},
           {"layer", PlaceName(at.place)},
           {"real", ToUtf8(at.real)},
           {"deleted", at.lookup.lower_hidden && at.place == Place::kNone}};
  if (at.place == Place::kImage) {
    out["image"] = space->LayerDigest(at.layer);
    if (!registry) out["hydrated"] = os::Exists(os::SystemFiles(), os::Path(Wide(at.real)));
  }
  if (at.place != Place::kNone && !registry) out["directory"] = at.directory;
  return out;
}

// What capture needs to make an image of a VM's workspace.
Result<Json> Agent::VmWorkspace(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const VmRecord vm, vms_->Find(name));
  if (vms_->GuestCount(vm.id) > 0) {
    return Error{Errc::kBusy,
                 "capturing the VM '" + vm.name + "' failed: it is running (plume vm stop " + vm.name + ")"};
  }
  ASSIGN(const auto space, vms_->Space(name));
  Json deleted = Json::array();
  for (const std::u16string& path : space->Whiteouts()) deleted.push_back(ToUtf8(path));
  const std::u16string id = ToUtf16(vm.id);
  Json machine = Json::object();
  for (const auto& [means, value] : ImageMeanings(facts_)) machine[means] = ToUtf8(value);
  Json images = Json::array();
  for (const std::string& digest : vm.images) {
    const auto config = apps_->ConfigOf(digest);
    if (!config.ok()) {
      return Error{config.error().code, "capturing the VM '" + vm.name + "' failed: its image " +
                                            digest.substr(0, 19) +
                                            " is not here and cannot be had: " + config.error().message};
    }
    images.push_back({{"digest", digest},
                      {"name", config->name},
                      {"version", config->version},
                      {"repository", apps_->RepositoryOf(digest)}});
  }
  return Json{{"id", vm.id},
              {"images", std::move(images)},
              {"created", vm.created},
              {"machine", std::move(machine)},
              {"upper", ToUtf8(state_.WorkspaceFile(id, vm.workspace, u"upper"))},
              {"key", ToUtf8(state_.WorkspaceKey(id, vm.workspace))},
              {"profile", ToUtf8(facts_.profile)},
              {"user_sid", ToUtf8(facts_.user_sid)},
              {"deleted", std::move(deleted)}};
}

}  // namespace plume::agent
