#include "agent/integrations.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "agent/text.h"
#include "agent/win/desktop.h"
#include "agent/win/machine.h"
#include "capture/pe.h"
#include "os/file.h"
#include "view/path.h"

namespace plume::agent {
namespace {

using integrate::Plan;
using integrate::Record;

std::u16string ParentOf(const std::u16string& path) {
  const size_t slash = path.find_last_of(u'\\');
  return slash == std::u16string::npos ? std::u16string() : path.substr(0, slash);
}

// Parents first: every key that is not there yet, of those that the values need.
std::vector<std::u16string> MissingKeys(const std::vector<integrate::Value>& values) {
  std::set<std::u16string> out;
  for (const integrate::Value& v : values)
    for (std::u16string key = v.key; key.find(u'\\') != std::u16string::npos; key = ParentOf(key)) {
      if (out.count(key) != 0 || KeyExists(key)) break;
      out.insert(key);
    }
  return {out.begin(), out.end()};  // a parent sorts before what is below it
}

std::vector<std::u16string> MissingFolders(const std::vector<std::u16string>& files) {
  std::set<std::u16string> out;
  for (const std::u16string& f : files)
    for (std::u16string folder = ParentOf(f); folder.size() > 2; folder = ParentOf(folder)) {
      if (out.count(folder) != 0 || os::Exists(os::SystemFiles(), HostPath(folder))) break;
      out.insert(folder);
    }
  return {out.begin(), out.end()};
}

// "C:\x.dll,-3"
std::pair<std::u16string, int> SplitIcon(std::u16string text) {
  std::erase(text, u'"');
  const size_t comma = text.rfind(u',');
  if (comma == std::u16string::npos) return {text, 0};
  int index = 0;
  bool negative = false;
  for (const char16_t c : text.substr(comma + 1)) {
    if (c == u'-') negative = true;
    if (c >= u'0' && c <= u'9') index = std::min(index * 10 + (c - u'0'), 1 << 20);
  }
  return {text.substr(0, comma), negative ? -index : index};
}

bool IsConsole(const std::u16string& real) {
  auto head = os::ReadFile(os::SystemFiles(), HostPath(real));
  if (!head.ok()) return true;
  const auto info = capture::ReadPe({head->data(), std::min<size_t>(head->size(), 4096)});
  return !info || info->console;
}

}  // namespace

std::u16string Integrations::FileOf(const std::string& application) const {
  return state_.Below(u"integrations\\") + ToUtf16(application) + u".json";
}

Status Integrations::Load() {
  const std::lock_guard lock(mutex_);
  os::FileSystem& files = os::SystemFiles();
  const os::Path folder = HostPath(state_.Below(u"integrations"));
  const auto list = files.List(folder);
  if (!list.ok()) return list.error().code == Errc::kNotFound ? Ok() : Status(list.error());
  for (const os::DirectoryEntry& e : *list) {
    const os::Path file = folder / e.name;
    if (file.extension() != ".json") continue;
    ASSIGN(const std::string text, os::ReadText(files, file));
    auto record = integrate::ParseRecord(text);
    if (!record.ok())
      return Error{record.error().code, record.error().message + ": " + file.string() +
                                            " (move it away; what it lists stays on the desktop)"};
    records_.push_back(std::move(*record));
  }
  UpdateKnownLocked();
  return Ok();
}

const Record* Integrations::FindLocked(const std::string& application) const {
  for (const Record& r : records_)
    if (SameName(r.application, application)) return &r;
  return nullptr;
}

std::optional<Record> Integrations::Find(const std::string& application) const {
  const std::lock_guard lock(mutex_);
  const Record* r = FindLocked(application);
  return r == nullptr ? std::nullopt : std::optional<Record>(*r);
}

std::vector<std::u16string> Integrations::Keys() const {
  const std::lock_guard lock(known_mutex_);
  return keys_;
}

bool Integrations::IsIntegrated(const std::string& application) const {
  const std::lock_guard lock(known_mutex_);
  return std::any_of(applications_.begin(), applications_.end(),
                     [&](const std::string& known) { return SameName(known, application); });
}

// Keys: the topmost of those we made, but never one that others put their own into as well.
void Integrations::UpdateKnownLocked() {
  std::vector<std::u16string> out;
  std::vector<std::string> applications;
  for (const Record& r : records_) {
    applications.push_back(r.application);
    for (const std::u16string& key : r.keys) {
      for (const std::u16string_view shared : std::initializer_list<std::u16string_view>{
               integrate::kUserClasses, integrate::kMachineClasses,
               u"HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\"}) {
        if (key.starts_with(shared) && key.find(u'\\', shared.size()) == std::u16string::npos)
          out.push_back(key);
      }
    }
  }
  const std::lock_guard lock(known_mutex_);
  keys_ = std::move(out);
  applications_ = std::move(applications);
}

Status Integrations::Save(const Record& record) const {
  TRY(os::SystemFiles().MakeDirectories(HostPath(state_.Below(u"integrations"))));
  return os::WriteAtomic(os::SystemFiles(), HostPath(FileOf(record.application)),
                         std::string_view(ToJson(record)));
}

Result<Record> Integrations::Integrate(const std::string& application, const std::vector<std::string>& take,
                                       const std::optional<integrate::LinuxDesktop>& desktop) {
  const std::lock_guard lock(mutex_);
  auto out = IntegrateLocked(application, take, desktop);
  AnnounceDesktopChange();
  return out;
}

Result<Record> Integrations::IntegrateLocked(const std::string& application,
                                             const std::vector<std::string>& take,
                                             const std::optional<integrate::LinuxDesktop>& desktop) {
  ASSIGN(const Source source, describe_(application));
  if (const Record* old = FindLocked(application)) TakeBackLocked(Record(*old));

  integrate::Machine machine = ClientMachine();
  machine.command_owner = [this](std::u16string_view name) {
    for (const Record& r : records_)
      for (const std::u16string& c : r.commands)
        if (view::EqualFolded(c, name)) return ToUtf16(r.application);
    return std::u16string();
  };
  machine.shortcut_exists = [](bool on_desktop, std::u16string_view file) {
    return os::Exists(os::SystemFiles(), HostPath((on_desktop ? DesktopFolder() : StartMenuPrograms()) +
                                                  u"\\" + std::u16string(file)));
  };
  integrate::Options options;
  options.launcher = ProgramFolder() + u"\\plumew.exe";
  if (const auto usual = UsualState(); !usual.ok() || usual->root() != state_.root())
    options.home = state_.root();
  options.classes = ShellSeesUserClasses() ? integrate::kUserClasses : integrate::kMachineClasses;
  options.commands = state_.Below(u"commands");
  options.icons = state_.Below(u"integrations\\") + ToUtf16(application);
  for (const std::string& t : take) options.take.push_back(ToUtf16(t));
  const Plan plan = integrate::MakePlan(source.application, machine, options);

  Record record;
  record.application = application;
  record.digest = source.digest;
  record.take = take;
  record.desktop = desktop;
  for (const integrate::Value& v : plan.values) record.values.push_back({v, ReadKeyText(v.key, v.name)});
  record.keys = MissingKeys(plan.values);
  record.types = plan.types;
  record.protocols = plan.protocols;
  record.conflicts = plan.conflicts;
  for (const integrate::Command& c : plan.commands) {
    record.commands.push_back(c.name);
    record.files.push_back(options.commands + u"\\" + c.name);
    record.files.push_back(options.commands + u"\\" + c.name + u".plume");
  }
  for (const integrate::Icon& i : plan.icons) record.files.push_back(i.file);
  for (const integrate::Shortcut& s : plan.shortcuts) {
    record.files.push_back((s.desktop ? DesktopFolder() : StartMenuPrograms()) + u"\\" + s.file);
    record.shortcuts.push_back(record.files.back());
  }
  std::vector<integrate::DesktopFile> texts;
  std::vector<std::u16string> text_files;
  if (desktop) {
    integrate::DesktopInput input{&source.application, &plan, *desktop, "", ""};
    if (!options.home.empty()) input.state = ToUtf8(options.home);
    texts = integrate::DesktopFiles(input);
    for (const integrate::DesktopFile& t : texts) {
      ASSIGN(const std::u16string path, DosPath(desktop->data_home + "/" + t.path));
      text_files.push_back(path);
      record.files.push_back(path);
    }
  }
  record.folders = MissingFolders(record.files);
  TRY(Save(record));
  std::erase_if(records_, [&](const Record& r) { return SameName(r.application, application); });
  records_.push_back(record);
  UpdateKnownLocked();

  Status done = Apply(source, plan, &record);
  for (size_t i = 0; done.ok() && i < texts.size(); ++i) {
    done = os::SystemFiles().MakeDirectories(HostPath(ParentOf(text_files[i])));
    if (done.ok())
      done = os::WriteAtomic(os::SystemFiles(), HostPath(text_files[i]), std::string_view(texts[i].text));
  }
  if (done.ok()) done = UpdateSearchPathLocked();
  if (!done.ok()) {  // all or nothing
    TakeBackLocked(record);
    std::erase_if(records_, [&](const Record& r) { return SameName(r.application, application); });
    UpdateKnownLocked();
    (void)os::SystemFiles().Remove(HostPath(FileOf(application)));
    (void)UpdateSearchPathLocked();
    return done.error().In("integrating '" + application + "'");
  }
  return record;
}

Status Integrations::Apply(const Source& source, const Plan& plan, Record* record) {
  os::FileSystem& files = os::SystemFiles();
  const std::string& app = record->application;
  for (const std::u16string& folder : record->folders) TRY(files.MakeDirectories(HostPath(folder)));
  for (const integrate::Icon& icon : plan.icons) {
    const auto [path, index] = SplitIcon(icon.source);
    // An icon that cannot be had is no reason to refuse: the desktop shows its own.
    const auto real = fetch_(app, path);
    const std::vector<uint8_t> bytes = real.ok() ? ReadIcon(*real, index) : std::vector<uint8_t>();
    if (!bytes.empty()) TRY(os::WriteAtomic(files, HostPath(icon.file), bytes));
  }
  for (const integrate::Command& c : plan.commands) {
    const auto real = fetch_(app, c.program);
    const bool console = !real.ok() || IsConsole(*real);
    ASSIGN(const os::Bytes starter,
           os::ReadFile(files,
                        HostPath(ProgramFolder() + (console ? u"\\plume-command.exe" : u"\\plumew.exe"))));
    const std::u16string file = state_.Below(u"commands\\") + c.name;
    std::string text = "plume=" + ToUtf8(ProgramFolder()) + "\\plume.exe\n";
    text += "home=" + ToUtf8(state_.root()) + "\n";
    text += "run=run " + app + " " +
            (c.entry.empty() ? "--program \"" + ToUtf8(c.program) + "\""
                             : "--entry \"" + ToUtf8(c.entry) + "\"") +
            " --\n";
    TRY(os::WriteAtomic(files, HostPath(file + u".plume"), std::string_view(text)));
    TRY(os::WriteAtomic(files, HostPath(file), starter));
  }
  for (const integrate::Value& v : plan.values) TRY(WriteKeyText(v.key, v.name, v.data));
  for (size_t i = 0; i < plan.shortcuts.size(); ++i) {
    const integrate::Shortcut& s = plan.shortcuts[i];
    const bool has_icon = os::Exists(files, HostPath(s.icon));
    TRY(WriteShortcut({record->shortcuts[i], ProgramFolder() + u"\\plumew.exe", s.arguments,
                       has_icon ? s.icon : u"", s.description}));
  }
  return Ok();
}

// Only what still is as it was written: what the user or another program changed since is theirs. What
// another integrated application built on it is that one's from now on.
void Integrations::TakeBackLocked(const Record& record) {
  os::FileSystem& files = os::SystemFiles();
  for (size_t i = record.values.size(); i-- > 0;) {
    const auto& [value, before] = record.values[i];
    if (ReadKeyText(value.key, value.name) != value.data) continue;
    if (before)
      (void)WriteKeyText(value.key, value.name, *before);
    else
      RemoveKeyValue(value.key, value.name);
  }
  for (size_t i = record.keys.size(); i-- > 0;) RemoveKeyIfEmpty(record.keys[i]);
  for (const std::u16string& file : record.files) (void)files.Remove(HostPath(file));
  for (size_t i = record.folders.size(); i-- > 0;) {
    const auto list = files.List(HostPath(record.folders[i]));
    if (list.ok() && list->empty()) (void)files.Remove(HostPath(record.folders[i]));
  }
  for (Record& other : records_) {
    if (SameName(other.application, record.application)) continue;
    if (!integrate::Inherit(
            record, KeyExists,
            [&](const std::u16string& folder) { return os::Exists(files, HostPath(folder)); }, &other))
      continue;
    if (const Status saved = Save(other); !saved.ok()) spdlog::warn("{}", saved.error().message);
  }
}

Status Integrations::UpdateSearchPathLocked() const {
  const bool any =
      std::any_of(records_.begin(), records_.end(), [](const Record& r) { return !r.commands.empty(); });
  return SetInSearchPath(state_.Below(u"commands"), any);
}

Status Integrations::Unintegrate(const std::string& application) {
  const std::lock_guard lock(mutex_);
  const Record* known = FindLocked(application);
  if (known == nullptr)
    return Error{Errc::kNotFound, "unintegrating '" + application +
                                      "' failed: it is not integrated (plume integrate " + application + ")"};
  const Record record = *known;
  TakeBackLocked(record);
  TRY(os::SystemFiles().Remove(HostPath(FileOf(record.application))));
  std::erase_if(records_, [&](const Record& r) { return SameName(r.application, application); });
  UpdateKnownLocked();
  TRY(UpdateSearchPathLocked());
  // What this one had is free now for those that wanted it too.
  for (const Record& other : std::vector<Record>(records_)) {
    if (other.conflicts.empty()) continue;
    if (const auto again = IntegrateLocked(other.application, other.take, other.desktop); !again.ok())
      spdlog::warn("{}", again.error().message);
  }
  if (records_.empty()) (void)os::SystemFiles().Remove(HostPath(state_.Below(u"integrations")));
  AnnounceDesktopChange();
  return Ok();
}

void Integrations::Renew(const std::string& application, const std::string& digest) {
  const auto known = Find(application);
  if (!known || known->digest == digest) return;
  if (const auto again = Integrate(known->application, known->take, known->desktop); !again.ok())
    spdlog::warn("{}", again.error().message);
}

}  // namespace plume::agent
