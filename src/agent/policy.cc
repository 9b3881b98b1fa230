#include "agent/policy.h"

#include <algorithm>
#include <optional>
#include <utility>

#define TOML_EXCEPTIONS 0
#include "agent/environment.h"
#include "agent/state.h"
#include "agent/text.h"
#include "toml++/toml.h"

namespace plume::agent {
namespace {

using view::Mode;
using Variables = std::vector<std::pair<std::u16string, std::u16string>>;

bool Below(std::u16string_view path, std::u16string_view prefix) {
  return prefix.empty() ||
         (path.size() >= prefix.size() && view::EqualFolded(path.substr(0, prefix.size()), prefix) &&
          (path.size() == prefix.size() || path[prefix.size()] == u'\\'));
}

Variables FactVariables(const MachineFacts& f) {
  Variables out = {{u"USERPROFILE", f.profile},
                   {u"APPDATA", f.roaming},
                   {u"LOCALAPPDATA", f.local},
                   {u"TEMP", f.temp},
                   {u"TMP", f.temp},
                   {u"SystemRoot", f.system_root},
                   {u"windir", f.system_root},
                   {u"ProgramData", f.program_data},
                   {u"ALLUSERSPROFILE", f.program_data},
                   {u"PUBLIC", f.public_folder},
                   {u"SystemDrive", f.system_root.substr(0, 2)}};
  if (!f.program_folders.empty()) out.emplace_back(u"ProgramFiles", f.program_folders.front());
  if (f.program_folders.size() > 1) out.emplace_back(u"ProgramFiles(x86)", f.program_folders[1]);
  std::erase_if(out, [](const auto& v) { return v.second.empty(); });
  return out;
}

std::optional<Mode> ModeFromName(std::string_view name) {
  for (Mode m : {Mode::kMerge, Mode::kHost, Mode::kPrivate, Mode::kDeny})
    if (name == ModeName(m)) return m;
  return std::nullopt;
}

// Reads the tables of a policy file; every complaint carries the place.
class PolicyReader {
 public:
  PolicyReader(const std::string& file, const MachineFacts& facts) : file_(file), facts_(facts) {}

  Error Complain(const toml::source_region& where, const std::string& why) const {
    return Error{Errc::kInvalid, "reading the policy failed: " + file_ + ":" +
                                     std::to_string(where.begin.line) + ":" +
                                     std::to_string(where.begin.column) + ": " + why +
                                     " (see `plume vm create --help` for an example)"};
  }

  Status Rules(const toml::node& node, bool registry, std::vector<PolicyRule>* out) const {
    const toml::table* table = node.as_table();
    if (table == nullptr)
      return Complain(node.source(), "this must be a table of \"prefix\" = \"mode\" lines");
    for (const auto& [key, value] : *table) {
      const auto text = value.value<std::string>();
      const auto mode = text ? ModeFromName(*text) : std::nullopt;
      if (!mode)
        return Complain(value.source(), "the mode must be \"merge\", \"host\", \"private\" or \"deny\"");
      const std::u16string written = Environment().Expand(ToUtf16(key.str()), FactVariables(facts_));
      PolicyRule rule{{}, *mode, file_ + ":" + std::to_string(value.source().begin.line)};
      if (!written.empty() && written != u"*") {
        if (const size_t percent = written.find(u'%');
            !registry && percent != written.npos && written.find(u'%', percent + 1) != written.npos) {
          return Complain(value.source(), "'" + std::string(key.str()) + "' names an unknown variable");
        }
        auto canonical = registry ? CanonicalKey(written, facts_.user_sid) : CleanPath(written);
        if (!canonical.ok()) {
          return Complain(value.source(),
                          "'" + std::string(key.str()) + "' is not " +
                              (registry ? "a key like HKCU\\Software\\X" : "a path like C:\\X"));
        }
        rule.prefix = *canonical;
      }
      out->push_back(std::move(rule));
    }
    return Ok();
  }

 private:
  const std::string& file_;
  const MachineFacts& facts_;
};

// Later rules replace earlier ones of the same prefix.
void AddRule(std::vector<PolicyRule>& rules, PolicyRule rule) {
  for (PolicyRule& r : rules) {
    if (!view::EqualFolded(r.prefix, rule.prefix)) continue;
    r = std::move(rule);
    return;
  }
  rules.push_back(std::move(rule));
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

// Merge rules for the top-level entries of one root of an image.
void AddImageFolders(const catalog::Reader& image, const char* root, const std::u16string& prefix,
                     const MachineFacts& facts, std::vector<PolicyRule>& rules) {
  const uint32_t top = image.RootIndex(root);
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
    } else {
      return reader.Complain(
          key.source(),
          "'" + std::string(key.str()) + "' is not known here; a policy has inherit, [files] and [registry]");
    }
  }
  return out;
}

Policy CompletePolicy(const Policy& user, const MachineFacts& facts,
                      const std::vector<const catalog::Reader*>& images) {
  Policy out;
  out.base = user.base;
  if (user.base == BasePolicy::kApplication)
    AddApplicationRules(facts, images, out.files);
  else
    AddRule(out.files, {u"", Mode::kMerge, "sandbox: copied on write"});
  AddRule(out.keys, {u"", Mode::kMerge, "registry: copied on write"});
  for (const PolicyRule& r : user.files) AddRule(out.files, r);
  for (const PolicyRule& r : user.keys) AddRule(out.keys, r);

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
