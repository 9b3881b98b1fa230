// What the verbs of file_guest.exe share.
#pragma once
// clang-format off
#include <windows.h>
// clang-format on
#include <winternl.h>

#include <string>

#include "file_ops_nt.h"

namespace plume::differential {

std::string Narrow(const std::wstring& w);
void Put(const char* what, long value);
void Put(const char* what, const std::wstring& value);
bool WriteText(const wchar_t* path, const char* text);
std::string ReadText(const wchar_t* path);
// NtCreateFile, synchronous.
NTSTATUS Open(HANDLE* file, const wchar_t* name, HANDLE root, ACCESS_MASK access, ULONG disposition,
              ULONG options);

// file_spellings.cc
int Unix(const std::wstring& folder);
int Spellings(const std::wstring& folder);

// file_claim.cc
int Claim(const std::wstring& folder, int count, unsigned long long second);
int Keep();

}  // namespace plume::differential
