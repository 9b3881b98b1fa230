// What the user's desktop is told of integrated applications: values below HKEY_CURRENT_USER, shortcuts, icons, the search
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

// Keys are relative to HKEY_CURRENT_USER; texts only.
std::optional<std::u16string> ReadUserText(const std::u16string& key, const std::u16string& name);
Status WriteUserText(const std::u16string& key, const std::u16string& name, const std::u16string& text);
void RemoveUserValue(const std::u16string& key, const std::u16string& name);
bool UserKeyExists(const std::u16string& key);
void RemoveUserKeyIfEmpty(const std::u16string& key);

// Who has what now, of this user's classes. command_owner and shortcut_exists are the caller's to fill in.
integrate::Machine ClientMachine();

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
