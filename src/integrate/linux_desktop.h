// Desktop entries and MIME packages for Linux desktops. Pure: texts only.
// Sources: Desktop Entry Specification 1.5; Shared MIME-info Specification 0.21 (freedesktop.org).
#pragma once
#include <string>
#include <vector>

#include "integrate/plan.h"
#include "integrate/record.h"

namespace plume::integrate {

struct DesktopFile {
  std::string path;  // relative to the data home
  std::string text;
};

// Desktop entries for what is in the Start menu, one (not shown) for each class that opens documents or URLs,
// and one MIME package for types that the system does not know. `state`: Plume's state folder as PLUME_HOME,
// empty if the launcher finds it by itself. `icon`: of the class or entry, as a Unix path, empty if there is
// none.
struct DesktopInput {
  const Application* application = nullptr;
  const Plan* plan = nullptr;
  LinuxDesktop desktop;
  std::string state;
  std::string icon;
};
std::vector<DesktopFile> DesktopFiles(const DesktopInput& input);

// One argument of an Exec line, quoted by the specification's rules.
std::string QuoteExec(const std::string& argument);

}  // namespace plume::integrate
