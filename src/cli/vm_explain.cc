#include "agent/explain.h"
#include "agent/explain_windows.h"
#include "agent/policy_objects.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "cli/command.h"

namespace plume::cli {

void AddVmExplain(CLI::App& vm, Context& context) {
  struct Options {
    std::string name, path;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      vm, context, "explain",
      "Say which rule decides about a path, a registry key, an object, a window class, a device or a host, "
      "and where it "
      "really is",
      "plume vm explain test 'C:\\Program Files\\X\\x.exe'\n  plume vm explain test 'HKLM\\Software\\X'\n"
      "  plume vm explain test 'Local\\MyMutex'\n  plume vm explain test 'Pipe\\MyServer'\n"
      "  plume vm explain test 'Window\\Shell_TrayWnd'\n  plume vm explain test Clipboard\n"
      "  plume vm explain test '\\\\.\\COM1'\n  plume vm explain test example.org:443",
      [o, &context]() -> Result<int> {
        std::string path = o->path;
        // A Unix path is meant as Wine maps it; a path without a drive is relative to here.
        const bool key = path.rfind("HK", 0) == 0;
        const bool named = agent::ObjectNtName(ToUtf16(path), 0).has_value() || agent::IsDeviceText(path) ||
                           agent::IsWindowText(ToUtf16(path));
        if (!key && !named && !path.empty() && (path[0] == '/' || path.find(':') == std::string::npos)) {
          ASSIGN(const std::u16string dos, agent::DosPath(path));
          path = ToUtf8(dos);
        }
        ASSIGN(const agent::Json found, context.Ask("vm.explain", {{"name", o->name}, {"path", path}}));
        return Show(o->json, found, [](const agent::Json& j) {
          PrintLine("path   " + Field(j, "path"));
          PrintLine("mode   " + Field(j, "mode"));
          PrintLine("rule   " + Field(j, "rule"));
          if (!j.contains("layer")) {  // a rule is all there is to it
            if (!Field(j, "real").empty()) PrintLine("real   " + Field(j, "real"));
            return;
          }
          const std::string layer = Field(j, "layer");
          if (layer == "none") {
            PrintLine(agent::OptionalBool(j, "deleted") ? "layer  none: deleted in this VM"
                                                        : "layer  none: it does not exist");
          } else {
            PrintLine("layer  " + layer + (layer == "image" ? " " + Field(j, "image") : ""));
            PrintLine("real   " + Field(j, "real"));
          }
          if (j.contains("hydrated"))
            PrintLine(std::string("here   ") + (j["hydrated"].get<bool>() ? "yes" : "not yet"));
        });
      });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_option("PATH", o->path,
                "Path, registry key, object (Local\\x, Global\\x, Pipe\\x, Mailslot\\x, Port\\x), "
                "Window\\CLASS, Clipboard or device, as guests "
                "see it, or HOST:PORT")
      ->required();
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
