// The system functions and facts of a hosted program (CLI, agent, tools), for Inject.
#pragma once
#include <string>
#include <vector>

#include "vl/inject/inject.h"

namespace plume::vl {

// Filled from this process's ntdll on first use; optional functions may be null. Thread-safe.
const nt::Functions& HostedFunctions();
void* HostedNtdll();
bool HostedIsWine();

// \Device\HarddiskVolumeN of every drive letter. The rows point into static storage filled on first use.
std::span<const ParamVolume> HostedVolumes();

// "C:\x" -> "\??\C:\x"; a path that is an NT path already is returned as it is.
std::u16string ToNtPath(const std::u16string& dos);

// An InjectError in words: "this system's ntdll has a stub of unknown shape: NtCreateFile".
std::string DescribeInjectError(const InjectResult& result);

}  // namespace plume::vl
