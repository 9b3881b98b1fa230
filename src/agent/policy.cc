#include "agent/policy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/policy_objects.h"
#include "agent/policy_reader.h"
#include "agent/policy_windows.h"
#include "agent/text.h"

namespace plume::agent {
namespace {

using view::Mode;

bool Below(std::u16string_view path, std::u16string_view prefix) {
  return prefix.empty() ||
         (path.size() >= prefix.size() && view::EqualFolded(path.substr(0, prefix.size()), prefix) &&
          (path.size() == prefix.size() || path[prefix.size()] == u'\\'));
}

// Later rules replace earlier ones of the same prefix.
void AddRule(std::vector<PolicyRule>& rules, PolicyRule rule) {
  for (PolicyRule& r : rules) {
    if (!view::EqualFolded(r.prefix, rule.prefix)) continue;
    r = std::move(rule);
    return;
  }
  rules.push_back(std::move(rule));
}

// The VM's own service manager (services.cc) starts what it finds here: of the machine only what may run
// twice.
void AddServiceKeys(const MachineFacts& facts, std::vector<PolicyRule>* rules) {
  const std::u16string control = u"M\\System\\CurrentControlSet\\";
  AddRule(*rules, {control + u"Services", Mode::kPrivate, "registry: the VM's own services"});
  AddRule(*rules,
          {control + u"Control\\ServiceCurrent", Mode::kPrivate, "registry: the VM's own service manager"});
  for (const SystemService& s : facts.services) {
    AddRule(*rules, {control + u"Services\\" + s.name, Mode::kMerge,
                     s.command.empty() ? "registry: settings that are no service"
                                       : "registry: a service that a VM may have one of its own of"});
  }
}

// The folders that hold documents: they stay the user's own even if an image brings files for them.
bool IsDocumentFolder(std::u16string_view name) {
  static constexpr std::u16string_view kNames[] = {
      u"Documents", u"My Documents", u"Desktop",  u"Downloads", u"Pictures", u"My Pictures",
      u"Music",     u"My Music",     u"Videos",   u"My Videos", u"Contacts", u"Links",
      u"Favorites", u"Saved Games",  u"Searches", u"Templates", u"OneDrive", u"3D Objects"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::u16string_view n) { return view::EqualFolded(n, name); });
}

// A drive may have the letter that is the name of the machine's registry: M.
uint32_t FileRoot(const catalog::Reader& image, std::string_view name) {
  for (const catalog::Root* root : *image.raw().roots())
    if (!root->registry() && root->name()->string_view() == name) return root->index();
  return catalog::kNone;
}

// Merge rules for the top-level entries of one root of an image.
void AddImageFolders(const catalog::Reader& image, const char* root, const std::u16string& prefix,
                     const MachineFacts& facts, std::vector<PolicyRule>& rules) {
  const uint32_t top = FileRoot(image, root);
  if (top == catalog::kNone) return;
  const catalog::Entry& folder = image.entry(top);
  for (uint32_t i = 0; i < folder.child_count(); ++i) {
    const std::u16string_view name = image.name(image.entry(folder.first_child() + i));
    const std::u16string path = prefix + u"\\" + std::u16string(name);
    if (view::EqualFolded(prefix, facts.profile) && IsDocumentFolder(name)) continue;
    if (Below(facts.profile, path)) {
      // "C:\users": not as a whole; what the image brings for all users is in the public folder.
      if (Below(facts.public_folder, path) && !facts.public_folder.empty())
        AddRule(rules, {facts.public_folder, Mode::kMerge, "application: all users' data"});
      continue;
    }
    AddRule(rules, {path, Mode::kMerge, "application: brought by the image"});
  }
}

void AddApplicationRules(const MachineFacts& f, const std::vector<const catalog::Reader*>& images,
                         std::vector<PolicyRule>& rules) {
  AddRule(rules, {u"", Mode::kHost, "application: everything else is this machine's"});
  for (const catalog::Reader* image : images) {
    for (char16_t letter = u'A'; letter <= u'Z'; ++letter) {
      const char root[] = {static_cast<char>(letter), 0};
      AddImageFolders(*image, root, std::u16string{letter, u':'}, f, rules);
    }
    AddImageFolders(*image, "Profile", f.profile, f, rules);
  }
  auto add = [&](const std::u16string& prefix, Mode mode, const char* origin) {
    if (!prefix.empty()) AddRule(rules, {prefix, mode, origin});
  };
  for (const std::u16string& p : f.program_folders) add(p, Mode::kMerge, "application: program folders");
  add(f.system_root, Mode::kMerge, "application: Windows folder");
  add(f.program_data, Mode::kMerge, "application: all users' data");
  add(f.roaming, Mode::kMerge, "application: settings");
  add(f.local, Mode::kMerge, "application: settings");
  add(f.local_low, Mode::kMerge, "application: settings");
  add(f.temp, Mode::kHost, "application: temporary files");
  add(f.system_root + u"\\Temp", Mode::kHost, "application: temporary files");
  if (!f.public_folder.empty()) {
    for (const char16_t* name : {u"Documents", u"Desktop", u"Downloads", u"Pictures", u"Music", u"Videos"})
      add(f.public_folder + u"\\" + name, Mode::kHost, "application: documents");
  }
}

}  // namespace

