#include "vl/calls/window_session.h"

#include <cstring>

#include "vl/low/fail.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/lock.h"
#include "vl/low/memory.h"
#include "vl/low/teb.h"

namespace plume::vl {
namespace {

constinit std::atomic<Session*> g_session{nullptr};
constinit std::atomic<bool> g_complained{false};

nt::NtStatus MapSession(const VlState& vl, bool create, Session** out) {
  constexpr view::WView kName = u"\\session.plx";
  char16_t text[1024];
  if (vl.scratch.size() + kName.size() > 1000) return nt::kNameTooLong;
  std::memcpy(text, vl.scratch.data(), vl.scratch.size() * 2);
  std::memcpy(text + vl.scratch.size(), kName.data(), kName.size() * 2);
  const auto bytes = static_cast<uint16_t>((vl.scratch.size() + kName.size()) * 2);
  nt::UnicodeString name{bytes, bytes, text};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &name,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::IoStatusBlock io;
  nt::Handle file, section;
  nt::NtStatus s =
      orig.NtCreateFile(&file, nt::kGenericRead | nt::kGenericWrite | nt::kSynchronize, &attributes, &io,
                        nullptr, nt::kAttrNormal, nt::kShareAll, create ? nt::kOpenIf : nt::kOpen,
                        nt::kSynchronousNonAlert | nt::kNonDirectoryFile, nullptr, 0);
  if (!nt::Ok(s)) return s;
  // Longer files stay as they are; a new one is all zero, which is an empty session.
  nt::LargeInteger size = Session::kFileBytes;
  s = orig.NtCreateSection(&section, nt::kSectionMapRead | nt::kSectionMapWrite, nullptr, &size,
                           nt::kPageReadWrite, nt::kSecCommit, file);
  if (nt::Ok(s)) {
    void* base = nullptr;
    size_t view_size = Session::kFileBytes;
    s = orig.NtMapViewOfSection(section, nt::CurrentProcess(), &base, 0, 0, nullptr, &view_size,
                                nt::kViewUnmap, 0, nt::kPageReadWrite);
    if (nt::Ok(s)) *out = static_cast<Session*>(base);
    orig.NtClose(section);
  }
  orig.NtClose(file);
  if (!nt::Ok(s)) return s;
  uint32_t none = 0;
  if (!(*out)->magic.compare_exchange_strong(none, Session::kMagic) && none != Session::kMagic)
    return nt::kInvalidImageFormat;
  return nt::kSuccess;
}

}  // namespace

Session* TheSession(const VlState& vl, bool create) {
  if (Session* s = g_session.load(std::memory_order_acquire)) return s;
  Session* mine = nullptr;
  const nt::NtStatus s = MapSession(vl, create, &mine);
  if (!nt::Ok(s)) {
    if (create && !g_complained.exchange(true)) Log("opening the VM's clipboard failed:", s, vl.scratch);
    return nullptr;
  }
  Session* none = nullptr;
  if (g_session.compare_exchange_strong(none, mine)) return mine;
  orig.NtUnmapViewOfSection(nt::CurrentProcess(), mine);
  return none;
}

SessionLock::SessionLock(const VlState& vl, Session* session) : session_(session) {
  const uint32_t me = CurrentThreadId();
  for (uint32_t round = 0;; ++round) {
    uint32_t holder = 0;
    if (session->lock.compare_exchange_strong(holder, me, std::memory_order_acquire)) return;
    if (round < 200) {
      __builtin_ia32_pause();
      continue;
    }
    if (LockWait(round - 200)) return;
    // The holder may have been killed. What it was changing is complete or unused: counts are written last.
    if (round % 64 == 0 && ProcessOfThread(vl, holder) == 0 &&
        session->lock.compare_exchange_strong(holder, me, std::memory_order_acquire)) {
      return;
    }
  }
}

}  // namespace plume::vl
