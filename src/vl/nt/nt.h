// The NT system interface as Plume uses it: types, statuses, structures and constants. Own declarations, no
// windows.h, so that the virtualization layer stays free of the CRT and the portable parts can be tested
// natively. Everything lives in plume::nt; hosted Windows code may include windows.h beside it. Text is
// char16_t.
//
// Function types and the table of functions are in vl/nt/functions.h, process structures in vl/nt/process.h.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__i386__) && defined(_WIN32)
#define PLUME_NTAPI __attribute__((stdcall))
#else
#define PLUME_NTAPI
#endif

namespace plume::nt {

using NtStatus = int32_t;
using Handle = void*;
using AccessMask = uint32_t;
using Ulong = uint32_t;
using Wchar = char16_t;

struct UnicodeString {
  uint16_t length;          // bytes
  uint16_t maximum_length;  // bytes
  Wchar* buffer;
};

struct ObjectAttributes {
  Ulong length;
  Handle root_directory;
  UnicodeString* object_name;
  Ulong attributes;
  void* security_descriptor;
  void* security_quality_of_service;
};

struct IoStatusBlock {
  union {
    NtStatus status;
    void* pointer;
  };
  uintptr_t information;
};

struct ClientId {
  Handle process;
  Handle thread;
};

using LargeInteger = int64_t;
using ApcRoutine = void PLUME_NTAPI(void* context, IoStatusBlock* io, Ulong reserved);

inline Handle CurrentProcess() { return reinterpret_cast<Handle>(intptr_t{-1}); }
inline Handle CurrentThread() { return reinterpret_cast<Handle>(intptr_t{-2}); }
inline constexpr bool Ok(NtStatus s) { return s >= 0; }

// --- Statuses
// -------------------------------------------------------------------------------------------------------
inline constexpr NtStatus Status(uint32_t s) { return static_cast<NtStatus>(s); }
inline constexpr NtStatus kSuccess = 0;
inline constexpr NtStatus kTimeout = 0x102;
inline constexpr NtStatus kPending = 0x103;
inline constexpr NtStatus kMoreEntries = 0x105;
inline constexpr NtStatus kObjectNameExists = 0x40000000;
inline constexpr NtStatus kImageNotAtBase = 0x40000003;
inline constexpr NtStatus kBufferOverflow = Status(0x80000005);
inline constexpr NtStatus kNoMoreFiles = Status(0x80000006);
inline constexpr NtStatus kNoMoreEntries = Status(0x8000001A);
inline constexpr NtStatus kUnsuccessful = Status(0xC0000001);
inline constexpr NtStatus kNotImplemented = Status(0xC0000002);
inline constexpr NtStatus kInvalidInfoClass = Status(0xC0000003);
inline constexpr NtStatus kInfoLengthMismatch = Status(0xC0000004);
inline constexpr NtStatus kAccessViolation = Status(0xC0000005);
inline constexpr NtStatus kInvalidCid = Status(0xC000000B);
inline constexpr NtStatus kInvalidHandle = Status(0xC0000008);
inline constexpr NtStatus kInvalidParameter = Status(0xC000000D);
inline constexpr NtStatus kNoSuchDevice = Status(0xC000000E);
inline constexpr NtStatus kNoSuchFile = Status(0xC000000F);
inline constexpr NtStatus kInvalidDeviceRequest = Status(0xC0000010);
inline constexpr NtStatus kEndOfFile = Status(0xC0000011);
inline constexpr NtStatus kNoMemory = Status(0xC0000017);
inline constexpr NtStatus kConflictingAddresses = Status(0xC0000018);
inline constexpr NtStatus kAccessDenied = Status(0xC0000022);
inline constexpr NtStatus kBufferTooSmall = Status(0xC0000023);
inline constexpr NtStatus kObjectTypeMismatch = Status(0xC0000024);
inline constexpr NtStatus kObjectNameInvalid = Status(0xC0000033);
inline constexpr NtStatus kObjectNameNotFound = Status(0xC0000034);
inline constexpr NtStatus kObjectNameCollision = Status(0xC0000035);
inline constexpr NtStatus kObjectPathInvalid = Status(0xC0000039);
inline constexpr NtStatus kObjectPathNotFound = Status(0xC000003A);
inline constexpr NtStatus kObjectPathSyntaxBad = Status(0xC000003B);
inline constexpr NtStatus kSharingViolation = Status(0xC0000043);
inline constexpr NtStatus kDeletePending = Status(0xC0000056);
inline constexpr NtStatus kInvalidImageFormat = Status(0xC000007B);
inline constexpr NtStatus kDiskFull = Status(0xC000007F);
inline constexpr NtStatus kPrivilegeNotHeld = Status(0xC0000061);
inline constexpr NtStatus kInsufficientResources = Status(0xC000009A);
inline constexpr NtStatus kPipeNotAvailable = Status(0xC00000AC);
inline constexpr NtStatus kPipeBusy = Status(0xC00000AE);
inline constexpr NtStatus kPipeDisconnected = Status(0xC00000B0);
inline constexpr NtStatus kIoTimeout = Status(0xC00000B5);
inline constexpr NtStatus kFileIsADirectory = Status(0xC00000BA);
inline constexpr NtStatus kNotSupported = Status(0xC00000BB);
inline constexpr NtStatus kNotSameDevice = Status(0xC00000D4);
inline constexpr NtStatus kFileRenamed = Status(0xC00000D5);
inline constexpr NtStatus kInternalError = Status(0xC00000E5);
inline constexpr NtStatus kDirectoryNotEmpty = Status(0xC0000101);
inline constexpr NtStatus kBadDeviceType = Status(0xC00000CB);
inline constexpr NtStatus kNotADirectory = Status(0xC0000103);
inline constexpr NtStatus kNameTooLong = Status(0xC0000106);
inline constexpr NtStatus kCancelled = Status(0xC0000120);
inline constexpr NtStatus kCannotDelete = Status(0xC0000121);
inline constexpr NtStatus kInvalidImageNotMz = Status(0xC000012F);
inline constexpr NtStatus kFileDeleted = Status(0xC0000123);
inline constexpr NtStatus kFileClosed = Status(0xC0000128);
inline constexpr NtStatus kProcedureNotFound = Status(0xC000007A);
inline constexpr NtStatus kKeyDeleted = Status(0xC000017C);
inline constexpr NtStatus kChildMustBeVolatile = Status(0xC0000181);
inline constexpr NtStatus kRetry = Status(0xC000022D);
inline constexpr NtStatus kFileIsOffline = Status(0xC0000267);
inline constexpr NtStatus kImageMachineTypeMismatch = 0x4000000E;

// --- Objects
// --------------------------------------------------------------------------------------------------------
inline constexpr Ulong kObjInherit = 0x2, kObjPermanent = 0x10, kObjExclusive = 0x20,
                       kObjCaseInsensitive = 0x40, kObjOpenIf = 0x80, kObjOpenLink = 0x100,
                       kObjDontReparse = 0x1000;
inline constexpr AccessMask kDelete = 0x10000, kReadControl = 0x20000, kWriteDac = 0x40000,
                            kWriteOwner = 0x80000, kSynchronize = 0x100000, kAccessSystemSecurity = 0x1000000,
                            kMaximumAllowed = 0x2000000, kGenericAll = 0x10000000,
                            kGenericExecute = 0x20000000, kGenericWrite = 0x40000000,
                            kGenericRead = 0x80000000;
inline constexpr Ulong kDuplicateCloseSource = 1, kDuplicateSameAccess = 2, kDuplicateSameAttributes = 4;
enum ObjectInformationClass : Ulong {
  kObjectBasicInformation = 0,
  kObjectNameInformation = 1,  // a UnicodeString followed by its text
  kObjectTypeInformation = 2,
  kObjectHandleFlagInformation = 4,
};

// --- Files
// ----------------------------------------------------------------------------------------------------------
inline constexpr AccessMask kFileReadData = 0x1, kFileListDirectory = 0x1, kFileWriteData = 0x2,
                            kFileAddFile = 0x2, kFileAppendData = 0x4, kFileAddSubdirectory = 0x4,
                            kFileReadEa = 0x8, kFileWriteEa = 0x10, kFileExecute = 0x20, kFileTraverse = 0x20,
                            kFileDeleteChild = 0x40, kFileReadAttributes = 0x80, kFileWriteAttributes = 0x100;
inline constexpr Ulong kShareRead = 1, kShareWrite = 2, kShareDelete = 4, kShareAll = 7;
inline constexpr Ulong kSupersede = 0, kOpen = 1, kCreate = 2, kOpenIf = 3, kOverwrite = 4, kOverwriteIf = 5;
inline constexpr uintptr_t kInfoSuperseded = 0, kInfoOpened = 1, kInfoCreated = 2, kInfoOverwritten = 3,
                           kInfoExists = 4, kInfoDoesNotExist = 5;
inline constexpr Ulong kDirectoryFile = 0x1, kWriteThrough = 0x2, kSequentialOnly = 0x4, kNoBuffering = 0x8,
                       kSynchronousAlert = 0x10, kSynchronousNonAlert = 0x20, kNonDirectoryFile = 0x40,
                       kCreateTreeConnection = 0x80, kNoEaKnowledge = 0x200, kRandomAccess = 0x800,
                       kDeleteOnClose = 0x1000, kOpenByFileId = 0x2000, kOpenForBackupIntent = 0x4000,
                       kNoCompression = 0x8000, kOpenReparsePoint = 0x200000, kOpenNoRecall = 0x400000;
inline constexpr Ulong kAttrReadOnly = 0x1, kAttrHidden = 0x2, kAttrSystem = 0x4, kAttrDirectory = 0x10,
                       kAttrArchive = 0x20, kAttrNormal = 0x80, kAttrTemporary = 0x100,
                       kAttrReparsePoint = 0x400;

enum FileInformationClass : Ulong {
  kFileDirectoryInformation = 1,
  kFileFullDirectoryInformation = 2,
  kFileBothDirectoryInformation = 3,
  kFileBasicInformation = 4,
  kFileStandardInformation = 5,
  kFileInternalInformation = 6,
  kFileEaInformation = 7,
  kFileAccessInformation = 8,
  kFileNameInformation = 9,
  kFileRenameInformation = 10,
  kFileLinkInformation = 11,
  kFileNamesInformation = 12,
  kFileDispositionInformation = 13,
  kFilePositionInformation = 14,
  kFileModeInformation = 16,
  kFileAlignmentInformation = 17,
  kFileAllInformation = 18,
  kFileAllocationInformation = 19,
  kFileEndOfFileInformation = 20,
  kFileAlternateNameInformation = 21,
  kFileStreamInformation = 22,
  kFilePipeInformation = 23,
  kFileCompressionInformation = 28,
  kFileCompletionInformation = 30,
  kFileNetworkOpenInformation = 34,
  kFileAttributeTagInformation = 35,
  kFileIdBothDirectoryInformation = 37,
  kFileIdFullDirectoryInformation = 38,
  kFileValidDataLengthInformation = 39,
  kFileHardLinkInformation = 46,
  kFileNormalizedNameInformation = 48,
  kFileIdGlobalTxDirectoryInformation = 50,
  kFileVolumeNameInformation = 58,
  kFileIdInformation = 59,
  kFileIdExtdDirectoryInformation = 60,
  kFileIdExtdBothDirectoryInformation = 63,
  kFileDispositionInformationEx = 64,
  kFileRenameInformationEx = 65,
  kFileRenameInformationBypassAccessCheck = 56,
  kFileLinkInformationBypassAccessCheck = 57,
  kFileRenameInformationExBypassAccessCheck = 66,
  kFileLinkInformationExBypassAccessCheck = 73,
  kFileStatInformation = 68,
  kFileLinkInformationEx = 72,
  kFileCaseSensitiveInformation = 71,
};

struct FileBasicInformation {
  LargeInteger creation_time, last_access_time, last_write_time, change_time;
  Ulong file_attributes;
};
struct FileStandardInformation {
  LargeInteger allocation_size, end_of_file;
  Ulong number_of_links;
  uint8_t delete_pending, directory;
};
struct FileNetworkOpenInformation {
  LargeInteger creation_time, last_access_time, last_write_time, change_time, allocation_size, end_of_file;
  Ulong file_attributes;
};
struct FileInternalInformation {
  LargeInteger index_number;
};
struct FileEaInformation {
  Ulong ea_size;
};
struct FileAccessInformation {
  AccessMask access_flags;
};
struct FilePositionInformation {
  LargeInteger current_byte_offset;
};
struct FileModeInformation {
  Ulong mode;
};
struct FileAlignmentInformation {
  Ulong alignment_requirement;
};
struct FileNameInformation {
  Ulong file_name_length;  // bytes
  Wchar file_name[1];
};
struct FileAllInformation {
  FileBasicInformation basic;
  FileStandardInformation standard;
  FileInternalInformation internal;
  FileEaInformation ea;
  FileAccessInformation access;
  FilePositionInformation position;
  FileModeInformation mode;
  FileAlignmentInformation alignment;
  FileNameInformation name;
};
struct FileAttributeTagInformation {
  Ulong file_attributes, reparse_tag;
};
// Also FileLinkInformation. With the Ex classes `flags` replaces replace_if_exists.
struct FileRenameInformation {
  union {
    uint8_t replace_if_exists;
    Ulong flags;
  };
  Handle root_directory;
  Ulong file_name_length;  // bytes
  Wchar file_name[1];
};
inline constexpr Ulong kRenameReplaceIfExists = 1, kRenamePosixSemantics = 2;
struct FileDispositionInformation {
  uint8_t delete_file;
};
struct FileDispositionInformationEx {
  Ulong flags;
};
inline constexpr Ulong kDispositionDelete = 1, kDispositionPosix = 2, kDispositionIgnoreReadOnly = 0x10;
struct FileEndOfFileInformation {
  LargeInteger end_of_file;
};
struct FileIdInformation {
  uint64_t volume_serial_number;
  uint8_t file_id[16];
};

// Directory entries. All begin with this head; `NextEntryOffset` is 8-aligned, 0 in the last one.
struct FileDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length;
  Wchar file_name[1];
};
struct FileFullDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size;
  Wchar file_name[1];
};
struct FileBothDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size;
  int8_t short_name_length;  // bytes
  Wchar short_name[12];
  Wchar file_name[1];
};
struct FileIdBothDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size;
  int8_t short_name_length;
  Wchar short_name[12];
  LargeInteger file_id;
  Wchar file_name[1];
};
struct FileIdFullDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size;
  LargeInteger file_id;
  Wchar file_name[1];
};
struct FileIdGlobalTxDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length;
  LargeInteger file_id;
  uint8_t locking_transaction_id[16];
  Ulong tx_info_flags;
  Wchar file_name[1];
};
struct FileIdExtdDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size, reparse_point_tag;
  uint8_t file_id[16];
  Wchar file_name[1];
};
struct FileIdExtdBothDirectoryInformation {
  Ulong next_entry_offset, file_index;
  LargeInteger creation_time, last_access_time, last_write_time, change_time, end_of_file, allocation_size;
  Ulong file_attributes, file_name_length, ea_size, reparse_point_tag;
  uint8_t file_id[16];
  int8_t short_name_length;
  Wchar short_name[12];
  Wchar file_name[1];
};
struct FileNamesInformation {
  Ulong next_entry_offset, file_index, file_name_length;
  Wchar file_name[1];
};
// NtQueryDirectoryFileEx flags.
inline constexpr Ulong kQueryRestartScan = 1, kQueryReturnSingleEntry = 2, kQueryIndexSpecified = 4,
                       kQueryReturnOnDiskEntriesOnly = 8, kQueryNoCursorUpdate = 0x10;

