// The clipboard of the VM (view/clip_table.h is its state). Answers the clipboard functions of win32u.
#pragma once
#include "vl/calls/window_session.h"
#include "vl/nt/user.h"

namespace plume::vl {

// What is private to the VM: nothing, if the policy shares the clipboard without limits. Then everything is
// the system's.
bool ClipboardIsShared(const VlState& vl);

// A registered format's number is the session's; its name without an end.
struct FormatName {
  char16_t units[256];
  size_t size = 0;
  view::WView View() const { return view::WView(units, size); }
};
FormatName NameOfFormat(uint32_t format);
// Whether content of this format and size may cross (the direction is not asked here).
bool MayCross(const VlState& vl, uint32_t format, uint64_t size);

// The bytes of formats are in files beside the session.
nt::NtStatus WriteClipFile(const VlState& vl, uint64_t number, const void* user, uint64_t size);
// The bytes of a format, wherever they are; `f` has kClipData.
nt::NtStatus ReadClip(const VlState& vl, const view::ClipFormat& f, void* user);
nt::NtStatus ReadClipFile(const VlState& vl, uint64_t number, void* user, uint64_t size);
void RemoveClipFile(const VlState& vl, uint64_t number);

// Brings the state up to date: an owner or opener that died, news on the machine's clipboard. False: no
// session.
Session* RefreshClipboard(const VlState& vl);
// Tells listeners and viewer of a change.
void TellClipboardChange(const VlState& vl, Session* session, const view::ClipTable::Told& told);

// The machine's clipboard (clipboard_machine.cc).
void TakeOverFromMachine(const VlState& vl, Session* session);
bool FetchFromMachine(const VlState& vl, Session* session, uint32_t format);
// `thread` has put something there; what its owner has yet to render is rendered when the thread next waits
// for messages.
void GiveToMachine(const VlState& vl, Session* session);
// Called whenever this thread is about to look for messages.
void ClipboardIdle(const VlState& vl);
extern std::atomic<uint32_t> g_clipboard_idle_thread;  // 0: nothing to do

// Renders what the window owes before it goes. Called before it is destroyed.
void ClipboardWindowGoes(const VlState& vl, nt::Hwnd window);

// The thread that is reading the machine's clipboard: its calls are the system's meanwhile.
extern std::atomic<uint32_t> g_machine_reader;

// Has the format's bytes made by user32 or the owner, if they are not there. The caller has the clipboard
// open.
bool RenderFormat(const VlState& vl, Session* session, uint32_t format);

}  // namespace plume::vl
