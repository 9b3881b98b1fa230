// Devices and the machine itself: closed in every VM. The devices are ones that test_isolation.sh gives the
// machine.
// clang-format off
#include "process_victim.h"
#include <winioctl.h>
#include <winternl.h>
// clang-format on

namespace plume::conformance {
namespace {

constexpr char kClosed[] = "closed in every VM unless a rule opens it";
#define CHECK_CLOSED(name, probe) CHECK_WITH(device, name, kClosedInside, kClosed, HoldNothing, probe)

std::string HoldNothing(Context&) { return {}; }

UNICODE_STRING Unicode(const wchar_t* text) {
  const auto bytes = static_cast<USHORT>(std::wcslen(text) * 2);
  return {bytes, static_cast<USHORT>(bytes + 2), const_cast<wchar_t*>(text)};
}

Finding OpenNt(const wchar_t* name, ACCESS_MASK access, HANDLE root = nullptr) {
  UNICODE_STRING text = Unicode(name);
  OBJECT_ATTRIBUTES object{};
  InitializeObjectAttributes(&object, &text, OBJ_CASE_INSENSITIVE, root, nullptr);
  HANDLE handle = nullptr;
  IO_STATUS_BLOCK io;
  const NTSTATUS s =
      NtOpenFile(&handle, access | SYNCHRONIZE, &object, &io,
                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_SYNCHRONOUS_IO_NONALERT);
  const Owned close(handle);
  return s >= 0 ? Visible() : Isolated(Hex(static_cast<unsigned long>(s)));
}
Finding OpenWin32(const wchar_t* name, DWORD access) {
  const Owned h(
      CreateFileW(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr));
  return Done(h.get() != INVALID_HANDLE_VALUE);
}

Finding VolumeRead(Context&) { return OpenNt(L"\\??\\C:", GENERIC_READ); }
Finding VolumeWrite(Context&) { return OpenNt(L"\\??\\C:", GENERIC_WRITE); }
Finding VolumeMaximum(Context&) { return OpenNt(L"\\??\\C:", MAXIMUM_ALLOWED | FILE_READ_DATA); }
Finding VolumeWin32(Context&) { return OpenWin32(L"\\\\.\\C:", GENERIC_READ); }
Finding VolumeDosDevices(Context&) { return OpenNt(L"\\DosDevices\\c:", GENERIC_READ); }
CHECK_CLOSED(volume_read, VolumeRead);
CHECK_CLOSED(volume_write, VolumeWrite);
CHECK_CLOSED(volume_maximum, VolumeMaximum);
CHECK_CLOSED(volume_win32, VolumeWin32);
CHECK_CLOSED(volume_dosdevices, VolumeDosDevices);

Finding VolumeBytes(Context&) {
  const Owned h(CreateFileW(L"\\\\.\\C:", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                            OPEN_EXISTING, 0, nullptr));
  char sector[512];
  DWORD n = 0;
  return Done(h.get() != INVALID_HANDLE_VALUE && ReadFile(h.get(), sector, sizeof(sector), &n, nullptr));
}
CHECK_CLOSED(volume_bytes, VolumeBytes);

Finding SerialNt(Context&) { return OpenNt(L"\\??\\COM1", GENERIC_READ); }
Finding SerialWin32(Context&) { return OpenWin32(L"COM1", GENERIC_READ); }
Finding SerialLong(Context&) { return OpenWin32(L"\\\\.\\COM1", GENERIC_WRITE); }
Finding SerialAsking(Context&) { return OpenWin32(L"\\\\.\\COM1", 0); }
Finding SerialDosDevices(Context&) { return OpenNt(L"\\DosDevices\\com1", GENERIC_READ); }
Finding Parallel(Context&) { return OpenWin32(L"\\\\.\\LPT1", GENERIC_WRITE); }
CHECK_CLOSED(serial_port_nt, SerialNt);
CHECK_CLOSED(serial_port, SerialWin32);
CHECK_CLOSED(serial_port_write, SerialLong);
CHECK_CLOSED(serial_port_asking, SerialAsking);
CHECK_CLOSED(serial_port_dosdevices, SerialDosDevices);
CHECK_CLOSED(parallel_port, Parallel);

Finding SerialAttributes(Context&) {
  UNICODE_STRING text = Unicode(L"\\??\\COM1");
  OBJECT_ATTRIBUTES object{};
  InitializeObjectAttributes(&object, &text, OBJ_CASE_INSENSITIVE, nullptr, nullptr);
  struct {
    LARGE_INTEGER times[4];
    ULONG attributes;
  } basic;
  const auto query = FromNtdll<NTSTATUS(NTAPI*)(OBJECT_ATTRIBUTES*, void*)>("NtQueryAttributesFile");
  const NTSTATUS s = query(&object, &basic);
  // Wine finds the device and does not know what to say of it.
  constexpr NTSTATUS kInvalidInfoClass = static_cast<NTSTATUS>(0xC0000003);
  return s >= 0 || s == kInvalidInfoClass ? Visible() : Isolated(Hex(static_cast<unsigned long>(s)));
}
CHECK_CLOSED(serial_port_attributes, SerialAttributes);

Finding MountPoints(Context&) {
  // Changing a mount point: refused before the manager looks at the (empty) request.
  const Owned h(CreateFileW(L"\\\\.\\MountPointManager", GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr));
  BYTE in[32] = {}, out[512];
  DWORD n;
  if (h.get() == INVALID_HANDLE_VALUE) return Isolated(LastError());
  SetLastError(0);
  DeviceIoControl(h.get(), CTL_CODE('m', 1, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS), in,
                  sizeof(in), out, sizeof(out), &n, nullptr);
  return Done(GetLastError() != ERROR_ACCESS_DENIED);
}
CHECK_CLOSED(mount_points, MountPoints);

Finding LoadDriver(Context&) {
  // A driver that is not there: not found, or no right even to look for it.
  UNICODE_STRING text =
      Unicode(L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\PlumeConfNoDriver");
  const auto load = FromNtdll<NTSTATUS(NTAPI*)(UNICODE_STRING*)>("NtLoadDriver");
  const NTSTATUS s = load(&text);
  return s != static_cast<NTSTATUS>(0xC0000061) ? Visible(Hex(static_cast<unsigned long>(s))) : Isolated();
}
CHECK_CLOSED(load_driver, LoadDriver);

Finding UnloadDriver(Context&) {
  UNICODE_STRING text =
      Unicode(L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\PlumeConfNoDriver");
  const auto unload = FromNtdll<NTSTATUS(NTAPI*)(UNICODE_STRING*)>("NtUnloadDriver");
  const NTSTATUS s = unload(&text);
  return s != static_cast<NTSTATUS>(0xC0000061) ? Visible(Hex(static_cast<unsigned long>(s))) : Isolated();
}
CHECK_CLOSED(unload_driver, UnloadDriver);

Finding Clock(Context&) {
  LARGE_INTEGER now;
  GetSystemTimeAsFileTime(reinterpret_cast<FILETIME*>(&now));
  const auto set = FromNtdll<NTSTATUS(NTAPI*)(LARGE_INTEGER*, LARGE_INTEGER*)>("NtSetSystemTime");
  const NTSTATUS s = set(&now, nullptr);
  return s >= 0 ? Visible() : Isolated(Hex(static_cast<unsigned long>(s)));
}
CHECK_CLOSED(clock, Clock);

// What every program needs stays open, everywhere.
constexpr char kNeeded[] = "programs need it";
#define CHECK_OPEN(name, probe) CHECK_WITH(device, name, kShared, kNeeded, HoldNothing, probe)
Finding Null(Context&) { return OpenWin32(L"NUL", GENERIC_WRITE); }
Finding Sockets(Context&) { return OpenNt(L"\\Device\\Afd", GENERIC_READ | GENERIC_WRITE); }
Finding DriveLetters(Context&) {
  wchar_t name[128];
  return Done(GetVolumeNameForVolumeMountPointW(L"C:\\", name, 128));
}
Finding VolumeFacts(Context&) {
  DWORD serial = 0;
  return Done(GetVolumeInformationW(L"C:\\", nullptr, 0, &serial, nullptr, nullptr, nullptr, 0));
}
Finding FreeSpace(Context&) {
  ULARGE_INTEGER free;
  return Done(GetDiskFreeSpaceExW(L"C:\\", &free, nullptr, nullptr));
}
Finding VolumeAsked(Context&) { return OpenWin32(L"\\\\.\\C:", 0); }
CHECK_OPEN(null_device, Null);
CHECK_OPEN(sockets, Sockets);
CHECK_OPEN(drive_letters, DriveLetters);
CHECK_OPEN(volume_facts, VolumeFacts);
CHECK_OPEN(free_space, FreeSpace);
CHECK_OPEN(volume_asking, VolumeAsked);

}  // namespace
}  // namespace plume::conformance
