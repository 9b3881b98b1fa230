// What an image registers for the desktop: file types, URL protocols, App Paths. Read from the image's
// catalog. Pure. Source: "File Types" and "Default Programs" of the Windows Shell documentation: HKCR\.ext
// names a class (ProgID), a class has verbs; programs may also declare both below RegisteredApplications.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "catalog/keys.h"

namespace plume::integrate {

using catalog::Verb;

// One class of documents or URLs. Names are compared as the registry compares them.
struct DocumentClass {
  std::u16string name;         // the ProgID: "7-Zip.7z", or a protocol's scheme
  std::u16string description;  // may be empty
  std::u16string icon;         // "C:\...\x.dll,3"; may be empty
  std::vector<Verb> verbs;     // the default first; never empty
};

struct FileType {
  std::u16string extension;  // with its dot: ".7z"
  std::u16string content_type;
  std::vector<std::u16string> classes;  // what may open it, the preferred first; all in `classes` below
};

struct AppPath {
  std::u16string name;     // "7zFM.exe"
  std::u16string program;  // maybe with %VARIABLES%
};

struct Associations {
  std::vector<DocumentClass> classes;
  std::vector<FileType> types;            // sorted by extension
  std::vector<std::u16string> protocols;  // schemes, sorted; each is the name of a class
  std::vector<AppPath> app_paths;

  const DocumentClass* FindClass(std::u16string_view name) const;
  const FileType* FindType(std::u16string_view extension) const;
};

// Types and protocols of which no verb has a command are left out: there is nothing to start. What the user's
// half of the image says goes before the machine's.
Associations ReadAssociations(const catalog::Reader& catalog);

// "https" of "https://x", in lower case; empty if `document` is a file's name ("C:\x" has no scheme).
std::u16string SchemeOf(std::u16string_view document);
// ".txt" of "C:\a.b\x.txt"; empty if it has none.
std::u16string ExtensionOf(std::u16string_view document);

// What to start for `document`: the wanted class, or the preferred one of its type or scheme; the wanted
// verb, or the default one. Null if the image has no such thing.
const Verb* FindVerb(const Associations& associations, std::u16string_view document,
                     std::u16string_view wanted_class, std::u16string_view wanted_verb);

// The command line that opens `document`: "%1", "%L", "%V" become its name, "%*" and "%~" nothing, "%%" one
// sign. A command with no place for the document gets it at its end, quoted. REQUIRES: %VARIABLES% were
// expanded before, so that nothing in the document's name is taken for one.
std::u16string FillCommand(std::u16string_view command, std::u16string_view document);

// "C:\Program Files\A\a.exe" and "-x \"%1\"" of "\"C:\Program Files\A\a.exe\" -x \"%1\"". Unquoted programs
// end after the first ".exe" that is followed by a space, else at the first space.
struct SplitCommand {
  std::u16string program, arguments;
};
SplitCommand SplitProgram(std::u16string_view command);

}  // namespace plume::integrate
