// plume capture: an installer's work, a VM's workspace or a plain folder becomes an image of the local store.
#include <windows.h>

#include <algorithm>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "capture/capture.h"
#include "cli/command.h"
#include "cli/guest.h"
#include "image/builder.h"
#include "image/profile.h"
#include "image/read_content.h"
#include "image/store.h"
#include "os/random.h"
#include "repository/publish.h"

namespace plume::cli {
namespace {

struct CaptureRequest {
  std::string name, version, vm, from_folder, at, from_vm, entry;
  std::vector<std::string> command;
  std::string profile;
  bool json = false, without_drivers = false, learned = false;
};

// What starts of the application touch, if the user says where that is known. What was learned here is not
// taken by itself: the same set-up would give another image on another machine.
Result<image::Profile> KnownProfile(const agent::StatePaths& state, const CaptureRequest& o) {
  if (o.profile.empty() && !o.learned) return image::Profile();
  std::u16string file;
  if (o.learned) {
    std::string name = o.name;
    std::replace(name.begin(), name.end(), '/', '+');
    file = state.Profiles() + u"\\" + agent::ToUtf16(name) + u".json";
  } else {
    ASSIGN(file, agent::DosPath(o.profile));
  }
  const auto text = os::ReadText(os::SystemFiles(), agent::HostPath(file), image::kMaxProfileBytes);
  if (!text.ok() && o.learned)
    return Error{Errc::kNotFound,
                 "using what was learned of " + o.name +
                     " failed: nothing is known of its starts here (start it once, or name a "
                     "file with --profile)"};
  return text.ok() ? image::ParseProfile(*text) : Result<image::Profile>(text.error());
}

Result<int> StoreImage(Context& context, const CaptureRequest& o, const capture::Capture& captured) {
  for (const std::string& note : captured.notes) Warn(note);
  ASSIGN(const agent::StatePaths state, context.State());
  ASSIGN(const auto store, image::Store::Open(os::SystemFiles(), agent::HostPath(state.Store())));
  ProgressDisplay display;
  image::BuildOptions options;
  options.progress = [&](const image::BuildProgress& p) {
    display.Show({"building " + o.name + ":" + o.version, p.bytes_done, p.bytes_total});
  };
  ASSIGN(const image::Profile profile, KnownProfile(state, o));
  for (const image::ProfileFile& file : image::StartUpSet(profile)) {
    const size_t slash = file.path.find('\\');
    if (slash != file.path.npos)
      options.first.emplace_back(file.path.substr(0, slash), agent::ToUtf16(file.path.substr(slash + 1)));
  }
  ASSIGN(const image::BuiltImage built, image::Build(captured.content, *store, options));
  const image::Config& config = captured.content.config;
  agent::Json entries = agent::Json::array();
  for (const image::EntryPoint& e : config.entry_points)
    entries.push_back({{"id", e.id}, {"name", e.name}, {"path", e.path}});
  const agent::Json out{{"name", built.ref.name},
                        {"version", built.ref.version},
                        {"digest", built.ref.digest},
                        {"files", captured.content.files.size()},
                        {"keys", captured.content.keys.size()},
                        {"plain_bytes", built.stats.plain_bytes},
                        {"stored_bytes", built.stats.stored_bytes},
                        {"reused_bytes", built.stats.reused_bytes},
                        {"entries", entries},
                        {"notes", captured.notes}};
  return Show(o.json, out, [&](const agent::Json&) {
    PrintLine("captured " + built.ref.Text() + ": " + std::to_string(captured.content.files.size()) +
              " files, " + SizeText(built.stats.plain_bytes) + ", " +
              std::to_string(captured.content.keys.size()) + " registry keys; " +
              SizeText(built.stats.stored_bytes) + " stored");
    for (const image::EntryPoint& e : config.entry_points) PrintLine("  starts " + e.id + ": " + e.path);
  });
}

// For what capture rewrites, until the image is built.
class ScratchFolder {
 public:
  explicit ScratchFolder(os::Path path) : path_(std::move(path)) {}
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { (void)os::RemoveTree(os::SystemFiles(), path_); }
  const os::Path& path() const { return path_; }

