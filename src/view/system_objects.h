// The names of objects that belong to the system: they stay shared with the machine in every VM, because the
// other side is no guest (a service, the desktop, the display driver) or because they are how processes learn
// about the machine. Reviewed per platform; everything that is not listed here is private. Policies can say
// otherwise: their rules come first. docs/nt-compat.md gives the reasons at length and must list every row
// (policy_objects_test).
//
// Read by whoever compiles a view; guests get it as rules.
#pragma once
#include "view/path.h"

namespace plume::view {

enum class Platform : uint8_t { kBoth, kWine, kWindows };

struct SystemObject {
  Platform platform;
  WView pattern;    // as in view/name_rules.h
  const char* why;  // one phrase
};

inline constexpr SystemObject kSystemObjects[] = {
    // The object manager's own directories. What is below them is the system's, or has a space of its own.
    {Platform::kBoth, u"Root\\KernelObjects", "conditions of the machine"},
    {Platform::kBoth, u"Root\\NLS", "tables of languages"},
    {Platform::kBoth, u"Root\\ObjectTypes", "types of objects"},
    {Platform::kBoth, u"Root\\Driver", "drivers"},
    {Platform::kBoth, u"Root\\Sessions", "window stations, themes"},
    {Platform::kBoth, u"Root\\Windows", "window stations, themes"},
    {Platform::kWindows, u"Root\\KnownDlls*", "system libraries"},
    {Platform::kWindows, u"Root\\FileSystem", "drivers"},
    {Platform::kWindows, u"Root\\Security", "the security authority"},
    {Platform::kWindows, u"Root\\ArcName", "boot devices"},
    {Platform::kWindows, u"Root\\Callback", "kernel callbacks"},
    {Platform::kWindows, u"Root\\UMDFCommunicationPorts", "drivers in processes"},
    {Platform::kWindows, u"Root\\LsaAuthenticationPort", "the security authority"},
    {Platform::kWindows, u"Root\\Se*CommandPort", "the security authority"},
    {Platform::kWindows, u"Root\\Sm*ApiPort", "the session manager"},
    {Platform::kWindows, u"Root\\PowerPort", "power management"},
    {Platform::kWindows, u"Root\\PowerMonitorPort", "power management"},
    {Platform::kWindows, u"Root\\ThemeApiPort", "themes"},
    {Platform::kWindows, u"Root\\WindowsErrorReportingServicePort", "error reports"},

    // Wine: what its own processes and its display driver, which are no guests, share with programs.
    {Platform::kWine, u"Local\\display_device_init", "the display driver sets up the display devices"},
    {Platform::kWine, u"Local\\__wine_clipboard_*", "the desktop's clipboard manager"},
    {Platform::kWine, u"Pipe\\wine_plugplay", "plug and play"},

    // Windows: services, the desktop, input methods, themes, audio.
    {Platform::kWindows, u"Global\\__ComCatalogCache__", "COM's catalog"},
    {Platform::kWindows, u"*\\RotHintTable", "COM's table of running objects"},
    {Platform::kWindows, u"*\\ComPlusCOMRegTable", "COM+"},
    {Platform::kWindows, u"*\\SM0:*", "the system libraries' own, named after the process"},
    {Platform::kWindows, u"*\\windows_shell_global_counters", "the shell's counters of changes"},
    {Platform::kWindows, u"Local\\SessionImmersiveColorPreference", "the desktop's colours"},
    {Platform::kWindows, u"*\\NLS_CodePage_*", "tables of languages"},
    {Platform::kWindows, u"Local\\MSCTF.*", "input methods"},
    {Platform::kWindows, u"Local\\CTF.*", "input methods"},
    {Platform::kWindows, u"*\\CicLoadWinStaWinSta0", "input methods"},
    {Platform::kWindows, u"*[CoreUI]*", "the desktop's message bus"},
    {Platform::kWindows, u"*\\CoreMessaging*", "the desktop's message bus"},
    {Platform::kWindows, u"*\\CoreUI*", "the desktop's message bus"},
    {Platform::kWindows, u"*\\Dwm*", "the desktop's compositor"},
    {Platform::kWindows, u"*\\FontCachePort", "the font cache"},
    {Platform::kWindows, u"Local\\mmGlobalPnpInfo", "audio devices"},
    {Platform::kWindows, u"Global\\SvcctrlStartEvent_A3752DX", "the service manager"},
    {Platform::kWindows, u"Global\\SC_AutoStartComplete", "the service manager"},
    {Platform::kWindows, u"Global\\TermSrvReadyEvent", "sessions"},
    {Platform::kWindows, u"Global\\LSA_RPC_SERVER_ACTIVE", "the security authority"},
    {Platform::kWindows, u"Global\\SAM_SERVICE_STARTED", "the security authority"},
    {Platform::kWindows, u"*\\userenv: *", "profiles and group policy"},
    {Platform::kWindows, u"Pipe\\lsass", "the security authority"},
    {Platform::kWindows, u"Pipe\\lsarpc", "the security authority"},
    {Platform::kWindows, u"Pipe\\samr", "the security authority"},
    {Platform::kWindows, u"Pipe\\netlogon", "the security authority"},
    {Platform::kWindows, u"Pipe\\protected_storage", "the security authority"},
    {Platform::kWindows, u"Pipe\\svcctl", "the service manager"},
    {Platform::kWindows, u"Pipe\\ntsvcs", "the service manager"},
    {Platform::kWindows, u"Pipe\\scerpc", "the service manager"},
    {Platform::kWindows, u"Pipe\\eventlog", "the event log"},
    {Platform::kWindows, u"Pipe\\epmapper", "the RPC endpoint mapper"},
    {Platform::kWindows, u"Pipe\\atsvc", "the task scheduler"},
    {Platform::kWindows, u"Pipe\\spoolss", "printing"},
    {Platform::kWindows, u"Pipe\\srvsvc", "the file server"},
    {Platform::kWindows, u"Pipe\\wkssvc", "the network redirector"},
    {Platform::kWindows, u"Pipe\\browser", "the network redirector"},
    {Platform::kWindows, u"Pipe\\trkwks", "link tracking"},
    {Platform::kWindows, u"Pipe\\W32TIME_ALT", "the time service"},
    // Ports: services' well-known ones, and names that the system makes up.
    {Platform::kWindows, u"Port\\LRPC-*",
     "ports whose names RPC makes up; found through the endpoint mapper"},
    {Platform::kWindows, u"Port\\OLE*", "COM objects in other processes; the name is made up"},
    {Platform::kWindows, u"Port\\epmapper", "the RPC endpoint mapper"},
    {Platform::kWindows, u"Port\\actkernel", "COM activation"},
    {Platform::kWindows, u"Port\\umpo", "power management"},
    {Platform::kWindows, u"Port\\ntsvcs", "the service manager"},
    {Platform::kWindows, u"Port\\plugplay", "plug and play"},
    {Platform::kWindows, u"Port\\lsasspirpc", "the security authority"},
    {Platform::kWindows, u"Port\\lsapolicylookup", "the security authority"},
    {Platform::kWindows, u"Port\\lsacap", "the security authority"},
    {Platform::kWindows, u"Port\\LSA*_ENDPOINT", "the security authority"},
    {Platform::kWindows, u"Port\\samss lpc", "the security authority"},
    {Platform::kWindows, u"Port\\protected_storage", "the security authority"},
    {Platform::kWindows, u"Port\\securityevent", "the security authority"},
    {Platform::kWindows, u"Port\\audit", "the security authority"},
    {Platform::kWindows, u"Port\\SidKey Local End Point", "the security authority"},
    {Platform::kWindows, u"Port\\NETLOGON_LRPC", "the security authority"},
    {Platform::kWindows, u"Port\\keysvc", "certificates"},
    {Platform::kWindows, u"Port\\csebpub", "system events"},
    {Platform::kWindows, u"Port\\dabrpc", "system events"},
    {Platform::kWindows, u"Port\\senssvc", "system events"},
    {Platform::kWindows, u"Port\\ubpm*", "system events"},
    {Platform::kWindows, u"Port\\dhcpcsvc*", "network configuration"},
    {Platform::kWindows, u"Port\\DNSResolver", "name resolution"},
    {Platform::kWindows, u"Port\\nlaapi", "network locations"},
    {Platform::kWindows, u"Port\\nlaplg", "network locations"},
    {Platform::kWindows, u"Port\\Teredo*", "network configuration"},
    {Platform::kWindows, u"Port\\wlanrpc", "network configuration"},
    {Platform::kWindows, u"Port\\tapsrvlpc", "telephony"},
    {Platform::kWindows, u"Port\\W32TIME_ALT", "the time service"},
    {Platform::kWindows, u"Port\\eventlog", "the event log"},
    {Platform::kWindows, u"Port\\spoolss", "printing"},
    {Platform::kWindows, u"Port\\trkwks", "link tracking"},
    {Platform::kWindows, u"Port\\IUserProfile2", "profiles and group policy"},
    {Platform::kWindows, u"Port\\WindowsShutdown", "the session manager"},
    {Platform::kWindows, u"Port\\InitShutdown", "the session manager"},
    {Platform::kWindows, u"Port\\WMsgKRpc*", "the session manager"},
    {Platform::kWindows, u"Port\\AudioClientRpc", "audio devices"},
    {Platform::kWindows, u"Port\\Audiosrv", "audio devices"},
    {Platform::kWindows, u"Port\\DeviceSetupManager", "plug and play"},
    {Platform::kWindows, u"Port\\console-*", "consoles"},
    {Platform::kWindows, u"Port\\SPPCTransportEndpoint-*", "licences of the system"},
};

}  // namespace plume::view