bool BeginsFolded(std::u16string_view text, std::u16string_view prefix) {
  return text.size() >= prefix.size() && view::EqualFolded(text.substr(0, prefix.size()), prefix);
}

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kMerge:
      return "merge";
    case Mode::kHost:
      return "host";
    case Mode::kPrivate:
      return "private";
    case Mode::kDeny:
      return "deny";
  }
  return "?";
}

Result<std::u16string> CanonicalKey(std::u16string_view text, std::u16string_view user_sid) {
  const size_t slash = std::min(text.find(u'\\'), text.size());
  const std::u16string_view root = text.substr(0, slash);
  std::u16string rest(text.substr(slash));
  while (!rest.empty() && rest.back() == u'\\') rest.pop_back();
  auto is = [&](std::u16string_view a, std::u16string_view b) {
    return view::EqualFolded(root, a) || view::EqualFolded(root, b);
  };
  std::u16string out;
  if (is(u"HKLM", u"HKEY_LOCAL_MACHINE") || root == u"M")
    out = u"M";
  else if (is(u"HKCU", u"HKEY_CURRENT_USER"))
    out = u"U\\" + std::u16string(user_sid);
  else if (is(u"HKU", u"HKEY_USERS") || root == u"U")
    out = u"U";
  else if (is(u"HKCR", u"HKEY_CLASSES_ROOT"))
    out = u"M\\Software\\Classes";
  if (out.empty() || rest.find(u"\\\\") != rest.npos) {
    return Error{Errc::kInvalid,
                 "reading the key '" + ToUtf8(text) +
                     "' failed: it is not a registry key (write it like HKCU\\Software\\Name)"};
  }
  return out + rest;
}

std::u16string KeyForPeople(std::u16string_view canonical, std::u16string_view user_sid) {
  const std::u16string user = u"U\\" + std::u16string(user_sid);
  if (Below(canonical, user)) return u"HKCU" + std::u16string(canonical.substr(user.size()));
  if (Below(canonical, u"M")) return u"HKLM" + std::u16string(canonical.substr(1));
  if (Below(canonical, u"U")) return u"HKU" + std::u16string(canonical.substr(1));
  return std::u16string(canonical);
}

