#include "image/contents.h"

#include <algorithm>
#include <initializer_list>

#include "base/utf16.h"
#include "catalog/keys.h"
#include "view/path.h"

namespace plume::image {
namespace {

using catalog::FindKey;
using catalog::ForEachSubkey;
using catalog::kNone;
using catalog::Reader;
using view::WView;

constexpr uint64_t kDriverTypes = 1 | 2 | 8;

// Of what is walked by recursion: a catalog from elsewhere may be as deep as it likes.
constexpr int kMaxDepth = 32;

bool Is(WView name, WView wanted) { return view::EqualFolded(name, wanted); }

bool EndsWith(WView name, WView ending) {
  return name.size() >= ending.size() && Is(name.substr(name.size() - ending.size()), ending);
}

// "CurrentControlSet", "ControlSet001".
bool IsControlSet(WView name) {
  constexpr WView kWord = u"ControlSet";
  for (size_t i = 0; i + kWord.size() <= name.size(); ++i) {
    if (Is(name.substr(i, kWord.size()), kWord)) return true;
  }
  return false;
}

class Collector {
 public:
  explicit Collector(const Reader& reader) : r_(reader) {}

  Contents Run() {
    for (const char* root : {"M", "CU"}) {
      const uint32_t top = r_.RootIndex(root);
      if (top == kNone) continue;
      const bool user = root[0] == 'C';
      Classes(FindKey(r_, top, u"Software\\Classes"), user);
      Fonts(FindKey(r_, top, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts"));
      if (user) continue;
      const uint32_t system = FindKey(r_, top, u"System");
      ForEachSubkey(r_, system, [&](WView name, uint32_t set) {
        if (IsControlSet(name)) Services(FindKey(r_, set, u"Services"));
      });
      Tasks(FindKey(r_, top, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree"),
            "", 0);
    }
    const uint32_t drive = r_.RootIndex("C");
    if (drive != kNone) {
      const uint32_t windows = Folder(drive, {u"Windows"});
      TaskFiles(Folder(windows, {u"Tasks"}), "", 0);
      TaskFiles(Folder(windows, {u"System32", u"Tasks"}), "", 0);
      DriverFiles(windows, "C:\\Windows", 0);
      SharedAssemblies(Folder(windows, {u"WinSxS", u"Manifests"}));
      SharedAssemblies(Folder(windows, {u"WinSxS"}));
      NetAssemblies(Folder(windows, {u"assembly"}));
    }
    for (const auto& [root, path] : {std::pair("C", "C:"), {"Profile", "%PROFILE%"}}) {
      if (const uint32_t top = r_.RootIndex(root); top != kNone) PrivateAssemblies(top, path, u"", false, 0);
    }
    Unite(&out_.scheduled_tasks);
    Unite(&out_.assemblies);
    return std::move(out_);
  }

 private:
  static void Unite(std::vector<std::string>* list) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }

  uint32_t Folder(uint32_t entry, std::initializer_list<const char16_t*> names) const {
    for (const char16_t* name : names) {
      if (entry == kNone) return kNone;
      entry = r_.Child(entry, WView(name));
    }
    return entry;
  }
  template <typename Visit>
  void ForEachEntry(uint32_t folder, Visit&& visit) const {
    if (folder == kNone) return;
    const catalog::Entry& e = r_.entry(folder);
    for (uint32_t i = 0; i < e.child_count(); ++i) visit(e.first_child() + i);
  }
  std::string Value(uint32_t key, WView name) const { return ToUtf8(catalog::Text(r_, key, name)); }
  bool Has(uint32_t key, WView name) const { return catalog::HasValue(r_, key, name); }

  std::string Command(uint32_t type) const {
    const auto verbs = catalog::ReadVerbs(r_, type);
    return verbs.empty() ? std::string() : ToUtf8(verbs.front().command);
  }

  void Classes(uint32_t classes, bool user) {
    if (classes == kNone) return;
    ClassIds(FindKey(r_, classes, u"CLSID"), classes, user, false);
    ClassIds(FindKey(r_, classes, u"Wow6432Node\\CLSID"), classes, user, true);
    ForEachSubkey(r_, classes, [&](WView name, uint32_t key) {
      if (name.size() > 1 && name[0] == u'.') {
        FileType type;
        type.extension = ToUtf8(name);
        type.type = Value(key, u"");
        const uint32_t described = type.type.empty() ? key : FindKey(r_, classes, FromUtf8Lossy(type.type));
        type.name = Value(described, u"");
        type.command = Command(described);
        if (!type.type.empty() || !type.command.empty()) out_.file_types.push_back(std::move(type));
      } else if (Has(key, u"URL Protocol")) {
        out_.protocols.push_back({ToUtf8(name), Command(key)});
      }
    });
  }

  void ClassIds(uint32_t ids, uint32_t classes, bool user, bool wow64) {
    static constexpr std::pair<const char16_t*, const char*> kServers[] = {
        {u"InprocServer32", "in process"}, {u"LocalServer32", "local"}, {u"InprocHandler32", "handler"}};
    ForEachSubkey(r_, ids, [&](WView name, uint32_t key) {
      ComClass found;
      found.clsid = ToUtf8(name);
      found.name = Value(key, u"");
      found.prog_id = Value(FindKey(r_, key, u"ProgID"), u"");
      found.user = user;
      found.wow64 = wow64;
      for (const auto& [place, server] : kServers) {
        const uint32_t at = FindKey(r_, key, place);
        if (at == kNone) continue;
        ComClass one = found;
        one.server = server;
        one.file = Value(at, u"");
        one.threading = Value(at, u"ThreadingModel");
        out_.com_classes.push_back(std::move(one));
      }
      const std::string app = Value(key, u"AppID");
      const uint32_t application =
          app.empty() ? kNone : FindKey(r_, FindKey(r_, classes, u"AppID"), FromUtf8Lossy(app));
      const std::string service = Value(application, u"LocalService");
      if (!service.empty()) {
        found.server = "service";
        found.file = service;
        out_.com_classes.push_back(std::move(found));
      } else if (Has(application, u"DllSurrogate")) {
        found.server = "surrogate";
        found.file = Value(application, u"DllSurrogate");
        out_.com_classes.push_back(std::move(found));
      }
    });
  }

  void Services(uint32_t services) {
    static constexpr const char* kStarts[] = {"boot", "system", "automatic", "manual", "disabled"};
    ForEachSubkey(r_, services, [&](WView name, uint32_t key) {
      const auto type = catalog::Number(r_, key, u"Type");
      if (!type) return;  // parameters added to a service of the system
      Service service;
      service.name = ToUtf8(name);
      service.display_name = Value(key, u"DisplayName");
      service.command = Value(key, u"ImagePath");
      service.start = kStarts[std::min<uint64_t>(catalog::Number(r_, key, u"Start").value_or(3), 4)];
      service.driver = (*type & kDriverTypes) != 0;
      (service.driver ? out_.drivers : out_.services).push_back(std::move(service));
    });
  }

  void Fonts(uint32_t fonts) {
    ForEachValue(r_, fonts, [&](WView name, const catalog::Value& value) {
      out_.fonts.push_back({ToUtf8(name), ToUtf8(catalog::Text(r_, value))});
    });
  }

  // A task is a key with an Id; folders of tasks have none.
  void Tasks(uint32_t tree, const std::string& above, int depth) {
    if (depth > kMaxDepth) return;
    ForEachSubkey(r_, tree, [&](WView name, uint32_t key) {
      const std::string path = above + "\\" + ToUtf8(name);
      if (Has(key, u"Id")) out_.scheduled_tasks.push_back(path);
      Tasks(key, path, depth + 1);
    });
  }
  void TaskFiles(uint32_t folder, const std::string& above, int depth) {
    if (depth > kMaxDepth) return;
    ForEachEntry(folder, [&](uint32_t i) {
      const WView name = r_.name(r_.entry(i));
      std::string path = above + "\\" + ToUtf8(name);
      if (r_.entry(i).flags() & catalog::kDirectory) return TaskFiles(i, path, depth + 1);
      if (EndsWith(name, u".job")) path.resize(path.size() - 4);
      out_.scheduled_tasks.push_back(std::move(path));
    });
  }

  void DriverFiles(uint32_t folder, const std::string& above, int depth) {
    if (depth > kMaxDepth) return;
    ForEachEntry(folder, [&](uint32_t i) {
      const WView name = r_.name(r_.entry(i));
      const std::string path = above + "\\" + ToUtf8(name);
      if ((r_.entry(i).flags() & catalog::kDirectory) == 0) {
        if (depth > 0 && EndsWith(name, u".sys")) out_.driver_files.push_back(path);
      } else if (depth > 0 || Is(name, u"System32")) {
        DriverFiles(i, path, depth + 1);
      }
    });
  }

  // Each has a manifest of its name.
  void SharedAssemblies(uint32_t folder) {
    constexpr WView kEnding = u".manifest";
    ForEachEntry(folder, [&](uint32_t i) {
      const WView name = r_.name(r_.entry(i));
      if (EndsWith(name, kEnding))
        out_.assemblies.push_back(ToUtf8(name.substr(0, name.size() - kEnding.size())));
    });
  }
  // NAME.manifest beside a program, or in a folder NAME beside one: an assembly of the application's own.
  // What ends in .exe.manifest or .dll.manifest is the manifest of that file.
  void PrivateAssemblies(uint32_t folder, const std::string& path, WView own_name, bool program_above,
                         int depth) {
    if (depth > kMaxDepth) return;
    bool program = false;
    ForEachEntry(folder,
                 [&](uint32_t i) { program |= !IsFolder(i) && EndsWith(r_.name(r_.entry(i)), u".exe"); });
    ForEachEntry(folder, [&](uint32_t i) {
      const WView name = r_.name(r_.entry(i));
      constexpr WView kEnding = u".manifest";
      if (IsFolder(i)) {
        if (depth > 0 || !Is(name, u"Windows"))
          PrivateAssemblies(i, path + "\\" + ToUtf8(name), name, program, depth + 1);
        return;
      }
      if (!EndsWith(name, kEnding)) return;
      const WView assembly = name.substr(0, name.size() - kEnding.size());
      if (EndsWith(assembly, u".exe") || EndsWith(assembly, u".dll")) return;
      if (program || (program_above && Is(assembly, own_name)))
        out_.assemblies.push_back(ToUtf8(assembly) + " in " + path);
    });
  }
  bool IsFolder(uint32_t entry) const { return (r_.entry(entry).flags() & catalog::kDirectory) != 0; }

  // assembly\GAC_64\NAME\VERSION__KEY
  void NetAssemblies(uint32_t folder) {
    ForEachEntry(folder, [&](uint32_t cache) {
      ForEachEntry(cache, [&](uint32_t i) { out_.assemblies.push_back(ToUtf8(r_.name(r_.entry(i)))); });
    });
  }

  const Reader& r_;
  Contents out_;
};

}  // namespace

Contents ReadContents(const catalog::Reader& catalog) { return Collector(catalog).Run(); }

}  // namespace plume::image
