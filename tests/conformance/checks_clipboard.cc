// The clipboard: every format and way in which one program can learn what another one copied.
#include <ole2.h>
#include <shlobj.h>

#include <cstdio>
#include <functional>

#include "windows_testing.h"

namespace plume::conformance {
namespace {

struct Opened {
  explicit Opened(HWND window = nullptr) {
    for (int i = 0; i < 40 && !(done = OpenClipboard(window)); ++i) Pump(25);
  }
  ~Opened() {
    if (done) CloseClipboard();
  }
  BOOL done = FALSE;
};

HGLOBAL Memory(const void* bytes, size_t size) {
  HGLOBAL memory = GlobalAlloc(GMEM_MOVEABLE, size);
  memcpy(GlobalLock(memory), bytes, size);
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

// A picture of one colour that only this check has.
COLORREF Colour(const Context& c) {
  unsigned hash = 5381;
  for (char x : c.id + c.check) hash = hash * 33 + static_cast<unsigned char>(x);
  return hash & 0xffffff;
}
std::string Dib(const Context& c, DWORD header) {
  std::string out(header + 4, 0);
  BITMAPV5HEADER h{};
  h.bV5Size = header;
  h.bV5Width = h.bV5Height = 1;
  h.bV5Planes = 1;
  h.bV5BitCount = 32;
  h.bV5SizeImage = 4;
  memcpy(out.data(), &h, header);
  const COLORREF colour = Colour(c);
  memcpy(out.data() + header, &colour, 3);
  return out;
}
std::string Files(const Context& c) {
  DROPFILES drop{};
  drop.pFiles = sizeof(drop);
  drop.fWide = TRUE;
  std::string out(reinterpret_cast<const char*>(&drop), sizeof(drop));
  const std::wstring path = L"C:\\" + c.Name(L"file") + std::wstring(2, L'\0');
  return out.append(reinterpret_cast<const char*>(path.c_str()), path.size() * sizeof(wchar_t));
}
HENHMETAFILE Metafile(const Context& c) {
  HDC dc = CreateEnhMetaFileW(nullptr, nullptr, nullptr, c.Name(L"picture").c_str());
  Rectangle(dc, 0, 0, 10, 10);
  return CloseEnhMetaFile(dc);
}
std::wstring Description(HENHMETAFILE file) {
  wchar_t text[300] = L"";
  if (file) GetEnhMetaFileDescriptionW(file, 300, text);
  return text;
}
std::wstring Text(const Context& c) { return c.Name(L"text"); }
UINT Own(const Context& c) { return RegisterClipboardFormatW((L"PlumeConf " + c.Name(L"format")).c_str()); }
UINT Named(const wchar_t* name) { return RegisterClipboardFormatW(name); }

std::string Copy(const std::function<void()>& put, HWND window = nullptr) {
  Opened open(window);
  if (!open.done) return "not opened: " + LastError();
  if (!EmptyClipboard()) return "not emptied: " + LastError();
  put();
  return {};
}
void PutText(const Context& c) {
  const std::wstring text = Text(c);
  SetClipboardData(CF_UNICODETEXT, Memory(text.c_str(), (text.size() + 1) * sizeof(wchar_t)));
}
std::string HoldText(Context& c) {
  return Copy([&] { PutText(c); });
}
template <typename F>
Finding Look(F look) {
  Opened open;
  if (!open.done) return Isolated("not opened: " + LastError());
  SetLastError(0);
  return look() ? Visible() : Isolated(LastError());
}

#define FORMAT(name, put, ...)                \
  std::string Hold_##name(Context& c) {       \
    return Copy([&] { put; });                \
  }                                           \
  Finding Look_##name(Context& c) {           \
    return Look([&] { return __VA_ARGS__; }); \
  }                                           \
  CHECK(clipboard, name, Hold_##name, Look_##name);

void PutBytes(UINT format, const std::string& bytes) {
  SetClipboardData(format, Memory(bytes.data(), bytes.size()));
}
bool Starts(const std::string& all, const std::string& begin) {
  return all.compare(0, begin.size(), begin) == 0;
}
std::wstring ReadText() {
  return std::wstring(reinterpret_cast<const wchar_t*>(Bytes(GetClipboardData(CF_UNICODETEXT)).c_str()));
}
COLORREF BitmapColour(HANDLE bitmap) {
  HDC dc = CreateCompatibleDC(nullptr);
  HGDIOBJ old = SelectObject(dc, bitmap);
  const COLORREF colour = old ? GetPixel(dc, 0, 0) : CLR_INVALID;
  if (old) SelectObject(dc, old);
  DeleteDC(dc);
  return colour;
}
COLORREF Swapped(COLORREF c) { return RGB(GetBValue(c), GetGValue(c), GetRValue(c)); }
HBITMAP Bitmap(const Context& c) {
  HDC screen = GetDC(nullptr), dc = CreateCompatibleDC(screen);
  HBITMAP bitmap = CreateCompatibleBitmap(screen, 2, 2);
  HGDIOBJ old = SelectObject(dc, bitmap);
  SetPixel(dc, 0, 0, Colour(c));
  SelectObject(dc, old);
  DeleteDC(dc);
  ReleaseDC(nullptr, screen);
  return bitmap;
}
HANDLE OldMetafile() {
  HDC dc = CreateMetaFileW(nullptr);
  Rectangle(dc, 0, 0, 5, 5);
  const METAFILEPICT picture{MM_ANISOTROPIC, 7001, 7002, CloseMetaFile(dc)};
  return Memory(&picture, sizeof(picture));
}
bool IsOldMetafile(HANDLE handle) {
  const std::string bytes = Bytes(handle);
  return bytes.size() >= sizeof(METAFILEPICT) &&
         reinterpret_cast<const METAFILEPICT*>(bytes.data())->xExt == 7001;
}

FORMAT(unicode_text, PutText(c), ReadText() == Text(c))
FORMAT(ansi_text, PutBytes(CF_TEXT, Narrow(Text(c)) + '\0'),
       Starts(Bytes(GetClipboardData(CF_TEXT)), Narrow(Text(c))))
FORMAT(oem_text, PutBytes(CF_OEMTEXT, Narrow(Text(c)) + '\0'),
       Starts(Bytes(GetClipboardData(CF_OEMTEXT)), Narrow(Text(c))))
FORMAT(unicode_as_ansi, PutText(c), Starts(Bytes(GetClipboardData(CF_TEXT)), Narrow(Text(c))))
FORMAT(unicode_as_oem, PutText(c), Starts(Bytes(GetClipboardData(CF_OEMTEXT)), Narrow(Text(c))))
FORMAT(ansi_as_unicode, PutBytes(CF_TEXT, Narrow(Text(c)) + '\0'), ReadText() == Text(c))
FORMAT(locale, PutText(c); PutBytes(CF_LOCALE, std::string("\x07\x04\0\0", 4)),
                           Starts(Bytes(GetClipboardData(CF_LOCALE)), "\x07\x04"))
FORMAT(dib, PutBytes(CF_DIB, Dib(c, sizeof(BITMAPINFOHEADER))),
       Starts(Bytes(GetClipboardData(CF_DIB)), Dib(c, sizeof(BITMAPINFOHEADER))))
FORMAT(dib_v5, PutBytes(CF_DIBV5, Dib(c, sizeof(BITMAPV5HEADER))),
       Starts(Bytes(GetClipboardData(CF_DIBV5)), Dib(c, sizeof(BITMAPV5HEADER))))
FORMAT(dib_as_bitmap, PutBytes(CF_DIB, Dib(c, sizeof(BITMAPINFOHEADER))),
       BitmapColour(GetClipboardData(CF_BITMAP)) == Swapped(Colour(c)))
FORMAT(bitmap, SetClipboardData(CF_BITMAP, Bitmap(c)), BitmapColour(GetClipboardData(CF_BITMAP)) == Colour(c))
FORMAT(bitmap_as_dib, SetClipboardData(CF_BITMAP, Bitmap(c)),
       Bytes(GetClipboardData(CF_DIB)).size() > sizeof(BITMAPINFOHEADER))
FORMAT(tiff, PutBytes(CF_TIFF, "II*" + c.id), Starts(Bytes(GetClipboardData(CF_TIFF)), "II*" + c.id))
FORMAT(wave, PutBytes(CF_WAVE, "RIFF" + c.id), Starts(Bytes(GetClipboardData(CF_WAVE)), "RIFF" + c.id))
FORMAT(riff, PutBytes(CF_RIFF, "RIFF" + c.id), Starts(Bytes(GetClipboardData(CF_RIFF)), "RIFF" + c.id))
FORMAT(sylk, PutBytes(CF_SYLK, "ID;P" + c.id), Starts(Bytes(GetClipboardData(CF_SYLK)), "ID;P" + c.id))
FORMAT(dif, PutBytes(CF_DIF, "TABLE" + c.id), Starts(Bytes(GetClipboardData(CF_DIF)), "TABLE" + c.id))
FORMAT(enhanced_metafile, SetClipboardData(CF_ENHMETAFILE, Metafile(c)),
       Description(static_cast<HENHMETAFILE>(GetClipboardData(CF_ENHMETAFILE))) == c.Name(L"picture"))
FORMAT(old_metafile, SetClipboardData(CF_METAFILEPICT, OldMetafile()),
       IsOldMetafile(GetClipboardData(CF_METAFILEPICT)))
FORMAT(old_as_enhanced, SetClipboardData(CF_METAFILEPICT, OldMetafile()),
       GetClipboardData(CF_ENHMETAFILE) != nullptr)
FORMAT(files, PutBytes(CF_HDROP, Files(c)), Starts(Bytes(GetClipboardData(CF_HDROP)), Files(c)))
FORMAT(html, PutBytes(Named(L"HTML Format"), "<b>" + c.id),
       Starts(Bytes(GetClipboardData(Named(L"HTML Format"))), "<b>" + c.id))
FORMAT(rtf, PutBytes(Named(L"Rich Text Format"), "{\\rtf" + c.id),
       Starts(Bytes(GetClipboardData(Named(L"Rich Text Format"))), "{\\rtf" + c.id))
FORMAT(png, PutBytes(Named(L"PNG"), "\x89PNG" + c.id),
       Starts(Bytes(GetClipboardData(Named(L"PNG"))), "\x89PNG" + c.id))
FORMAT(file_name, PutBytes(Named(L"FileNameW"), c.id),
       Starts(Bytes(GetClipboardData(Named(L"FileNameW"))), c.id))
FORMAT(registered, PutBytes(Own(c), c.id + "x"), Starts(Bytes(GetClipboardData(Own(c))), c.id + "x"))
FORMAT(private_first, PutBytes(CF_PRIVATEFIRST + 3, c.id),
       Starts(Bytes(GetClipboardData(CF_PRIVATEFIRST + 3)), c.id))
FORMAT(display_text, PutBytes(CF_DSPTEXT, c.id + '\0'), Starts(Bytes(GetClipboardData(CF_DSPTEXT)), c.id))
FORMAT(gdi_object, PutBytes(CF_GDIOBJFIRST + 2, c.id),
       Starts(Bytes(GetClipboardData(CF_GDIOBJFIRST + 2)), c.id))
FORMAT(large, PutBytes(Own(c), std::string(5 << 20, 'L') + c.id),
       Bytes(GetClipboardData(Own(c))).size() >= (5u << 20))
FORMAT(several_text, PutText(c); PutBytes(Own(c), c.id); PutBytes(CF_DIB, Dib(c, 40)), ReadText() == Text(c))
FORMAT(several_own, PutText(c); PutBytes(Own(c), c.id);
       PutBytes(CF_DIB, Dib(c, 40)), Starts(Bytes(GetClipboardData(Own(c))), c.id))
FORMAT(several_dib, PutText(c); PutBytes(Own(c), c.id);
       PutBytes(CF_DIB, Dib(c, 40)), Starts(Bytes(GetClipboardData(CF_DIB)), Dib(c, 40)))
FORMAT(replaced, PutBytes(Own(c), "old");
       PutBytes(Own(c), "new" + c.id), Starts(Bytes(GetClipboardData(Own(c))), "new" + c.id))
FORMAT(enumerated, PutBytes(Own(c), c.id), [&] {
  for (UINT f = EnumClipboardFormats(0); f; f = EnumClipboardFormats(f))
    if (f == Own(c)) return true;
  return false;
}())
FORMAT(priority, PutBytes(Own(c), c.id), [&] {
  UINT list[2] = {CF_PRIVATELAST, Own(c)};
  return GetPriorityClipboardFormat(list, 2) == static_cast<int>(Own(c));
}())
FORMAT(available, PutBytes(Own(c), c.id), IsClipboardFormatAvailable(Own(c)))
FORMAT(updated_formats, PutBytes(Own(c), c.id), [&] {
  UINT list[100], count = 0;
  if (!GetUpdatedClipboardFormats(list, 100, &count)) return false;
  for (UINT i = 0; i < count; ++i)
    if (list[i] == Own(c)) return true;
  return false;
}())

// Rendered when asked for, by the owner's window.
template <UINT kFormat>
LRESULT CALLBACK Render(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
  static std::string text;
  if (message == WM_SETTEXT) {
    const std::wstring wide(reinterpret_cast<const wchar_t*>(lparam));
    text = kFormat == CF_UNICODETEXT
               ? std::string(reinterpret_cast<const char*>(wide.c_str()), (wide.size() + 1) * sizeof(wchar_t))
               : Narrow(wide);
    return TRUE;
  }
  if (message == WM_RENDERFORMAT) {
    PutBytes(static_cast<UINT>(wparam), text);
    return 0;
  }
  if (message == WM_RENDERALLFORMATS) {
    if (OpenClipboard(window)) {
      for (UINT f = EnumClipboardFormats(0); f; f = EnumClipboardFormats(f)) {
        if (f == CF_UNICODETEXT || f >= 0xc000) {
          PutBytes(f, text);
          break;
        }
      }
      CloseClipboard();
    }
    return 0;
  }
  return DefWindowProcW(window, message, wparam, lparam);
}
template <UINT kFormat>
HWND Owner(const Context& c) {
  WNDCLASSW wc{};
  wc.lpfnWndProc = Render<kFormat>;
  wc.hInstance = GetModuleHandleW(nullptr);
  const std::wstring name = c.Name(L"owner");
  wc.lpszClassName = name.c_str();
  RegisterClassW(&wc);
  HWND window = CreateWindowExW(0, name.c_str(), L"", 0, 0, 0, 0, 0, nullptr, nullptr, wc.hInstance, nullptr);
  SetWindowTextW(window, Text(c).c_str());
  return window;
}
std::string HoldDelayed(Context& c) {
  return Copy([] { SetClipboardData(CF_UNICODETEXT, nullptr); }, Owner<CF_UNICODETEXT>(c));
}
std::string HoldDelayedOwn(Context& c) {
  return Copy([&] { SetClipboardData(Own(c), nullptr); }, Owner<0>(c));
}
std::string HoldDelayedGone(Context& c) {
  HWND owner = Owner<CF_UNICODETEXT>(c);
  const std::string bad = Copy([] { SetClipboardData(CF_UNICODETEXT, nullptr); }, owner);
  DestroyWindow(owner);
  return bad;
}
Finding LookText(Context& c) {
  return Look([&] { return ReadText() == Text(c); });
}
Finding LookAnsi(Context& c) {
  return Look([&] { return Starts(Bytes(GetClipboardData(CF_TEXT)), Narrow(Text(c))); });
}
Finding LookOwn(Context& c) {
  return Look([&] { return Starts(Bytes(GetClipboardData(Own(c))), Narrow(Text(c))); });
}
CHECK(clipboard, delayed_text, HoldDelayed, LookText);
CHECK(clipboard, delayed_as_ansi, HoldDelayed, LookAnsi);
CHECK(clipboard, delayed_registered, HoldDelayedOwn, LookOwn);
CHECK(clipboard, rendered_at_the_end, HoldDelayedGone, LookText);

// Who owns it, how often it changed.
std::string HoldOwner(Context& c) {
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  return Copy([&] { PutText(c); }, ReadGiven(c).window);
}
Finding SeesOwner(Context& c) { return GetClipboardOwner() == ReadGiven(c).window ? Visible() : Isolated(); }
CHECK_WITH(clipboard, owner, kDisplay, "", HoldOwner, SeesOwner);

std::string HoldOpen(Context& c) {
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  return OpenClipboard(ReadGiven(c).window) ? "" : "not opened: " + LastError();
}
Finding SeesOpenWindow(Context& c) {
  return GetOpenClipboardWindow() == ReadGiven(c).window ? Visible() : Isolated();
}
Finding CannotOpen(Context&) {
  const BOOL done = OpenClipboard(MakeOwnWindow());
  if (done) CloseClipboard();
  return done ? Isolated() : Visible(LastError());
}
CHECK_WITH(
    clipboard, open_window, kDisplay, "",
    [](Context& c) {
      CloseClipboard();
      return HoldOpen(c);
    },
    SeesOpenWindow);
CHECK_WITH(
    clipboard, held_open, kDisplay, "",
    [](Context& c) {
      CloseClipboard();
      return HoldOpen(c);
    },
    CannotOpen);

// The prober changes it; the holder notices.
std::string HoldSequence(Context& c) {
  CloseClipboard();
  const std::string bad = HoldText(c);
  c.data = reinterpret_cast<void*>(static_cast<ULONG_PTR>(GetClipboardSequenceNumber()));
  c.Give("");
  return bad;
}
Finding ReplaceIt(Context& c) {
  const std::string bad = Copy([&] { PutBytes(CF_TEXT, "replaced"); });
  return bad.empty() ? Visible() : Isolated(bad);
}
Finding EmptyIt(Context& c) {
  const std::string bad = Copy([] {});
  return bad.empty() ? Visible() : Isolated(bad);
}
Finding NumberMoved(Context& c) {
  return GetClipboardSequenceNumber() != static_cast<DWORD>(reinterpret_cast<ULONG_PTR>(c.data)) ? Visible()
                                                                                                 : Isolated();
}
Finding TextGone(Context& c) {
  const Finding f = LookText(c);
  return f.reach == Reach::kVisible ? Isolated() : Visible(f.detail);
}
CHECK_OBSERVED(clipboard, sequence_number, HoldSequence, ReplaceIt, NumberMoved);
CHECK_OBSERVED(clipboard, replace, HoldSequence, ReplaceIt, TextGone);
CHECK_OBSERVED(clipboard, empty, HoldSequence, EmptyIt, TextGone);

std::string HoldListener(Context& c) {
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  if (!AddClipboardFormatListener(ReadGiven(c).window)) return "no listener: " + LastError();
  MessagesSeen().clear();
  return {};
}
Finding Heard(Context& c) {
  return CountSeen(ReadGiven(c).window, WM_CLIPBOARDUPDATE) ? Visible() : Isolated();
}
CHECK_FULL(clipboard, listener, kDisplay, "", HoldListener, ReplaceIt, Heard);

HWND g_viewer = nullptr;
int g_drawn = 0;
std::string HoldViewer(Context&) {
  if (!g_viewer) {
    WNDCLASSW wc{};
    wc.lpfnWndProc = [](HWND window, UINT message, WPARAM wparam, LPARAM lparam) -> LRESULT {
      if (message == WM_DRAWCLIPBOARD) ++g_drawn;
      return DefWindowProcW(window, message, wparam, lparam);
    };
    wc.hInstance = GetModuleHandleW(nullptr);
    wc.lpszClassName = L"PlumeConfViewer";
    RegisterClassW(&wc);
    g_viewer =
        CreateWindowExW(0, L"PlumeConfViewer", L"", 0, 0, 0, 0, 0, nullptr, nullptr, wc.hInstance, nullptr);
  }
  SetClipboardViewer(g_viewer);
  Pump(50);
  g_drawn = 0;
  return g_viewer ? "" : "no window";
}
Finding Drawn(Context&) {
  ChangeClipboardChain(g_viewer, nullptr);
  return g_drawn ? Visible() : Isolated();
}
CHECK_OBSERVED(clipboard, viewer, HoldViewer, ReplaceIt, Drawn);
std::string HoldViewerName(Context& c) {
  const std::string bad = HoldViewer(c);
  char text[40];
  std::snprintf(text, sizeof(text), "%p", static_cast<void*>(g_viewer));
  c.Give(text);
  return bad;
}
Finding SeesViewer(Context& c) {
  void* viewer = nullptr;
  std::sscanf(c.given.c_str(), "%p", &viewer);
  return GetClipboardViewer() == viewer ? Visible() : Isolated();
}
CHECK(clipboard, viewer_window, HoldViewerName, SeesViewer);

// OLE's way.
Finding OleReads(Context& c) {
  OleInitialize(nullptr);
  IDataObject* data = nullptr;
  std::wstring text;
  if (OleGetClipboard(&data) == S_OK) {
    FORMATETC format{CF_UNICODETEXT, nullptr, DVASPECT_CONTENT, -1, TYMED_HGLOBAL};
    STGMEDIUM medium{};
    if (data->GetData(&format, &medium) == S_OK) {
      text = reinterpret_cast<const wchar_t*>(GlobalLock(medium.hGlobal));
      GlobalUnlock(medium.hGlobal);
      ReleaseStgMedium(&medium);
    }
    data->Release();
  }
  OleUninitialize();
  return text == Text(c) ? Visible() : Isolated();
}
CHECK(clipboard, ole, HoldText, OleReads);

}  // namespace
}  // namespace plume::conformance
