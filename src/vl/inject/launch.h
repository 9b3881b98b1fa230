// Starting the first guest of a VM from a hosted program (agent, CLI, tools). Children of guests are made
// guests by the layer itself.
#pragma once
#include <string>

#include "base/result.h"
#include "vl/inject/inject.h"

namespace plume::vl {

struct LaunchSpec {
  std::u16string virtual_exe;      // DOS path as guests see it: "C:\Program Files\A\a.exe"
  std::u16string real_exe;         // DOS or NT path of the file to map (same name); empty: virtual_exe
  std::u16string command_line;     // as the program gets it; empty: the quoted virtual_exe
  std::u16string directory;        // virtual DOS path; need not exist on the host; empty: the caller's
  std::u16string environment;      // block "A=1\0B=2\0\0"; empty: the caller's
  std::u16string view_path;        // DOS or NT path of the compiled view
  std::u16string layer64;          // DOS or NT path of plume-vl64.dll
  void* standard_input = nullptr;  // null: the caller's own
  void* standard_output = nullptr;
  void* standard_error = nullptr;
  void* job = nullptr;  // assigned before the first instruction; null: none
  bool new_console = false;
  bool detached = false;   // no console at all
  bool hidden = false;     // no console window, windows start hidden
  bool suspended = false;  // leave it suspended: the caller resumes
};

struct LaunchedProcess {
  void* process = nullptr;  // owned by the caller: CloseHandle
  void* thread = nullptr;
  uint32_t pid = 0;
  double create_ms = 0, inject_ms = 0;  // what the start cost
};

// Creates the process suspended, makes it a guest, resumes it. On an error nothing is left running.
// Thread-safe.
Result<LaunchedProcess> LaunchGuest(const LaunchSpec& spec);

}  // namespace plume::vl
