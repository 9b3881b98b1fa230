// Verbs about the user's desktop: what of an application it shows, and what opens a document.
#include <algorithm>

#include "agent/agent.h"
#include "agent/environment.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "capture/pe.h"
#include "view/path.h"

namespace plume::agent {
namespace {

// Names of the links in a folder of the image and below it, without ".lnk".
void CollectLinks(const catalog::Reader& c, uint32_t folder, std::vector<std::u16string>* out) {
  const catalog::Entry& e = c.entry(folder);
  for (uint32_t i = 0; i < e.child_count(); ++i) {
    const uint32_t child = e.first_child() + i;
    const std::u16string name(c.name(c.entry(child)));
    if (c.entry(child).flags() & catalog::kDirectory)
      CollectLinks(c, child, out);
    else if (name.size() > 4 && view::EqualFolded(std::u16string_view(name).substr(name.size() - 4), u".lnk"))
      out->push_back(name.substr(0, name.size() - 4));
  }
}

uint32_t FindEntry(const catalog::Reader& c, const char* root, std::u16string_view path) {
  uint32_t at = c.RootIndex(root);
  while (!path.empty() && at != catalog::kNone) {
    const size_t end = std::min(path.find(u'\\'), path.size());
    at = c.Child(at, path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return at;
}

std::vector<std::u16string> LinksBelow(
    const catalog::Reader& c, std::initializer_list<std::pair<const char*, std::u16string_view>> places) {
  std::vector<std::u16string> out;
  for (const auto& [root, path] : places)
    if (const uint32_t at = FindEntry(c, root, path); at != catalog::kNone) CollectLinks(c, at, &out);
  return out;
}

bool Contains(const std::vector<std::u16string>& list, std::u16string_view name) {
  return std::any_of(list.begin(), list.end(),
                     [&](const auto& item) { return view::EqualFolded(item, name); });
}

std::u16string Expanded(const std::u16string& text, const MachineFacts& facts) {
  wchar_t* block = GetEnvironmentStringsW();
  const Environment environment = Environment::FromBlock(reinterpret_cast<const char16_t*>(block));
  FreeEnvironmentStringsW(block);
  return environment.Expand(text, ImageVariables(facts));
}

Json Describe(const integrate::Record& r) {
  Json types = Json::array(), protocols = Json::array(), commands = Json::array(), shortcuts = Json::array(),
       conflicts = Json::array();
  for (const auto& t : r.types) types.push_back(ToUtf8(t));
  for (const auto& p : r.protocols) protocols.push_back(ToUtf8(p));
  for (const auto& c : r.commands) commands.push_back(ToUtf8(c));
  for (const auto& s : r.shortcuts) shortcuts.push_back(ToUtf8(s));
  for (const auto& c : r.conflicts)
    conflicts.push_back({{"what", ToUtf8(c.what)}, {"owner", ToUtf8(c.owner)}});
  return Json{{"name", r.application},
              {"digest", r.digest},
              {"types", std::move(types)},
              {"protocols", std::move(protocols)},
              {"commands", std::move(commands)},
              {"shortcuts", std::move(shortcuts)},
              {"conflicts", std::move(conflicts)}};
}

}  // namespace

Result<Integrations::Source> Agent::DescribeForDesktop(const std::string& application) {
  ASSIGN(const AppRecord app, apps_->Find(application));
  ASSIGN(const cache::Image* image, apps_->Attach(app.digest));
  ASSIGN(const image::Config config, apps_->ConfigOf(app.digest));
  Integrations::Source out;
  out.digest = app.digest;
  out.application.name = ToUtf16(app.name);
  out.application.display_name = ToUtf16(app.display_name.empty() ? app.name : app.display_name);
  out.application.associations = integrate::ReadAssociations(image->catalog);
  const std::vector<std::u16string> menu =
      LinksBelow(image->catalog, {{"C", u"ProgramData\\Microsoft\\Windows\\Start Menu"},
                                  {"Profile", u"AppData\\Roaming\\Microsoft\\Windows\\Start Menu"}});
  const std::vector<std::u16string> desktop =
      LinksBelow(image->catalog, {{"C", u"users\\Public\\Desktop"}, {"Profile", u"Desktop"}});
  for (const image::EntryPoint& e : config.entry_points) {
    integrate::Entry entry{ToUtf16(e.id), ToUtf16(e.name), ToUtf16(e.path)};
    entry.in_menu = Contains(menu, entry.name);
    entry.on_desktop = Contains(desktop, entry.name);
    out.application.entries.push_back(std::move(entry));
  }
  // What brings no shortcuts at all, an adopted folder for example, gets one for its first program with a
  // window.
  if (menu.empty() && desktop.empty() && !out.application.entries.empty()) {
    integrate::Entry& first = out.application.entries.front();
    if (const auto real = FetchForDesktop(app.name, first.program); real.ok()) {
      const auto bytes = os::ReadFile(os::SystemFiles(), HostPath(*real));
      const auto info =
          bytes.ok() ? capture::ReadPe({bytes->data(), std::min<size_t>(bytes->size(), 4096)}) : std::nullopt;
      first.in_menu = info && !info->console;
    }
  }
  return out;
}

Result<std::u16string> Agent::FetchForDesktop(const std::string& application, const std::u16string& path) {
  ASSIGN(const AppRecord app, apps_->Find(application));
  ASSIGN(const cache::Image* image, apps_->Attach(app.digest));
  ASSIGN(const std::u16string clean, CleanPath(Expanded(path, facts_)));
  uint32_t entry = catalog::kNone;
  if (BeginsFolded(clean, facts_.profile + u"\\"))
    entry =
        FindEntry(image->catalog, "Profile", std::u16string_view(clean).substr(facts_.profile.size() + 1));
  if (entry == catalog::kNone && BeginsFolded(clean, u"C:\\"))
    entry = FindEntry(image->catalog, "C", std::u16string_view(clean).substr(3));
  if (entry == catalog::kNone) return clean;  // the machine's own
  TRY(cache_->EnsureFile(app.digest, entry));
  ASSIGN(const os::Path real, cache_->PathOf(app.digest, entry));
  return FromWide(real.wstring());
}

Result<Json> Agent::AppIntegrate(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const AppRecord app, apps_->Find(name));
  std::vector<std::string> take = OptionalStrings(args, "take");
  std::optional<integrate::LinuxDesktop> desktop;
  if (const std::string home = OptionalString(args, "data_home"); !home.empty())
    desktop = integrate::LinuxDesktop{home, OptionalString(args, "launcher"), OptionalString(args, "prefix")};
  ASSIGN(const integrate::Record record, integrations_->Integrate(app.name, take, desktop));
  return plume::agent::Describe(record);
}

Result<Json> Agent::AppUnintegrate(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const AppRecord app, apps_->Find(name));
  TRY(integrations_->Unintegrate(app.name));
  return Json{{"name", app.name}};
}

// What the VM's images start for a document or URL; with %VARIABLES% and "%1" in it.
Result<Json> Agent::AppCommand(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string document, RequiredString(args, "document"));
  const std::string cls = OptionalString(args, "class"), verb = OptionalString(args, "verb");
  ASSIGN(const VmRecord vm, vms_->Find(name));
  for (const std::string& digest : vm.images) {
    ASSIGN(const cache::Image* image, apps_->Attach(digest));
    const integrate::Associations associations = integrate::ReadAssociations(image->catalog);
    const integrate::Verb* found =
        integrate::FindVerb(associations, ToUtf16(document), ToUtf16(cls), ToUtf16(verb));
    if (found != nullptr) return Json{{"command", ToUtf8(found->command)}, {"verb", ToUtf8(found->id)}};
  }
  std::string what = cls.empty() ? document : "documents of the class " + cls;
  if (!verb.empty()) what += " with '" + verb + "'";
  return Error{Errc::kNotFound, "opening failed: '" + name + "' registers nothing that opens " + what +
                                    " (start it with the document as argument: plume run " + name +
                                    " -- DOCUMENT)"};
}

}  // namespace plume::agent
