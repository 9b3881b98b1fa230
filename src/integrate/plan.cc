#include "integrate/plan.h"

#include <algorithm>

#include "view/path.h"

namespace plume::integrate {
namespace {

using view::EqualFolded;

constexpr std::u16string_view kAppPaths = u"HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\";

std::u16string Quoted(std::u16string_view text) { return u"\"" + std::u16string(text) + u"\""; }

// A name that a user may have chosen freely, as part of a file's name.
std::u16string FileNameOf(std::u16string_view name) {
  std::u16string out;
  for (const char16_t c : name)
    out.push_back(c < 0x20 || std::u16string_view(u"\\/:*?\"<>|").find(c) != std::u16string_view::npos ? u'_'
                                                                                                       : c);
  while (!out.empty() && (out.back() == u'.' || out.back() == u' ')) out.pop_back();
  return out.empty() ? u"_" : out;
}

class Planner {
 public:
  Planner(const Application& app, const Machine& machine, const Options& options)
      : app_(app), machine_(machine), options_(options) {}

  Plan Run() {
    for (const FileType& type : app_.associations.types) AddType(type);
    for (const std::u16string& scheme : app_.associations.protocols) AddProtocol(scheme);
    for (const AppPath& path : app_.associations.app_paths) AddAppPath(path);
    for (const Entry& entry : app_.entries) AddEntry(entry);
    return std::move(plan_);
  }

 private:
  bool Takes(std::u16string_view what) const {
    return std::any_of(options_.take.begin(), options_.take.end(),
                       [&](const auto& t) { return EqualFolded(t, u"all") || EqualFolded(t, what); });
  }
  void Set(std::u16string key, std::u16string name, std::u16string data) {
    Value value{std::move(key), std::move(name), std::move(data)};
    if (std::find(plan_.values.begin(), plan_.values.end(), value) == plan_.values.end())
      plan_.values.push_back(std::move(value));
  }
  std::u16string Run(std::u16string_view rest) const {
    return u"run " + app_.name + u" " + std::u16string(rest);
  }
  std::u16string Launch(std::u16string_view rest) const {
    std::u16string out = Quoted(options_.launcher) + u" ";
    if (!options_.home.empty()) out += u"--home " + Quoted(options_.home) + u" ";
    return out + Run(rest);
  }
  std::u16string AddIcon(const std::u16string& source, const std::u16string& stem) {
    if (source.empty() || source.find(u"%1") != std::u16string::npos) return {};  // each document has its own
    for (const Icon& known : plan_.icons)
      if (EqualFolded(known.source, source)) return known.file;
    plan_.icons.push_back({source, options_.icons + u"\\" + FileNameOf(stem) + u".ico"});
    return plan_.icons.back().file;
  }

  // The verbs of `cls` below `key`.
  void AddVerbs(const std::u16string& key, const DocumentClass& cls) {
    if (const std::u16string icon = AddIcon(cls.icon, cls.name); !icon.empty())
      Set(key + u"\\DefaultIcon", u"", icon);
    Set(key + u"\\shell", u"", cls.verbs.front().id);
    for (const Verb& verb : cls.verbs) {
      if (!verb.label.empty()) Set(key + u"\\shell\\" + verb.id, u"", verb.label);
      Set(key + u"\\shell\\" + verb.id + u"\\command", u"",
          Launch(u"--class " + Quoted(cls.name) + u" --verb " + Quoted(verb.id) + u" --open \"%1\""));
    }
  }

  std::u16string AddClass(const std::u16string& name) {
    const DocumentClass& cls = *app_.associations.FindClass(name);
    const std::u16string ours = ClassKeyName(app_.name, cls.name), key = options_.classes + ours;
    Set(key, u"", cls.description.empty() ? app_.display_name : cls.description);
    AddVerbs(key, cls);
    return ours;
  }

  void AddType(const FileType& type) {
    const std::u16string key = options_.classes + type.extension;
    std::u16string preferred;
    for (const std::u16string& cls : type.classes) {
      const std::u16string ours = AddClass(cls);
      if (preferred.empty()) preferred = ours;
      Set(key + u"\\OpenWithProgids", ours, u"");
    }
    const std::u16string owner = machine_.type_owner(type.extension);
    if (!owner.empty() && !EqualFolded(owner, preferred) && !Takes(type.extension)) {
      plan_.conflicts.push_back({type.extension, owner});
      return;
    }
    Set(key, u"", preferred);
    if (!type.content_type.empty()) Set(key, u"Content Type", type.content_type);
    plan_.types.push_back(type.extension);
  }