enum FsInformationClass : Ulong {
  kFileFsVolumeInformation = 1,
  kFileFsSizeInformation = 3,
  kFileFsDeviceInformation = 4,
  kFileFsAttributeInformation = 5,
  kFileFsFullSizeInformation = 7,
};
struct FileFsDeviceInformation {
  Ulong device_type, characteristics;
};
inline constexpr Ulong kDeviceDisk = 7, kDeviceNamedPipe = 0x11, kDeviceNetworkFileSystem = 0x14;

inline constexpr Ulong kFsctlPipeWait = 0x110018, kFsctlGetObjectId = 0x9009c,
                       kFsctlCreateOrGetObjectId = 0x900c0, kFsctlSetReparsePoint = 0x900a4,
                       kFsctlGetReparsePoint = 0x900a8, kFsctlDeleteReparsePoint = 0x900ac;
inline constexpr AccessMask kEventAllAccess = 0x1F0003;
inline constexpr Ulong kNotificationEvent = 0;
struct FilePipeWaitForBuffer {
  LargeInteger timeout;
  Ulong name_length;  // bytes
  uint8_t timeout_specified;
  Wchar name[1];
};

// --- Registry
// -------------------------------------------------------------------------------------------------------
inline constexpr AccessMask kKeyQueryValue = 0x1, kKeySetValue = 0x2, kKeyCreateSubKey = 0x4,
                            kKeyEnumerateSubKeys = 0x8, kKeyNotify = 0x10, kKeyCreateLink = 0x20,
                            kKeyWow64_64Key = 0x100, kKeyWow64_32Key = 0x200, kKeyRead = 0x20019,
                            kKeyWrite = 0x20006, kKeyAllAccess = 0xF003F;
