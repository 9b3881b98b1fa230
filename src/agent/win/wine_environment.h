// The environment that Wine gives a program which is started from the Unix system, for a program that the
// agent starts in the name of one that runs there. Windows, on Wine.
#pragma once
#include <string>
#include <vector>

#include "agent/environment.h"

namespace plume::agent {

// `unix_variables`: "NAME=value", UTF-8. What it does is what Wine 8 does (dlls/ntdll/unix/env.c): the Unix
// system's variables without those that mean something else there, then those of the registry over them. What
// Wine adds to every process by itself (WINE..., SystemRoot) it adds to this one, too.
Environment WineEnvironment(const std::vector<std::string>& unix_variables);

}  // namespace plume::agent
