// Dynamic data exchange: conversations are made by broadcast messages and global atoms.

// The library's header wants that of Windows before it.
// clang-format off
#include <windows.h>
#include <dde.h>
#include <ddeml.h>
// clang-format on

#include <cstdio>

#include "windows_testing.h"

namespace plume::conformance {
namespace {

std::vector<std::wstring>& Executed() {
  static std::vector<std::wstring> all;
  return all;
}

struct Names {
  HSZ service, topic, item;
};
DWORD g_server = 0;
Names g_names{};
int g_poked = 0;

HDDEDATA CALLBACK Serve(UINT type, UINT format, HCONV, HSZ, HSZ, HDDEDATA data, ULONG_PTR, ULONG_PTR) {
  switch (type) {
    case XTYP_CONNECT:
      return reinterpret_cast<HDDEDATA>(1);
    case XTYP_REQUEST: {
      const wchar_t text[] = L"answer";
      return DdeCreateDataHandle(g_server, reinterpret_cast<BYTE*>(const_cast<wchar_t*>(text)), sizeof(text),
                                 0, g_names.item, format, 0);
    }
    case XTYP_POKE:
      ++g_poked;
      return reinterpret_cast<HDDEDATA>(DDE_FACK);
    case XTYP_EXECUTE: {
      wchar_t text[100] = L"";
      DdeGetData(data, reinterpret_cast<BYTE*>(text), sizeof(text) - sizeof(wchar_t), 0);
      Executed().push_back(text);
      return reinterpret_cast<HDDEDATA>(DDE_FACK);
    }
    case XTYP_ADVSTART:
      return reinterpret_cast<HDDEDATA>(1);
    default:
      return nullptr;
  }
}
HDDEDATA CALLBACK Ignore(UINT, UINT, HCONV, HSZ, HSZ, HDDEDATA, ULONG_PTR, ULONG_PTR) { return nullptr; }

std::wstring Service(const Context& c) { return c.Name(L"dde"); }

std::string HoldServer(Context& c) {
  if (!g_server && DdeInitializeW(&g_server, Serve, APPCLASS_STANDARD, 0) != DMLERR_NO_ERROR)
    return "no DDEML";
  Executed().clear();
  g_poked = 0;
  g_names.service = DdeCreateStringHandleW(g_server, Service(c).c_str(), CP_WINUNICODE);
  g_names.topic = DdeCreateStringHandleW(g_server, L"topic", CP_WINUNICODE);
  g_names.item = DdeCreateStringHandleW(g_server, L"item", CP_WINUNICODE);
  return DdeNameService(g_server, g_names.service, nullptr, DNS_REGISTER) ? "" : "no service";
}

// Connects and hands the conversation on; null: no server answered.
template <typename F>
Finding Talk(Context& c, F talk) {
  DWORD client = 0;
  if (DdeInitializeW(&client, Ignore, APPCMD_CLIENTONLY, 0) != DMLERR_NO_ERROR)
    return Unsupported("no DDEML");
  HSZ service = DdeCreateStringHandleW(client, Service(c).c_str(), CP_WINUNICODE);
  HSZ topic = DdeCreateStringHandleW(client, L"topic", CP_WINUNICODE);
  HSZ item = DdeCreateStringHandleW(client, L"item", CP_WINUNICODE);
  HCONV conversation = DdeConnect(client, service, topic, nullptr);
  const bool done = conversation && talk(client, conversation, item);
  char text[40];
  std::snprintf(text, sizeof(text), "DDE error %x", DdeGetLastError(client));
  if (conversation) DdeDisconnect(conversation);
  DdeUninitialize(client);
  return done ? Visible() : Isolated(text);
}
HDDEDATA Transact(HCONV conversation, HSZ item, UINT type, const wchar_t* text) {
  return DdeClientTransaction(reinterpret_cast<BYTE*>(const_cast<wchar_t*>(text)),
                              text ? static_cast<DWORD>((wcslen(text) + 1) * sizeof(wchar_t)) : 0,
                              conversation, item, type == XTYP_EXECUTE ? 0 : CF_UNICODETEXT, type, 3000,
                              nullptr);
}

Finding Connect(Context& c) {
  return Talk(c, [](DWORD, HCONV, HSZ) { return true; });
}
Finding Request(Context& c) {
  return Talk(c, [](DWORD, HCONV conversation, HSZ item) {
    HDDEDATA data = Transact(conversation, item, XTYP_REQUEST, nullptr);
    wchar_t text[20] = L"";
    if (data) DdeGetData(data, reinterpret_cast<BYTE*>(text), sizeof(text) - 2, 0);
    return std::wstring(text) == L"answer";
  });
}
Finding Poke(Context& c) {
  return Talk(c, [](DWORD, HCONV conversation, HSZ item) {
    return Transact(conversation, item, XTYP_POKE, L"poked");
  });
}
Finding Execute(Context& c) {
  return Talk(c, [](DWORD, HCONV conversation, HSZ) {
    return Transact(conversation, nullptr, XTYP_EXECUTE, L"[do]");
  });
}
Finding Advise(Context& c) {
  return Talk(c, [](DWORD, HCONV conversation, HSZ item) {
    return Transact(conversation, item, XTYP_ADVSTART, nullptr) != nullptr;
  });
}
Finding WasPoked(Context&) { return g_poked ? Visible() : Isolated(); }
Finding WasExecuted(Context&) {
  return !Executed().empty() && Executed()[0] == L"[do]" ? Visible() : Isolated();
}

CHECK(dde, connect, HoldServer, Connect);
CHECK(dde, request, HoldServer, Request);
CHECK(dde, advise, HoldServer, Advise);
CHECK_OBSERVED(dde, poke, HoldServer, Poke, WasPoked);
CHECK_OBSERVED(dde, execute, HoldServer, Execute, WasExecuted);

// By hand, without the library: the messages themselves.
constexpr char kWhyMachine[] = "the machine's programs reach the windows on its desktop";
#define RAW(name, msg, ...)                                                                               \
  Finding Raw_##name(Context& c) {                                                                        \
    const Given w = ReadGiven(c);                                                                         \
    HWND own = MakeOwnWindow();                                                                           \
    __VA_ARGS__;                                                                                          \
    DestroyWindow(own);                                                                                   \
    return Visible(LastError());                                                                          \
  }                                                                                                       \
  Finding See_##name(Context& c) { return CountSeen(ReadGiven(c).window, msg) ? Visible() : Isolated(); } \
  CHECK_FULL(dde, name, kMachineSees | kDisplay, kWhyMachine, HoldWindow, Raw_##name, See_##name);
RAW(raw_initiate, WM_DDE_INITIATE, SendMessageW(w.window, WM_DDE_INITIATE, reinterpret_cast<WPARAM>(own), 0))
RAW(raw_broadcast, WM_DDE_INITIATE, {
  DWORD_PTR answer;
  SendMessageTimeoutW(HWND_BROADCAST, WM_DDE_INITIATE, reinterpret_cast<WPARAM>(own), 0, SMTO_ABORTIFHUNG,
                      2000, &answer);
})
RAW(raw_terminate, WM_DDE_TERMINATE,
    PostMessageW(w.window, WM_DDE_TERMINATE, reinterpret_cast<WPARAM>(own), 0))
RAW(raw_request, WM_DDE_REQUEST,
    PostMessageW(w.window, WM_DDE_REQUEST, reinterpret_cast<WPARAM>(own), MAKELPARAM(CF_TEXT, 0xc000)))
RAW(raw_execute, WM_DDE_EXECUTE, {
  HGLOBAL text = GlobalAlloc(GMEM_MOVEABLE | GMEM_DDESHARE, 16);
  memcpy(GlobalLock(text), L"[do]", 10);
  GlobalUnlock(text);
  PostMessageW(w.window, WM_DDE_EXECUTE, reinterpret_cast<WPARAM>(own), reinterpret_cast<LPARAM>(text));
})

}  // namespace
}  // namespace plume::conformance
