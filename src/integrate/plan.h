// What integrating one application writes on the client, decided before anything is written. Pure.
//
// The rules: an association that exists stays what it is, whether the machine's own or another integrated
// application's; the new application is then offered under "Open with" and the conflict is shown. What nobody
// has is taken. The user may take more on purpose ("take"). What can be the user's own alone is.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "integrate/associations.h"

namespace plume::integrate {

struct Entry {                       // an entry point of the image
  std::u16string id, name, program;  // program as the guest sees it, maybe with %VARIABLES%
  bool in_menu = false, on_desktop = false;
};

struct Application {
  std::u16string name, display_name;
  std::vector<Entry> entries;
  Associations associations;
};

// What is there already. Empty: nobody.
struct Machine {
  std::function<std::u16string(std::u16string_view extension)> type_owner;   // the class HKCR\.ext names
  std::function<std::u16string(std::u16string_view scheme)> protocol_owner;  // for people
  std::function<std::u16string(std::u16string_view name)> app_path_owner;    // the program
  std::function<std::u16string(std::u16string_view name)> command_owner;     // the application
  std::function<bool(bool desktop, std::u16string_view file)> shortcut_exists;
};

struct Options {
  std::u16string launcher;  // DOS path of plumew.exe
  std::u16string home;      // state folder, if the launcher would not find it by itself; else empty
  std::u16string classes;   // where classes go, with a backslash at its end: kUserClasses, or kMachineClasses
  std::u16string commands;  // folder for commands ("C:\...\Plume\commands")
  std::u16string icons;     // folder for this application's icons
  std::vector<std::u16string> take;  // ".7z", "magnet", "7z.exe", or "all"
};

inline constexpr std::u16string_view kUserClasses = u"HKCU\\Software\\Classes\\";
// For systems whose shell does not look at the user's own (Wine 8).
inline constexpr std::u16string_view kMachineClasses = u"HKLM\\Software\\Classes\\";

struct Value {                     // REG_SZ
  std::u16string key, name, data;  // key: "HKCU\Software\..." or "HKLM\..."
  bool operator==(const Value&) const = default;
};

struct Shortcut {
  bool desktop = false;      // else the Start menu's Programs
  std::u16string file;       // "7-Zip\7-Zip File Manager.lnk"
  std::u16string arguments;  // of the launcher
  std::u16string icon, description;
};

struct Icon {
  std::u16string source;  // "C:\...\x.dll,3" as the guest sees it
  std::u16string file;    // DOS path of the .ico to make
};

struct Command {           // a program in `commands` that starts one of the application
  std::u16string name;     // "7z.exe"
  std::u16string program;  // what it starts, as the guest sees it
  std::u16string entry;    // its entry point's id; empty: none
};

struct Conflict {
  std::u16string what;  // ".7z", "magnet:", "7z.exe"
  std::u16string owner;
};

struct Plan {
  std::vector<Value> values;
  std::vector<Shortcut> shortcuts;
  std::vector<Icon> icons;
  std::vector<Command> commands;
  std::vector<std::u16string> types, protocols;  // what opens with the application from now on
  std::vector<Conflict> conflicts;
};

// All our classes are named so: "Plume.<application>.<class>".
inline constexpr std::u16string_view kClassPrefix = u"Plume.";
std::u16string ClassKeyName(std::u16string_view application, std::u16string_view cls);

Plan MakePlan(const Application& application, const Machine& machine, const Options& options);

}  // namespace plume::integrate