inline constexpr Ulong kRegOptionVolatile = 1, kRegOptionCreateLink = 2, kRegOptionBackupRestore = 4,
                       kRegOptionOpenLink = 8;
inline constexpr Ulong kRegCreatedNewKey = 1, kRegOpenedExistingKey = 2;
inline constexpr Ulong kRegNone = 0, kRegSz = 1, kRegExpandSz = 2, kRegBinary = 3, kRegDword = 4,
                       kRegLink = 6, kRegMultiSz = 7, kRegQword = 11;
enum KeyInformationClass : Ulong {
  kKeyBasicInformation = 0,
  kKeyNodeInformation = 1,
  kKeyFullInformation = 2,
  kKeyNameInformation = 3,
  kKeyCachedInformation = 4,
  kKeyFlagsInformation = 5,
  kKeyVirtualizationInformation = 6,
  kKeyHandleTagsInformation = 7,
};
struct KeyBasicInformation {
  LargeInteger last_write_time;
  Ulong title_index, name_length;
  Wchar name[1];
};
struct KeyNodeInformation {
  LargeInteger last_write_time;
  Ulong title_index, class_offset, class_length, name_length;
  Wchar name[1];
};
struct KeyFullInformation {
  LargeInteger last_write_time;
  Ulong title_index, class_offset, class_length, sub_keys, max_name_length, max_class_length, values,
      max_value_name_length, max_value_data_length;
  Wchar class_name[1];
};
struct KeyNameInformation {
  Ulong name_length;
  Wchar name[1];
};
struct KeyCachedInformation {
  LargeInteger last_write_time;
  Ulong title_index, sub_keys, max_name_length, values, max_value_name_length, max_value_data_length,
      name_length;
};
enum KeyValueInformationClass : Ulong {
  kKeyValueBasicInformation = 0,
  kKeyValueFullInformation = 1,
  kKeyValuePartialInformation = 2,
  kKeyValueFullInformationAlign64 = 3,
  kKeyValuePartialInformationAlign64 = 4,
};
struct KeyValueBasicInformation {
  Ulong title_index, type, name_length;
  Wchar name[1];
};
struct KeyValueFullInformation {
  Ulong title_index, type, data_offset, data_length, name_length;
  Wchar name[1];
};
struct KeyValuePartialInformation {
  Ulong title_index, type, data_length;
  uint8_t data[1];
};
struct KeyValueEntry {  // NtQueryMultipleValueKey
  UnicodeString* value_name;
  Ulong data_length, data_offset, type;
};

