// A custom action DLL of the installer tests: an immediate action hands data to a deferred one, which writes a file and a key.
#include <windows.h>

#include <msi.h>
#include <msiquery.h>
#include <stdio.h>

UINT WINAPI Prepare(MSIHANDLE session) {
  WCHAR folder[MAX_PATH];
  DWORD size = MAX_PATH;
  const UINT error = MsiGetPropertyW(session, L"INSTALLDIR", folder, &size);
  if (error) return error;
  return MsiSetPropertyW(session, L"Perform", folder);
}

UINT WINAPI Perform(MSIHANDLE session) {
  WCHAR folder[MAX_PATH], file[MAX_PATH + 16];
  DWORD size = MAX_PATH, done;
  if (MsiGetPropertyW(session, L"CustomActionData", folder, &size) || size == 0) return ERROR_INSTALL_FAILURE;
  swprintf(file, MAX_PATH + 16, L"%lsaction.txt", folder);
  HANDLE h = CreateFileW(file, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  if (h == INVALID_HANDLE_VALUE) return ERROR_INSTALL_FAILURE;
  WriteFile(h, "performed\r\n", 11, &done, NULL);
  CloseHandle(h);
  HKEY key;
  if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, L"Software\\PlumeAction", 0, NULL, 0, KEY_WRITE, NULL, &key, NULL))
    return ERROR_INSTALL_FAILURE;
  RegSetValueExW(key, L"Folder", 0, REG_SZ, (const BYTE*)folder, (size + 1) * sizeof(WCHAR));
  RegCloseKey(key);
  return ERROR_SUCCESS;
}