Result<Policy> ParsePolicy(std::string_view toml_text, const std::string& file_name,
                           const MachineFacts& facts, BasePolicy base) {
  const PolicyReader reader(file_name, facts);
  const toml::parse_result parsed = toml::parse(toml_text, file_name);
  if (!parsed) return reader.Complain(parsed.error().source(), std::string(parsed.error().description()));
  Policy out;
  out.base = base;
  for (const auto& [key, node] : parsed.table()) {
    if (key == "inherit") {
      const auto name = node.value<std::string>();
      if (name == "sandbox")
        out.base = BasePolicy::kSandbox;
      else if (name == "application")
        out.base = BasePolicy::kApplication;
      else
        return reader.Complain(node.source(), "inherit must be \"sandbox\" or \"application\"");
    } else if (key == "files") {
      TRY(reader.Rules(node, false, &out.files));
    } else if (key == "registry") {
      TRY(reader.Rules(node, true, &out.keys));
    } else if (key == "objects") {
      TRY(reader.NameRules(node, {Mode::kHost, Mode::kPrivate, Mode::kDeny}, &out.objects));
    } else if (key == "devices") {
      TRY(reader.NameRules(node, {Mode::kHost, Mode::kDeny}, &out.devices));
    } else if (key == "windows") {
      TRY(reader.NameRules(node, {Mode::kHost, Mode::kPrivate}, &out.windows));
    } else if (key == "processes") {
      TRY(reader.Processes(node, &out));
    } else if (key == "clipboard") {
      TRY(reader.Clipboard(node, &out));
    } else if (key == "network") {
      TRY(reader.Network(node, &out));
    } else {
      return reader.Complain(key.source(),
                             "'" + std::string(key.str()) +
                                 "' is not known here; a policy has inherit, [files], [registry], [objects], "
                                 "[processes], [windows], [clipboard], [devices] and [network]");
    }
  }
  return out;
}

Policy CompletePolicy(const Policy& user, const MachineFacts& facts,
                      const std::vector<const catalog::Reader*>& images,
                      const std::vector<std::u16string>& hidden_keys) {
  Policy out;
  out.base = user.base;
  if (user.base == BasePolicy::kApplication)
    AddApplicationRules(facts, images, out.files);
  else
    AddRule(out.files, {u"", Mode::kMerge, "sandbox: copied on write"});
  AddRule(out.keys, {u"", Mode::kMerge, "registry: copied on write"});
  for (const std::u16string& key : hidden_keys)
    AddRule(out.keys, {key, Mode::kPrivate, "desktop: made for an integrated application"});
  if (facts.is_wine) AddServiceKeys(facts, &out.keys);
  for (const PolicyRule& r : user.files) AddRule(out.files, r);
  for (const PolicyRule& r : user.keys) AddRule(out.keys, r);

  out.objects = user.objects;
  AddSystemObjects(facts.is_wine, &out.objects);
  out.devices = user.devices;
  CompleteDeviceRules(facts, &out.devices);
  out.windows = user.windows;
  AddSystemWindowRules(&out.windows);
  out.show_all_processes = user.show_all_processes;
  out.clipboard = user.clipboard;
  if (!out.clipboard) {
    const bool application = user.base == BasePolicy::kApplication;
    out.clipboard = ClipboardPolicy{
        application ? ClipboardMode::kShared : ClipboardMode::kIsolated,
        {},
        0,
        application ? "application: one clipboard with the machine" : "sandbox: a clipboard of its own"};
  }
  out.network =
      user.network ? user.network : NetworkPolicy{NetworkMode::kAll, {}, {}, "base: the network is open"};

  // Plume's own state: nothing below it can be opened up again.
  std::vector<std::u16string> hidden = facts.state_aliases;
  hidden.push_back(facts.state_root);
  for (const std::u16string& h : hidden) {
    std::erase_if(out.files, [&](const PolicyRule& r) { return Below(r.prefix, h); });
    out.files.push_back({h, Mode::kDeny, "mandatory: Plume's state"});
  }
  const std::u16string key = u"U\\" + facts.user_sid + u"\\Software\\Plume";
  std::erase_if(out.keys, [&](const PolicyRule& r) { return Below(r.prefix, key); });
  out.keys.push_back({key, Mode::kDeny, "mandatory: Plume's state"});
  return out;
}

}  // namespace plume::agent