// --- Memory and sections
// --------------------------------------------------------------------------------------------
inline constexpr Ulong kMemCommit = 0x1000, kMemReserve = 0x2000, kMemRelease = 0x8000,
                       kMemTopDown = 0x100000;
inline constexpr Ulong kMemImage = 0x1000000;
inline constexpr Ulong kPageNoAccess = 1, kPageReadOnly = 2, kPageReadWrite = 4, kPageExecuteRead = 0x20,
                       kPageExecuteReadWrite = 0x40, kPageWriteCopy = 8, kPageExecuteWriteCopy = 0x80;
inline constexpr Ulong kSecCommit = 0x8000000;
inline constexpr AccessMask kSectionMapWrite = 2, kSectionMapRead = 4, kSectionMapExecute = 8;
inline constexpr Ulong kViewShare = 1, kViewUnmap = 2;
inline constexpr Ulong kAtomBasicInformation = 0;
enum MemoryInformationClass : Ulong {
  kMemoryBasicInformation = 0,
  kMemoryMappedFilenameInformation = 2,  // a UnicodeString followed by its text
  kMemoryWineUnixFunctions = 1000,       // Wine: the table of a module's functions on the Unix side
};
struct MemoryBasicInformation {
  void* base_address;
  void* allocation_base;
  Ulong allocation_protect;
  size_t region_size;
  Ulong state, protect, type;
};

}  // namespace plume::nt