 private:
  os::Path path_;
};

// Of the images of a VM the one that is to have a new version: the one of that name, else the only one.
Result<const agent::Json*> ChooseBase(const CaptureRequest& o, const std::string& vm,
                                      const agent::Json& images) {
  std::string names;
  for (const agent::Json& image : images) {
    if (Field(image, "name") == o.name) return &image;
    names += (names.empty() ? "" : ", ") + Field(image, "name");
  }
  if (images.empty()) return nullptr;
  if (images.size() == 1) return &images.front();
  return Error{Errc::kInvalid, "capturing '" + o.name + "' failed: the VM '" + vm +
                                   "' runs over several images (" + names +
                                   "); name the one that is to have a new version"};
}

// The image below a VM, whole in the store: fetched if it is not there.
Result<image::Content> FetchBase(image::Store& store, const CaptureRequest& o, const agent::Json& base) {
  const std::string digest = Field(base, "digest"), text = Field(base, "name") + ":" + Field(base, "version");
  const auto failed = [&](const Error& why, const std::string& how) {
    return Error{why.code, "capturing '" + o.name + "' failed: " + text + ", which the VM runs over, " + how +
                               ": " + why.message};
  };
  const auto here = store.Resolve(text);
  if (!here.ok() || here->digest != digest) {
    if (here.ok()) {
      return Error{Errc::kExists, "capturing '" + o.name + "' failed: the VM runs over another " + text +
                                      " than the local store has (plume image remove " + text + " first)"};
    }
    const std::string from = Field(base, "repository");
    if (from.empty()) {
      return Error{Errc::kNotFound,
                   "capturing '" + o.name + "' failed: " + text +
                       ", which the VM runs over, is no more in the local store (plume add its application)"};
    }
    const auto repository = repository::Open(from);
    if (!repository.ok()) return failed(repository.error(), "cannot be fetched");
    ProgressDisplay display;
    const auto pulled =
        repository::Pull(**repository, digest, store, [&](const repository::TransferProgress& p) {
          display.Show({"fetching " + text, p.bytes_done, p.bytes_total});
        });
    if (!pulled.ok()) return failed(pulled.error(), "cannot be fetched");
  }
  auto content = image::ReadContent(store, digest);
  if (!content.ok()) return failed(content.error(), "is damaged");
  return content;
}

Result<int> CaptureVm(Context& context, const CaptureRequest& o, const std::string& vm) {
  ASSIGN(const agent::Json found, context.Ask("vm.workspace", {{"name", vm}}));
  ASSIGN(const agent::StatePaths state, context.State());
  capture::Workspace workspace;
  image::Content base;
  ASSIGN(const agent::Json* below, ChooseBase(o, vm, found.at("images")));
  if (below != nullptr) {
    if (Field(*below, "name") == o.name && Field(*below, "version") == o.version) {
      return Error{Errc::kInvalid, "capturing '" + o.name + "' failed: the VM '" + vm +
                                       "' runs over version " + o.version +
                                       " itself (give the new one another --version)"};
    }
    ASSIGN(const auto store, image::Store::Open(os::SystemFiles(), agent::HostPath(state.Store())));
    ASSIGN(base, FetchBase(*store, o, *below));
    workspace.base = &base;
  }
  workspace.upper = os::Path(agent::Wide(agent::ToUtf16(Field(found, "upper"))));
  workspace.profile = agent::ToUtf16(Field(found, "profile"));
  workspace.user_sid = agent::ToUtf16(Field(found, "user_sid"));
  const agent::Json& machine = found.at("machine");
  workspace.machine.temp = agent::ToUtf16(Field(machine, "temp"));
  workspace.machine.user = agent::ToUtf16(Field(machine, "user"));
  workspace.machine.computer = agent::ToUtf16(Field(machine, "computer"));
  workspace.machine.guid = agent::ToUtf16(Field(machine, "machine-guid"));
  workspace.machine.begin = found.at("created").get<int64_t>();
  const auto keys = capture::OpenUpperKeys(agent::ToUtf16(Field(found, "key")));
  const auto host_keys = capture::OpenHostKeys();
  workspace.keys = keys.get();
  workspace.host_keys = host_keys.get();
  workspace.host_file = capture::HostFile;
  for (const std::string& path : agent::OptionalStrings(found, "deleted"))
    workspace.deleted.push_back(agent::ToUtf16(path));
  const ScratchFolder scratch(agent::HostPath(state.root()) / ("capture-" + os::RandomHex(8)));
  TRY(os::SystemFiles().MakeDirectories(scratch.path()));
  ASSIGN(
      const capture::Capture captured,
      capture::CaptureWorkspace(workspace, {o.name, o.version, o.entry, scratch.path(), o.without_drivers}));
  return StoreImage(context, o, captured);
}

Result<int> CaptureInstaller(Context& context, const CaptureRequest& o,
                             const std::vector<std::string>& command) {
  const bool own = o.vm.empty() && o.from_vm.empty();
  const std::string vm = own ? "capture-" + os::RandomHex(4) : o.vm + o.from_vm;
  // Before an updater runs in vain: what keeps the VM from being captured.
  if (!o.from_vm.empty()) TRY(context.Ask("vm.workspace", {{"name", vm}}));
  GuestRequest request;
  request.prepare = agent::Json{{"name", vm}, {"create", o.from_vm.empty()}};
  request.program = command.front();
  request.arguments.assign(command.begin() + 1, command.end());
  request.wait_for_all = true;
  request.stop_services = true;
  const Result<int> ran = RunGuest(context, request);
  const std::string kept = " (its VM is kept: plume vm diff " + vm + ", plume vm delete " + vm + ")";
  if (!ran.ok()) {
    // Nothing ran, so there is nothing to look at.
    if (own) (void)context.Ask("vm.delete", {{"name", vm}});
    return ran.error();
  }
  // 3010 and 1641: done, and Windows Installer would like a restart, which an image does not need.
  if (*ran != 0 && *ran != 3010 && *ran != 1641)
    return Error{Errc::kInvalid, "capturing '" + o.name + "' failed: " + command.front() + " ended with " +
                                     std::to_string(*ran) + kept};
  const Result<int> done = CaptureVm(context, o, vm);
  if (!done.ok()) return Error{done.error().code, done.error().message + kept};
  if (own) TRY(context.Ask("vm.delete", {{"name", vm}}));
  return done;
}

Result<int> CaptureDirectory(Context& context, const CaptureRequest& o) {
  if (o.at.empty()) {
    return Error{
        Errc::kInvalid,
        "capturing '" + o.name +
            "' failed: --at is missing (where guests will see the folder, as --at 'C:\\Program Files\\X')"};
  }
  ASSIGN(const std::u16string directory, agent::DosPath(o.from_folder));
  ASSIGN(const std::u16string at, agent::CleanPath(agent::ToUtf16(o.at)));
  ASSIGN(const agent::StatePaths state, context.State());
  ASSIGN(const agent::MachineFacts facts, agent::GatherFacts(state));
  const os::Path folder(agent::Wide(directory));
  const auto info = os::SystemFiles().Stat(folder);
  if (!info.ok() || !info->directory) {
    return Error{Errc::kNotFound, "capturing '" + o.name + "' failed: " + o.from_folder + " is not a folder"};
  }
  ASSIGN(const capture::Capture captured,
         capture::CaptureFolder({folder, at, facts.profile}, {o.name, o.version, o.entry, {}, false}));
  return StoreImage(context, o, captured);
}

}  // namespace

void AddCapture(CLI::App& app, Context& context) {
  auto o = std::make_shared<CaptureRequest>();
  CLI::App* c = AddCommand(
      app, context, "capture",
      "Make an image: run an installer in a fresh VM, or take a VM's changes or a folder",
      "plume capture editor --version 1.2 -- setup.exe /S\n"
      "  plume capture tool --version 3 --from-folder /srv/tool --at 'C:\\Program Files\\Tool' --entry "
      "tool.exe\n"
      "  plume capture editor --version 1.3 --from-vm test\n"
      "  plume capture editor --version 1.4 --from-vm test -- update.exe /S",
      [o, &context]() -> Result<int> {
        std::vector<std::string> command = o->command;
        command.insert(command.end(), context.tail.begin(), context.tail.end());
        if (!image::IsImageName(o->name) || !image::IsImageVersion(o->version)) {
          return Error{Errc::kInvalid, "capturing '" + o->name + ":" + o->version +
                                           "' failed: a name is lower-case letters, digits and '-', a "
                                           "version letters, digits, '.', '_' or '-'"};
        }
        // With --from-vm the program is an updater, which runs in that VM.
        const int sources = (!command.empty() || !o->from_vm.empty()) + !o->from_folder.empty();
        if (sources != 1 || (!o->vm.empty() && !o->from_vm.empty())) {
          return Error{Errc::kInvalid,
                       "capturing '" + o->name +
                           "' failed: name one source: an installer after --, --from-folder or --from-vm"};
        }
        if (!o->from_folder.empty()) return CaptureDirectory(context, *o);
        if (!command.empty()) return CaptureInstaller(context, *o, command);
        return CaptureVm(context, *o, o->from_vm);
      });
  c->add_option("NAME", o->name, "Name of the image")->required();
  c->add_option("SETUP", o->command,
                "Installer (with --from-vm: updater) and its arguments, better after --");
  c->add_option("--version", o->version, "Version of the image")->required();
  c->add_option("--vm", o->vm, "Run the installer in this VM and keep it; default: a fresh one");
  c->add_option("--from-folder", o->from_folder, "Adopt this folder");
  c->add_option("--at", o->at, "Where guests see the folder");
  c->add_option("--from-vm", o->from_vm,
                "Take what this VM changed; a VM over an image gives a new version of it. A program after -- "
                "runs in it before");
  c->add_option("--entry", o->entry, "The program that starts by default");
  auto* profile = c->add_option("--profile", o->profile,
                                "What starts of it touch (plume profile show names the file): packed first");
  c->add_flag("--learned", o->learned, "The same, as it was learned from its starts on this machine")
      ->excludes(profile);
  c->add_flag("--without-drivers", o->without_drivers, "Leave drivers out, which no image can bring");
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
