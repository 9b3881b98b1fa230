// How far a VM's own service manager is, judged by the names it makes. Windows.
#pragma once
#include "view/object_name.h"

namespace plume::agent {

// True if it takes requests. `mark`: what the VM's own names carry.
bool ManagerServes(const view::ObjectMark& mark);

// True if it has also begun everything that starts by itself. Only then what a guest installs is not taken
// for that, and only then an idle manager may be ended.
bool ManagerHasStarted(const view::ObjectMark& mark);

// True while a guest serves COM objects (vl/calls/object_pipe.cc).
bool GuestsServeObjects(const view::ObjectMark& mark);

}  // namespace plume::agent