  void AddProtocol(const std::u16string& scheme) {
    const std::u16string owner = machine_.protocol_owner(scheme);
    if (!owner.empty() && !EqualFolded(owner, app_.name) && !Takes(scheme) && !Takes(scheme + u":")) {
      plan_.conflicts.push_back({scheme + u":", owner});
      return;
    }
    const DocumentClass& cls = *app_.associations.FindClass(scheme);
    const std::u16string key = options_.classes + scheme;
    Set(key, u"", cls.description.empty() ? u"URL:" + scheme : cls.description);
    Set(key, u"URL Protocol", u"");
    Set(key, u"Plume", app_.name);  // whose it is (protocol_owner)
    AddVerbs(key, cls);
    plan_.protocols.push_back(scheme);
  }

  // False: another application has a command of this name.
  bool AddCommand(const std::u16string& name, const std::u16string& program, const std::u16string& entry) {
    for (const Command& known : plan_.commands)
      if (EqualFolded(known.name, name)) return true;
    const std::u16string owner = machine_.command_owner(name);
    if (!owner.empty() && !EqualFolded(owner, app_.name)) {
      const bool told = std::any_of(plan_.conflicts.begin(), plan_.conflicts.end(),
                                    [&](const Conflict& c) { return c.what == name; });
      if (!told) plan_.conflicts.push_back({name, owner});
      return false;
    }
    plan_.commands.push_back({name, program, entry});
    return true;
  }

  void AddAppPath(const AppPath& path) {
    if (path.name.find_first_of(u"\\/:") != std::u16string::npos) return;
    const std::u16string command = options_.commands + u"\\" + path.name;
    const std::u16string owner = machine_.app_path_owner(path.name);
    if (!owner.empty() && !EqualFolded(owner, command) && !Takes(path.name)) {
      plan_.conflicts.push_back({path.name, owner});
      return;
    }
    if (AddCommand(path.name, path.program, u"")) Set(std::u16string(kAppPaths) + path.name, u"", command);
  }

  void AddShortcut(Shortcut shortcut) {
    if (machine_.shortcut_exists(shortcut.desktop, shortcut.file)) {
      plan_.conflicts.push_back({shortcut.file, u"a shortcut that is there already"});
      return;
    }
    plan_.shortcuts.push_back(std::move(shortcut));
  }

  void AddEntry(const Entry& entry) {
    const size_t slash = entry.program.find_last_of(u'\\');
    const std::u16string file = entry.program.substr(slash == std::u16string::npos ? 0 : slash + 1);
    const std::u16string arguments = Run(u"--entry " + Quoted(entry.id));
    const std::u16string home = options_.home.empty() ? u"" : u"--home " + Quoted(options_.home) + u" ";
    std::u16string icon;
    if (entry.in_menu || entry.on_desktop) icon = AddIcon(entry.program, u"entry-" + entry.id);
    const std::u16string name = FileNameOf(entry.name);
    if (entry.in_menu) {
      // One entry stands by itself; several share a folder.
      const bool several = std::count_if(app_.entries.begin(), app_.entries.end(),
                                         [](const Entry& e) { return e.in_menu; }) > 1;
      AddShortcut({false, (several ? FileNameOf(app_.display_name) + u"\\" : u"") + name + u".lnk",
                   home + arguments, icon, app_.display_name});
    }
    if (entry.on_desktop) AddShortcut({true, name + u".lnk", home + arguments, icon, app_.display_name});
    if (file.size() > 4 && EqualFolded(std::u16string_view(file).substr(file.size() - 4), u".exe"))
      AddCommand(file, entry.program, entry.id);
  }

  const Application& app_;
  const Machine& machine_;
  const Options& options_;
  Plan plan_;
};

}  // namespace

std::u16string ClassKeyName(std::u16string_view application, std::u16string_view cls) {
  return std::u16string(kClassPrefix) + std::u16string(application) + u"." + std::u16string(cls);
}

Plan MakePlan(const Application& application, const Machine& machine, const Options& options) {
  return Planner(application, machine, options).Run();
}

}  // namespace plume::integrate
