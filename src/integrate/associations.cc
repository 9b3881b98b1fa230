#include "integrate/associations.h"

#include <algorithm>

#include "view/path.h"

namespace plume::integrate {
namespace {

using catalog::FindKey;
using catalog::ForEachSubkey;
using catalog::ForEachValue;
using catalog::kNone;
using catalog::Reader;
using catalog::Text;
using view::EqualFolded;

bool Contains(const std::vector<std::u16string>& list, std::u16string_view name) {
  return std::any_of(list.begin(), list.end(), [&](const auto& item) { return EqualFolded(item, name); });
}

class Collector {
 public:
  explicit Collector(const Reader& c) : c_(c) {
    // The user's half first: what is found first wins.
    for (const char* root : {"CU", "M"}) {
      const uint32_t top = c.RootIndex(root);
      if (top != kNone) roots_.push_back(top);
    }
  }

  Associations Run() {
    for (const uint32_t root : roots_) Declared(root, FindKey(c_, root, u"Software\\RegisteredApplications"));
    for (const uint32_t root : roots_) Classes(FindKey(c_, root, u"Software\\Classes"));
    for (const uint32_t root : roots_) {
      for (const auto path : {u"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths",
                              u"Software\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\App Paths"}) {
        ForEachSubkey(c_, FindKey(c_, root, path), [&](std::u16string_view name, uint32_t key) {
          const std::u16string program = Text(c_, key, u"");
          const bool known = std::any_of(out_.app_paths.begin(), out_.app_paths.end(),
                                         [&](const AppPath& a) { return EqualFolded(a.name, name); });
          if (!program.empty() && !known) out_.app_paths.push_back({std::u16string(name), program});
        });
      }
    }
    std::sort(out_.types.begin(), out_.types.end(), [](const FileType& a, const FileType& b) {
      return view::CompareFolded(a.extension, b.extension) < 0;
    });
    std::sort(out_.protocols.begin(), out_.protocols.end());
    return std::move(out_);
  }

 private:
  // HKCR\<class>, of whichever half has it with a verb that can be started.
  bool AddClass(std::u16string_view name) {
    if (name.empty() || name.find(u'\\') != std::u16string::npos) return false;
    if (out_.FindClass(name) != nullptr) return true;
    for (const uint32_t root : roots_) {
      const uint32_t key = FindKey(c_, FindKey(c_, root, u"Software\\Classes"), name);
      if (key == kNone) continue;
      DocumentClass made{std::u16string(name), Text(c_, key, u""),
                         Text(c_, FindKey(c_, key, u"DefaultIcon"), u""), catalog::ReadVerbs(c_, key)};
      if (made.verbs.empty()) continue;
      out_.classes.push_back(std::move(made));
      return true;
    }
    return false;
  }

  void AddType(std::u16string_view extension, std::u16string_view cls) {
    if (extension.size() < 2 || extension[0] != u'.' || !AddClass(cls)) return;
    auto at = std::find_if(out_.types.begin(), out_.types.end(),
                           [&](const FileType& t) { return EqualFolded(t.extension, extension); });
    if (at == out_.types.end()) at = out_.types.insert(at, FileType{std::u16string(extension), {}, {}});
    if (!Contains(at->classes, cls)) at->classes.emplace_back(cls);
  }

  void AddProtocol(std::u16string_view scheme, std::u16string_view cls) {
    if (scheme.size() < 2 || Contains(out_.protocols, scheme) || !AddClass(cls)) return;
    std::u16string lower(scheme);
    for (char16_t& ch : lower)
      if (ch >= u'A' && ch <= u'Z') ch = static_cast<char16_t>(ch + 32);
    if (!EqualFolded(cls, scheme)) {
      // Declared with another class: the scheme's own class starts what that one starts.
      DocumentClass own = *out_.FindClass(cls);
      own.name = lower;
      if (out_.FindClass(lower) == nullptr) out_.classes.push_back(std::move(own));
    }
    out_.protocols.push_back(lower);
  }

  void Classes(uint32_t classes) {
    ForEachSubkey(c_, classes, [&](std::u16string_view name, uint32_t key) {
      if (name.starts_with(u'.')) {
        AddType(name, Text(c_, key, u""));
        ForEachValue(c_, FindKey(c_, key, u"OpenWithProgids"),
                     [&](std::u16string_view cls, const catalog::Value&) { AddType(name, cls); });
        // A verb right below the extension is the oldest form.
        for (FileType& t : out_.types)
          if (EqualFolded(t.extension, name) && t.content_type.empty())
            t.content_type = Text(c_, key, u"Content Type");
      } else if (catalog::HasValue(c_, key, u"URL Protocol")) {
        AddProtocol(name, name);
      }
    });
  }

