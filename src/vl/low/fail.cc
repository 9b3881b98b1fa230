#include "vl/low/fail.h"

#include <atomic>

#include "vl/low/hooks.h"
#include "vl/low/layer.h"
#include "vl/low/log.h"
#include "vl/low/teb.h"

namespace plume::vl {
namespace {

constexpr char16_t kLogName[] = u"\\guest.log";

// Writes the line to guest.log in the folder of the view. Opened for each line: lines are rare, and a handle
// kept open could be closed by the application.
void Append(const LineBuilder& line) {
  const ParamText& view_path = plume_params.view_path;
  constexpr uint32_t kMax = 1024;
  char16_t name[kMax];
  uint32_t n = view_path.units;
  while (n > 0 && view_path.data[n - 1] != u'\\') --n;
  if (n < 2 || n + 16 > kMax) return;
  --n;
  for (uint32_t i = 0; i < n; ++i) name[i] = view_path.data[i];
  for (uint32_t i = 0; kLogName[i]; ++i) name[n++] = kLogName[i];
  nt::UnicodeString text{static_cast<uint16_t>(n * 2), static_cast<uint16_t>(n * 2), name};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &text,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  nt::Handle file;
  if (!nt::Ok(orig.NtCreateFile(&file, nt::kFileAppendData | nt::kSynchronize, &attributes, &io, nullptr,
                                nt::kAttrNormal, nt::kShareAll, nt::kOpenIf,
                                nt::kNonDirectoryFile | nt::kSynchronousNonAlert, nullptr, 0))) {
    return;
  }
  nt::LargeInteger end = -1;  // FILE_WRITE_TO_END_OF_FILE
  orig.NtWriteFile(file, nullptr, nullptr, nullptr, &io, line.data(), line.size(), &end, nullptr);
  orig.NtClose(file);
}

void Write(const char* what, nt::NtStatus status, view::WView name) {
  LineBuilder line;
  line.Decimal(CurrentProcessId());
  line.Text(".");
  line.Decimal(CurrentThreadId());
  line.Text(" ");
  line.Text(what);
  if (!name.empty()) {
    line.Text(" ");
    line.Units(name);
  }
  line.Text(" status ");
  line.Hex(static_cast<uint32_t>(status));
  line.End();
  Append(line);
}

}  // namespace

void Fail(Site site, const char* what, nt::NtStatus status, view::WView name) {
  static constinit std::atomic<bool> failing{false};
  if (!failing.exchange(true)) {
    LineBuilder line;
    line.Decimal(CurrentProcessId());
    line.Text(" FAIL ");
    line.Decimal(static_cast<uint32_t>(site));
    line.Text(" ");
    line.Text(what);
    if (!name.empty()) {
      line.Text(" ");
      line.Units(name);
    }
    if (status) {
      line.Text(" status ");
      line.Hex(static_cast<uint32_t>(status));
    }
    line.End();
    Append(line);
  }
  for (;;) orig.NtTerminateProcess(nt::CurrentProcess(), static_cast<nt::NtStatus>(ExitStatus(site)));
}

void Log(const char* what, nt::NtStatus status, view::WView name) { Write(what, status, name); }

}  // namespace plume::vl
