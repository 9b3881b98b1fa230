// Processes: creation attributes, environment block, parameters. Only 64-bit and 32-bit layouts of the
// calling program's own width are declared; layouts of the other width are offsets (see inject/).
#pragma once
#include "vl/nt/nt.h"

namespace plume::nt {

enum ProcessInformationClass : Ulong {
  kProcessBasicInformation = 0,
  kProcessSessionInformation = 24,
  kProcessWow64Information = 26,
  kProcessImageFileName = 27,       // a UnicodeString (\Device\... form) followed by its text
  kProcessImageFileNameWin32 = 43,  // the same in Win32 form
};
inline constexpr AccessMask kProcessTerminate = 0x1, kProcessQueryInformation = 0x400,
                            kProcessQueryLimited = 0x1000, kThreadQueryInformation = 0x40,
                            kThreadQueryLimited = 0x800, kJobQuery = 0x4;
struct ProcessBasicInformation {
  NtStatus exit_status;
  void* peb;
  uintptr_t affinity;
  int32_t base_priority;
  uintptr_t process_id, parent_process_id;
};

inline constexpr Ulong kThreadBasicInformation = 0;
struct ThreadBasicInformation {
  NtStatus exit_status;
  void* teb;
  ClientId id;
  uintptr_t affinity;
  int32_t priority, base_priority;
};
inline constexpr NtStatus kProcessNotInJob = 0x123, kProcessInJob = 0x124;
inline constexpr Ulong kJobBasicProcessIdList = 3;
struct JobProcessIdList {
  Ulong assigned, listed;
  uintptr_t ids[1];
};

// NtQuerySystemInformation.
inline constexpr Ulong kSystemProcessInformation = 5, kSystemHandleInformation = 16,
                       kSystemSessionProcessInformation = 53, kSystemExtendedProcessInformation = 57,
                       kSystemExtendedHandleInformation = 64, kSystemProcessIdInformation = 88,
                       kSystemFullProcessInformation = 148;
struct SystemSessionProcesses {
  Ulong session, length;
  void* buffer;
};
struct SystemProcessIdInformation {
  uintptr_t process_id;
  UnicodeString image_name;
};

inline constexpr Ulong kThreadCreateSuspended = 1;
inline constexpr Ulong kProcessBreakawayFromJob = 1, kProcessInheritHandles = 4, kProcessSuspended = 0x200;

// PS_ATTRIBUTE numbers with their flag bits, as NtCreateUserProcess wants them.
inline constexpr uintptr_t kAttributeParentProcess = 0x60000, kAttributeDebugPort = 0x60001,
                           kAttributeToken = 0x60002, kAttributeClientId = 0x10003,
                           kAttributeTebAddress = 0x10004, kAttributeImageName = 0x20005,
                           kAttributeImageInfo = 0x6, kAttributeMemoryReserve = 0x20007,
                           kAttributeStdHandleInfo = 0x2000A, kAttributeHandleList = 0x2000B,
                           kAttributeJobList = 0x20013;
struct Attribute {
  uintptr_t attribute;
  size_t size;  // bytes behind `value`
  union {
    uintptr_t value;
    void* pointer;
  };
  size_t* return_length;
};
struct AttributeList {
  size_t total_length;  // bytes, including this field
  Attribute attributes[1];
};
struct CreateInfo;  // PS_CREATE_INFO: passed through, never read

struct SectionImageInformation {
  void* entry_point;
  Ulong zero_bits;
  size_t maximum_stack, committed_stack;
  Ulong subsystem;
  uint16_t subsystem_minor, subsystem_major;
  Ulong operating_system_version;
  uint16_t image_characteristics, dll_characteristics, machine;
  uint8_t contains_code, image_flags;
  Ulong loader_flags, image_file_size, checksum;
};
inline constexpr uint16_t kMachineI386 = 0x14c, kMachineAmd64 = 0x8664;

struct CurrentDirectory {
  UnicodeString dos_path;
  Handle handle;
};
// RTL_USER_PROCESS_PARAMETERS up to the fields Plume touches.
struct ProcessParameters {
  Ulong maximum_length, length, flags, debug_flags;
  Handle console_handle;
  Ulong console_flags;
  Handle standard_input, standard_output, standard_error;
  CurrentDirectory current_directory;
  UnicodeString dll_path, image_path_name, command_line;
  void* environment;
};
#if UINTPTR_MAX > 0xffffffff
static_assert(offsetof(ProcessParameters, image_path_name) == 0x60);
static_assert(offsetof(ProcessParameters, command_line) == 0x70);
#elif defined(_WIN32)
static_assert(offsetof(ProcessParameters, image_path_name) == 0x38);
#endif

// The process environment block up to the fields Plume touches.
struct Peb {
  uint8_t inherited_address_space, read_image_options, being_debugged, bit_field;
  void* mutant;
  void* image_base;
  void* ldr;  // null until the loader runs
  ProcessParameters* parameters;
  void* subsystem_data;
  void* process_heap;  // null until the loader runs
};
#if UINTPTR_MAX > 0xffffffff
static_assert(offsetof(Peb, parameters) == 0x20 && offsetof(Peb, process_heap) == 0x30);
#endif

}  // namespace plume::nt
