// Guest program of the clipboard; clipboard.sh runs it bare and in VMs.
//   clipboard_guest api               one program's clipboard, every call: prints what it sees
//   clipboard_guest set FORMAT TEXT   copies; FORMAT: text, ansi, html, own, dib, files, sound
//   clipboard_guest get FORMAT        prints what is there, "(nothing)" if it is not
//   clipboard_guest owe TEXT SECONDS  copies text to be rendered when asked for, and stays
//   clipboard_guest owe-and-end TEXT  the same, and destroys its window at once
//   clipboard_guest hold SECONDS      opens it and stays
//   clipboard_guest listen SECONDS    prints a line for every change it hears of
//   clipboard_guest big MEGABYTES     copies that much in a format of its own
// The second header wants the first.
// clang-format off
#include <windows.h>
#include <shlobj.h>
// clang-format on

#include <cstdio>
#include <cstring>
#include <string>

namespace {

UINT Own() { return RegisterClipboardFormatW(L"Plume Guest Format"); }
UINT Html() { return RegisterClipboardFormatW(L"HTML Format"); }

void Say(const char* what, long long value) { std::printf("%s: %lld\n", what, value); }

bool Open(HWND window = nullptr) {
  for (int i = 0; i < 60; ++i) {
    if (OpenClipboard(window)) return true;
    Sleep(50);
  }
  return false;
}
HGLOBAL Memory(const std::string& bytes) {
  HGLOBAL memory = GlobalAlloc(GMEM_MOVEABLE, bytes.size());
  std::memcpy(GlobalLock(memory), bytes.data(), bytes.size());
  GlobalUnlock(memory);
  return memory;
}
std::string Bytes(HANDLE handle) {
  if (!handle) return {};
  const auto* at = static_cast<const char*>(GlobalLock(handle));
  std::string out(at ? at : "", at ? GlobalSize(handle) : 0);
  GlobalUnlock(handle);
  return out;
}
std::string Wide(const std::string& text) {
  const std::wstring wide(text.begin(), text.end());
  return std::string(reinterpret_cast<const char*>(wide.c_str()), (wide.size() + 1) * sizeof(wchar_t));
}
std::string Narrow(const std::string& wide) {
  std::string out;
  for (size_t i = 0; i + 1 < wide.size() && (wide[i] || wide[i + 1]); i += 2) out.push_back(wide[i]);
  return out;
}
std::string Dib(const std::string& text) {
  BITMAPINFOHEADER h{};
  h.biSize = sizeof(h);
  h.biWidth = static_cast<LONG>((text.size() + 3) / 4);
  h.biHeight = 1;
  h.biPlanes = 1;
  h.biBitCount = 32;
  std::string out(reinterpret_cast<const char*>(&h), sizeof(h));
  out += text;
  out.resize(sizeof(h) + static_cast<size_t>(h.biWidth) * 4);
  return out;
}
std::string Files(const std::string& text) {
  DROPFILES drop{};
  drop.pFiles = sizeof(drop);
  drop.fWide = TRUE;
  return std::string(reinterpret_cast<const char*>(&drop), sizeof(drop)) + Wide("C:\\" + text) +
         std::string(2, '\0');
}
UINT Format(const std::string& name) {
  if (name == "text") return CF_UNICODETEXT;
  if (name == "ansi") return CF_TEXT;
  if (name == "html") return Html();
  if (name == "dib") return CF_DIB;
  if (name == "files") return CF_HDROP;
  if (name == "sound") return CF_WAVE;
  return Own();
}
std::string Encode(const std::string& name, const std::string& text) {
  if (name == "text") return Wide(text);
  if (name == "ansi") return text + '\0';
  if (name == "dib") return Dib(text);
  return name == "files" ? Files(text) : text;
}
std::string Decode(const std::string& name, const std::string& bytes) {
  if (name == "text") return Narrow(bytes);
  if (name == "dib" && bytes.size() > sizeof(BITMAPINFOHEADER))
    return bytes.c_str() + sizeof(BITMAPINFOHEADER);
  if (name == "files" && bytes.size() > sizeof(DROPFILES)) return Narrow(bytes.substr(sizeof(DROPFILES)));
  return std::string(bytes.c_str(), strnlen(bytes.c_str(), bytes.size()));
}

int Set(const std::string& name, const std::string& text) {
  if (!Open()) return 3;
  EmptyClipboard();
  const bool done = SetClipboardData(Format(name), Memory(Encode(name, text)));
  CloseClipboard();
  return done ? 0 : 1;
}
int Get(const std::string& name) {
  if (!Open()) return 3;
  const std::string bytes = Bytes(GetClipboardData(Format(name)));
  CloseClipboard();
  std::printf("%s\n", bytes.empty() ? "(nothing)" : Decode(name, bytes).c_str());
  return 0;
}

std::string g_owed;
std::string g_events;
LRESULT CALLBACK Procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
  switch (message) {
    case WM_RENDERFORMAT:
      g_events += " render" + std::to_string(wparam);
      SetClipboardData(static_cast<UINT>(wparam), Memory(Wide(g_owed)));
      return 0;
    case WM_RENDERALLFORMATS:
      g_events += " render-all";
      if (OpenClipboard(window)) {
        if (GetClipboardOwner() == window) SetClipboardData(CF_UNICODETEXT, Memory(Wide(g_owed)));
        CloseClipboard();
      }
      return 0;
    case WM_DESTROYCLIPBOARD:
      g_events += " destroy";
      return 0;
    case WM_DRAWCLIPBOARD:
      g_events += " draw";
      return 0;
    case WM_CLIPBOARDUPDATE:
      g_events += " update";
      return 0;
    default:
      return DefWindowProcW(window, message, wparam, lparam);
  }
}
HWND Make(const wchar_t* name) {
  WNDCLASSW wc{};
  wc.lpfnWndProc = Procedure;
  wc.hInstance = GetModuleHandleW(nullptr);
  wc.lpszClassName = name;
  RegisterClassW(&wc);
  return CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, nullptr, nullptr, wc.hInstance, nullptr);
}
void Pump(DWORD milliseconds) {
  const ULONGLONG end = GetTickCount64() + milliseconds;
  for (;;) {
    MSG m;
    while (PeekMessageW(&m, nullptr, 0, 0, PM_REMOVE)) DispatchMessageW(&m);
    const ULONGLONG now = GetTickCount64();
    if (now >= end) return;
    MsgWaitForMultipleObjectsEx(0, nullptr, static_cast<DWORD>(end - now), QS_ALLINPUT, 0);
  }
}
void Events(const char* what) {
  std::printf("%s:%s\n", what, g_events.empty() ? " nothing" : g_events.c_str());
  g_events.clear();
}

