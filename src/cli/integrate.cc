// integrate, unintegrate: an application on the user's desktop.
#include <windows.h>

#include "agent/text.h"
#include "cli/command.h"

namespace plume::cli {
namespace {

std::string Variable(const wchar_t* name) {
  std::wstring out(32768, 0);
  out.resize(GetEnvironmentVariableW(name, out.data(), static_cast<DWORD>(out.size())));
  return ToUtf8(agent::FromWide(out));
}

std::string Joined(const agent::Json& list, const char* after = "") {
  std::string out;
  for (const agent::Json& item : list) out += (out.empty() ? "" : " ") + item.get<std::string>() + after;
  return out;
}

void PrintIntegrated(const agent::Json& r) {
  const std::string name = Field(r, "name");
  std::string text = "integrated " + name + "\n";
  for (const agent::Json& s : r["shortcuts"]) text += "  shortcut  " + s.get<std::string>() + "\n";
  if (!r["types"].empty()) text += "  opens     " + Joined(r["types"]) + "\n";
  if (!r["protocols"].empty()) text += "  links     " + Joined(r["protocols"], ":") + "\n";
  if (!r["commands"].empty()) text += "  commands  " + Joined(r["commands"]) + " (in new prompts)\n";
  for (const agent::Json& c : r["conflicts"]) {
    text += "  " + Field(c, "what") + " stays with " + Field(c, "owner");
    if (Field(c, "what").find(".lnk") == std::string::npos)
      text += " (plume integrate " + name + " --take " + Field(c, "what") + " takes it)";
    text += "\n";
  }
  Print(text);
}

}  // namespace

void AddIntegrate(CLI::App& app, Context& context) {
  struct Options {
    std::string name;
    std::vector<std::string> take;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(app, context, "integrate",
                           "Put an application on the desktop: shortcuts, file types, links, commands",
                           "plume integrate editor --take .txt", [o, &context]() -> Result<int> {
                             agent::Json args{{"name", o->name}, {"take", o->take}};
                             // Set by the launcher: the desktop of the Linux system around us.
                             if (const std::string home = Variable(L"PLUME_DATA_HOME"); !home.empty()) {
                               args["data_home"] = home;
                               args["launcher"] = Variable(L"PLUME_LAUNCHER");
                               args["prefix"] = Variable(L"PLUME_CLIENT_PREFIX");
                             }
                             ASSIGN(const agent::Json made, context.Ask("app.integrate", args));
                             return Show(o->json, made, PrintIntegrated);
                           });
  c->add_option("NAME", o->name, "The application (see plume apps)")->required();
  c->add_option("--take", o->take,
                "Also what another program has now: a file type (.txt), link (mailto), command, or all")
      ->allow_extra_args(false);
  c->add_flag("--json", o->json, "Print JSON");

  auto name = std::make_shared<std::string>();
  CLI::App* u =
      AddCommand(app, context, "unintegrate", "Take an application off the desktop",
                 "plume unintegrate editor", [name, &context]() -> Result<int> {
                   ASSIGN(const agent::Json gone, context.Ask("app.unintegrate", {{"name", *name}}));
                   PrintLine("took " + Field(gone, "name") + " off the desktop");
                   return 0;
                 });
  u->add_option("NAME", *name, "The application (see plume apps)")->required();
}

}  // namespace plume::cli