  void Declared(uint32_t root, uint32_t list) {
    ForEachValue(c_, list, [&](std::u16string_view, const catalog::Value& application) {
      const uint32_t capabilities = FindKey(c_, root, Text(c_, application));
      const uint32_t files = FindKey(c_, capabilities, u"FileAssociations");
      ForEachValue(c_, files, [&](std::u16string_view name, const catalog::Value& value) {
        AddType(name, Text(c_, value));
      });
      const uint32_t urls = FindKey(c_, capabilities, u"URLAssociations");
      ForEachValue(c_, urls, [&](std::u16string_view name, const catalog::Value& value) {
        AddProtocol(name, Text(c_, value));
      });
    });
  }

  const Reader& c_;
  std::vector<uint32_t> roots_;
  Associations out_;
};

}  // namespace

const DocumentClass* Associations::FindClass(std::u16string_view name) const {
  for (const DocumentClass& c : classes)
    if (EqualFolded(c.name, name)) return &c;
  return nullptr;
}

const FileType* Associations::FindType(std::u16string_view extension) const {
  for (const FileType& t : types)
    if (EqualFolded(t.extension, extension)) return &t;
  return nullptr;
}

Associations ReadAssociations(const Reader& catalog) { return Collector(catalog).Run(); }

std::u16string SchemeOf(std::u16string_view document) {
  const size_t colon = document.find(u':');
  if (colon == std::u16string_view::npos || colon < 2) return {};
  std::u16string out;
  for (const char16_t c : document.substr(0, colon)) {
    const bool letter = (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z');
    const bool other = (c >= u'0' && c <= u'9') || c == u'+' || c == u'-' || c == u'.';
    if (!letter && (out.empty() || !other)) return {};
    out.push_back(c >= u'A' && c <= u'Z' ? static_cast<char16_t>(c + 32) : c);
  }
  return out;
}

std::u16string ExtensionOf(std::u16string_view document) {
  const size_t slash = document.find_last_of(u"\\/");
  if (slash != std::u16string_view::npos) document.remove_prefix(slash + 1);
  const size_t dot = document.rfind(u'.');
  return dot == std::u16string_view::npos || dot + 1 == document.size()
             ? std::u16string()
             : std::u16string(document.substr(dot));
}

const Verb* FindVerb(const Associations& associations, std::u16string_view document,
                     std::u16string_view wanted_class, std::u16string_view wanted_verb) {
  std::u16string name(wanted_class);
  if (name.empty()) name = SchemeOf(document);
  if (name.empty()) {
    const FileType* type = associations.FindType(ExtensionOf(document));
    if (type == nullptr) return nullptr;
    name = type->classes.front();
  }
  const DocumentClass* found = associations.FindClass(name);
  if (found == nullptr) return nullptr;
  for (const Verb& v : found->verbs)
    if (wanted_verb.empty() || EqualFolded(v.id, wanted_verb)) return &v;
  return nullptr;
}

std::u16string FillCommand(std::u16string_view command, std::u16string_view document) {
  std::u16string out;
  bool placed = false;
  for (size_t i = 0; i < command.size(); ++i) {
    if (command[i] != u'%' || i + 1 == command.size()) {
      out.push_back(command[i]);
      continue;
    }
    const char16_t what = command[++i];
    switch (what) {
      case u'1':
      case u'l':
      case u'L':
      case u'v':
      case u'V':
      case u'u':
      case u'U':
        out.append(document);
        placed = true;
        break;
      case u'*':
      case u'~':
        break;
      case u'%':
        out.push_back(u'%');
        break;
      default:
        if (what >= u'2' && what <= u'9') break;  // further arguments: there are none
        out.push_back(u'%');
        out.push_back(what);
    }
  }
  if (!placed) out.append(u" \"").append(document).append(u"\"");
  return out;
}

SplitCommand SplitProgram(std::u16string_view command) {
  const auto rest = [&](size_t at) {
    std::u16string_view r = command.substr(std::min(at, command.size()));
    while (!r.empty() && r.front() == u' ') r.remove_prefix(1);
    return std::u16string(r);
  };
  while (!command.empty() && command.front() == u' ') command.remove_prefix(1);
  if (!command.empty() && command.front() == u'"') {
    const size_t end = std::min(command.find(u'"', 1), command.size());
    return {std::u16string(command.substr(1, end - 1)), rest(end + 1)};
  }
  for (size_t i = 0; i + 4 <= command.size(); ++i) {
    if (EqualFolded(command.substr(i, 4), u".exe") && (i + 4 == command.size() || command[i + 4] == u' '))
      return {std::u16string(command.substr(0, i + 4)), rest(i + 4)};
  }
  const size_t space = std::min(command.find(u' '), command.size());
  return {std::u16string(command.substr(0, space)), rest(space)};
}

}  // namespace plume::integrate