int Owe(const std::string& text, int seconds, bool end) {
  g_owed = text;
  HWND window = Make(L"PlumeOwner");
  if (!Open(window)) return 3;
  EmptyClipboard();
  SetClipboardData(CF_UNICODETEXT, nullptr);
  CloseClipboard();
  std::puts("copied");
  std::fflush(stdout);
  if (end)
    DestroyWindow(window);
  else
    Pump(static_cast<DWORD>(seconds) * 1000);
  Events("heard");
  return 0;
}
int Hold(int seconds) {
  if (!Open(Make(L"PlumeHolder"))) return 3;
  std::puts("open");
  std::fflush(stdout);
  Sleep(static_cast<DWORD>(seconds) * 1000);
  return 0;  // without closing
}
int Listen(int seconds) {
  HWND window = Make(L"PlumeListener");
  if (!AddClipboardFormatListener(window)) return 1;
  std::puts("listening");
  std::fflush(stdout);
  for (int i = 0; i < seconds * 10; ++i) {
    Pump(100);
    if (g_events.empty()) continue;
    Events("heard");
    std::fflush(stdout);
  }
  return 0;
}

std::string Formats() {
  std::string out;
  for (UINT f = EnumClipboardFormats(0); f; f = EnumClipboardFormats(f))
    out += " " + (f >= 0xc000 ? std::string("own") : std::to_string(f));
  return out;
}

