// What the user's desktop is told of integrated applications: registry values, shortcuts, icons, the search
// path for commands. Decides nothing (integrate/plan.h does). Windows.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "integrate/plan.h"

namespace plume::agent {

// Keys are "HKCU\..." or "HKLM\..."; texts only.
std::optional<std::u16string> ReadKeyText(const std::u16string& key, const std::u16string& name);
Status WriteKeyText(const std::u16string& key, const std::u16string& name, const std::u16string& text);
void RemoveKeyValue(const std::u16string& key, const std::u16string& name);
bool KeyExists(const std::u16string& key);
void RemoveKeyIfEmpty(const std::u16string& key);

// Who has what now, of this user's classes. command_owner and shortcut_exists are the caller's to fill in.
integrate::Machine ClientMachine();

// Whether the shell looks for classes in the user's own half of the registry too. Wine 8 does not.
bool ShellSeesUserClasses();

// The user's own folders.
std::u16string StartMenuPrograms();
std::u16string DesktopFolder();

struct ShortcutFile {
  std::u16string file, target, arguments, icon, description;
};
Status WriteShortcut(const ShortcutFile& shortcut);

// The icon "path,index" of a file that is here, as the bytes of a .ico; empty if it has none.
std::vector<uint8_t> ReadIcon(const std::u16string& real_file, int index);

// Adds a folder to the user's own part of the search path, or takes it out.
Status SetInSearchPath(const std::u16string& folder, bool present);

// Tells the shell that associations changed, and programs that the environment did.
void AnnounceDesktopChange();

}  // namespace plume::agent
