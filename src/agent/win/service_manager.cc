#include "agent/win/service_manager.h"

#include <windows.h>

#include "agent/text.h"
#include "agent/win/handle.h"

namespace plume::agent {
namespace {

std::wstring Marked(const wchar_t* name, const view::ObjectMark& mark) {
  return name + Wide(std::u16string(mark.View()));
}

}  // namespace

bool ManagerServes(const view::ObjectMark& mark) {
  return WaitNamedPipeW(Marked(L"\\\\.\\pipe\\svcctl", mark).c_str(), 1) ||
         GetLastError() == ERROR_SEM_TIMEOUT || GetLastError() == ERROR_PIPE_BUSY;
}

bool ManagerHasStarted(const view::ObjectMark& mark) {
  const Handle event(OpenEventW(SYNCHRONIZE, FALSE, Marked(L"__wine_SvcctlStarted", mark).c_str()));
  return event && WaitForSingleObject(event.get(), 0) == WAIT_OBJECT_0;
}

bool GuestsServeObjects(const view::ObjectMark& mark) {
  return static_cast<bool>(
      Handle(OpenEventW(SYNCHRONIZE, FALSE, Marked(L"Global\\plume-com", mark).c_str())));
}

}  // namespace plume::agent