int Api() {
  HWND window = Make(L"PlumeApiOwner"), viewer = Make(L"PlumeApiViewer");
  Say("listener", AddClipboardFormatListener(viewer));
  Say("listener again", AddClipboardFormatListener(viewer));
  Say("error", GetLastError());
  Pump(50);
  g_events.clear();
  SetClipboardViewer(viewer);
  Pump(50);
  Events("new viewer");
  Say("viewer", GetClipboardViewer() == viewer);
  Say("data without opening", SetClipboardData(CF_TEXT, Memory("x")) != nullptr);
  Say("error", GetLastError());
  Say("empty without opening", EmptyClipboard());
  Say("error", GetLastError());
  Say("close without opening", CloseClipboard());
  Say("error", GetLastError());
  Say("read without opening", GetClipboardData(CF_TEXT) != nullptr);
  Say("error", GetLastError());
  Say("enumerate without opening", EnumClipboardFormats(0));
  Say("error", GetLastError());
  const DWORD before = GetClipboardSequenceNumber();
  Say("open", OpenClipboard(window));
  Say("open again", OpenClipboard(window));
  Say("open for another window", OpenClipboard(viewer));
  Say("open window", GetOpenClipboardWindow() == window);
  Say("empty", EmptyClipboard());
  Say("owner", GetClipboardOwner() == window);
  Say("count", CountClipboardFormats());
  HGLOBAL memory = Memory(Wide("hello"));
  Say("set", SetClipboardData(CF_UNICODETEXT, memory) == memory);
  Say("own", SetClipboardData(Own(), Memory("mine")) != nullptr);
  std::printf("formats:%s\n", Formats().c_str());
  Say("the same handle", GetClipboardData(CF_UNICODETEXT) == memory);
  Say("close", CloseClipboard());
  Say("changed", GetClipboardSequenceNumber() - before);
  Say("open window", GetOpenClipboardWindow() == nullptr);
  Pump(50);
  Events("heard");
  Say("opened to read", OpenClipboard(nullptr));
  std::printf("formats:%s\n", Formats().c_str());
  Say("count", CountClipboardFormats());
  Say("available", IsClipboardFormatAvailable(CF_TEXT) && !IsClipboardFormatAvailable(CF_BITMAP));
  UINT wanted[3] = {CF_BITMAP, CF_TEXT, CF_UNICODETEXT};
  Say("priority", GetPriorityClipboardFormat(wanted, 3));
  Say("none of these", GetPriorityClipboardFormat(wanted, 1));
  UINT list[32], count = 0;
  Say("updated formats", GetUpdatedClipboardFormats(list, 32, &count));
  Say("their number", count);
  Say("too small", GetUpdatedClipboardFormats(list, 1, &count));
  Say("error", GetLastError());
  std::printf("text: %s\n", Bytes(GetClipboardData(CF_TEXT)).c_str());
  std::printf("OEM text: %s\n", Bytes(GetClipboardData(CF_OEMTEXT)).c_str());
  Say("locale", static_cast<long long>(Bytes(GetClipboardData(CF_LOCALE)).size()));
  Say("again the same", GetClipboardData(CF_TEXT) == GetClipboardData(CF_TEXT));
  Say("not there", GetClipboardData(CF_BITMAP) != nullptr);
  Say("close", CloseClipboard());
  Pump(50);
  Events("reading");
  g_owed = "owed";
  Say("open", OpenClipboard(window));
  EmptyClipboard();
  Events("emptied");
  SetClipboardData(CF_UNICODETEXT, nullptr);
  CloseClipboard();
  Pump(50);
  Events("promised");
  const DWORD promised = GetClipboardSequenceNumber();
  OpenClipboard(nullptr);
  std::printf("rendered: %s\n", Bytes(GetClipboardData(CF_TEXT)).c_str());
  CloseClipboard();
  Pump(50);
  Events("rendering");
  Say("rendering is no change", GetClipboardSequenceNumber() == promised);
  OpenClipboard(window);
  EmptyClipboard();
  SetClipboardData(CF_UNICODETEXT, nullptr);
  CloseClipboard();
  g_events.clear();
  DestroyWindow(window);
  Pump(50);
  Events("owner goes");
  Say("nobody owns it", GetClipboardOwner() == nullptr);
  OpenClipboard(nullptr);
  std::printf("left behind: %s\n", Narrow(Bytes(GetClipboardData(CF_UNICODETEXT))).c_str());
  CloseClipboard();
  Say("viewer leaves", ChangeClipboardChain(viewer, nullptr) || GetClipboardViewer() == nullptr);
  Say("listener leaves", RemoveClipboardFormatListener(viewer));
  Say("listener leaves again", RemoveClipboardFormatListener(viewer));
  Say("error", GetLastError());
  for (int i = 0; i < 40; ++i) {  // bitmaps are the clipboard's once they are there
    OpenClipboard(viewer);
    EmptyClipboard();
    HDC screen = GetDC(nullptr);
    SetClipboardData(CF_BITMAP, CreateCompatibleBitmap(screen, 8, 8));
    ReleaseDC(nullptr, screen);
    CloseClipboard();
  }
  OpenClipboard(nullptr);
  BITMAP bitmap{};
  Say("bitmap", GetObjectW(GetClipboardData(CF_BITMAP), sizeof(bitmap), &bitmap) > 0 && bitmap.bmWidth == 8);
  Say("as DIB", Bytes(GetClipboardData(CF_DIB)).size() > sizeof(BITMAPINFOHEADER));
  CloseClipboard();
  return 0;
}

int Big(int megabytes) {
  if (!Open()) return 3;
  EmptyClipboard();
  SetClipboardData(Own(), Memory(std::string(static_cast<size_t>(megabytes) << 20, 'b')));
  CloseClipboard();
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  auto text = [&](int i) {
    const std::wstring wide = i < argc ? argv[i] : L"";
    return std::string(wide.begin(), wide.end());
  };
  const std::string verb = text(1);
  if (verb == "api") return Api();
  if (verb == "set") return Set(text(2), text(3));
  if (verb == "get") return Get(text(2));
  if (verb == "owe") return Owe(text(2), std::atoi(text(3).c_str()), false);
  if (verb == "owe-and-end") return Owe(text(2), 0, true);
  if (verb == "hold") return Hold(std::atoi(text(2).c_str()));
  if (verb == "listen") return Listen(std::atoi(text(2).c_str()));
  if (verb == "big") return Big(std::atoi(text(2).c_str()));
  std::fprintf(stderr, "usage: clipboard_guest api|set|get|owe|owe-and-end|hold|listen|big\n");
  return 2;
}
