#include "agent/guest_start.h"

#include "agent/quote.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "integrate/associations.h"
#include "os/file.h"
#include "view/path.h"

namespace plume::agent {
namespace {

using Variables = std::vector<std::pair<std::u16string, std::u16string>>;

Variables ReadVariables(const Json& prepared) {
  Variables out;
  for (const auto& [name, value] : prepared["variables"].items())
    out.emplace_back(ToUtf16(name), ToUtf16(value.get<std::string>()));
  return out;
}

Status Complete(const Json& prepared, const Variables& variables, const std::vector<std::string>& wanted,
                Environment* out) {
  // Of use to plume alone, not to programs.
  for (const char16_t* name :
       {u"PLUME_HOME", u"PLUME_AGENT_STARTED", u"PLUME_WINEPREFIX", u"PLUME_WINDOWED", u"PLUME_DIRECT_START"})
    out->Remove(name);
  for (const Json& v : prepared["environment"])
    out->Apply({OptionalString(v, "name"), OptionalString(v, "value"), OptionalBool(v, "join")}, variables);
  for (const std::string& item : wanted) {
    const size_t eq = item.find('=');
    if (eq == std::string::npos || eq == 0) {
      return Error{Errc::kInvalid, "setting the environment failed: '" + item + "' is not NAME=VALUE"};
    }
    out->Set(ToUtf16(item.substr(0, eq)), ToUtf16(item.substr(eq + 1)));
  }
  return Ok();
}

Result<Json> ChooseEntry(const Json& prepared, const std::string& wanted) {
  std::string known;
  for (const Json& entry : prepared["entries"]) {
    const std::string id = OptionalString(entry, "id");
    if (wanted.empty() || id == wanted || OptionalString(entry, "name") == wanted) return entry;
    known += (known.empty() ? "" : ", ") + id;
  }
  const std::string name = OptionalString(prepared, "name");
  if (wanted.empty()) {
    return Error{
        Errc::kNotFound,
        "starting '" + name + "' failed: its image names no program (plume vm run " + name + " -- PROGRAM)"};
  }
  return Error{Errc::kNotFound, "starting '" + name + "' failed: it has no entry point '" + wanted +
                                    "' (there are: " + known + ")"};
}

// The last line that the layer wrote before it ended a guest.
std::string LayerComplaint(const std::u16string& view_path) {
  const std::u16string log = view_path.substr(0, view_path.find_last_of(u'\\')) + u"\\guest.log";
  auto text = os::ReadText(os::SystemFiles(), HostPath(log), 64u << 20);
  if (!text.ok() || text->empty()) return "no reason was recorded";
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return text->substr(text->find_last_of('\n') + 1);
}

}  // namespace

Result<vl::LaunchSpec> PlanGuest(const AskAgent& ask, const GuestRequest& request, const Json& prepared,
                                 GuestCaller caller) {
  const std::string name = OptionalString(prepared, "name");
  const Variables variables = ReadVariables(prepared);
  Environment& environment = caller.environment;
  TRY(Complete(prepared, variables, request.environment, &environment));

  std::u16string program = ToUtf16(request.program), directory, fixed, start_in;
  if (!request.document.empty()) {
    std::u16string document = ToUtf16(request.document);
    if (integrate::SchemeOf(document).empty()) {
      ASSIGN(document, DosPath(request.document));
      // As from a shell's window that shows its folder.
      if (request.directory.empty()) start_in = document.substr(0, document.find_last_of(u'\\'));
    }
    const Json wanted{{"name", name},
                      {"document", ToUtf8(document)},
                      {"class", request.document_class},
                      {"verb", request.verb}};
    ASSIGN(const Json opens, ask("app.command", wanted));
    const std::u16string command = environment.Expand(ToUtf16(OptionalString(opens, "command")), variables);
    integrate::SplitCommand split = integrate::SplitProgram(integrate::FillCommand(command, document));
    program = std::move(split.program);
    fixed = std::move(split.arguments);
  } else if (program.empty()) {
    ASSIGN(const Json entry, ChooseEntry(prepared, request.entry));
    program = environment.Expand(ToUtf16(OptionalString(entry, "path")), variables);
    fixed = environment.Expand(ToUtf16(OptionalString(entry, "arguments")), variables);
    // As from its shortcut. With arguments it is a command, and relative names mean the caller's folder.
    if (request.arguments.empty() && request.directory.empty())
      start_in = environment.Expand(ToUtf16(OptionalString(entry, "cwd")), variables);
  } else if (program[0] == u'/' && RunningOnWine()) {
    ASSIGN(program, DosPath(request.program));
  }
  if (request.directory.empty()) {
    directory = std::move(caller.directory);
  } else if (request.directory[0] == '/' && RunningOnWine()) {
    ASSIGN(directory, DosPath(request.directory));
  } else {
    directory = environment.Expand(ToUtf16(request.directory), variables);
  }

  const std::u16string* path = environment.Find(u"PATH");
  const Json resolve{{"name", name},
                     {"program", ToUtf8(program)},
                     {"cwd", ToUtf8(directory)},
                     {"start_in", ToUtf8(start_in)},
                     {"path", path ? ToUtf8(*path) : ""}};
  ASSIGN(const Json found, ask("vm.resolve", resolve));
  std::vector<std::u16string> arguments;
  for (const std::string& a : request.arguments) arguments.push_back(ToUtf16(a));

  vl::LaunchSpec spec;
  spec.virtual_exe = ToUtf16(OptionalString(found, "virtual"));
  spec.real_exe = ToUtf16(OptionalString(found, "real"));
  const std::string kind = OptionalString(found, "kind");
  if (kind == "program") {
    const std::u16string file = spec.virtual_exe.substr(spec.virtual_exe.find_last_of(u'\\') + 1);
    const bool shell = view::EqualFolded(file, u"cmd.exe");
    spec.command_line =
        shell ? ShellCommandLine(spec.virtual_exe, arguments) : CommandLine(spec.virtual_exe, {});
    if (!fixed.empty()) spec.command_line += u" " + fixed;
    if (!shell)
      for (const std::u16string& a : arguments) spec.command_line += u" " + QuoteArgument(a);
  } else {
    // Scripts and installer packages have a program that runs them.
    const std::u16string what = spec.virtual_exe;
    const bool script = kind == "script";
    Json runner = resolve;
    runner["program"] = OptionalString(prepared, "system_root") +
                        (script ? "\\System32\\cmd.exe" : "\\System32\\msiexec.exe");
    ASSIGN(const Json host, ask("vm.resolve", runner));
    spec.virtual_exe = ToUtf16(OptionalString(host, "virtual"));
    spec.real_exe = ToUtf16(OptionalString(host, "real"));
    if (script) {
      spec.command_line = ScriptCommandLine(spec.virtual_exe, what, arguments);
    } else {
      arguments.insert(arguments.begin(), {u"/i", what});
      spec.command_line = CommandLine(spec.virtual_exe, arguments);
    }
  }
  spec.directory = ToUtf16(OptionalString(found, "cwd"));
  if (spec.directory.size() == 2) spec.directory += u'\\';
  spec.environment = environment.Block();
  spec.view_path = ToUtf16(OptionalString(prepared, "view"));
  spec.layer64 = ProgramFolder() + u"\\plume-vl64.dll";
  return spec;
}

Error LayerFailure(const vl::LaunchSpec& spec) {
  return Error{Errc::kInternal, "running " + ToUtf8(spec.virtual_exe) +
                                    " failed: the virtualization layer ended it (" +
                                    LayerComplaint(spec.view_path) + ")"};
}

}  // namespace plume::agent
