// The clipboard of a VM: its state, shared by all guests, and the rules by which it changes. Pure: no system
// call; whether windows and threads still live is found out by the caller. Works as the system's own
// clipboard does (Wine's server/clipboard.c and Windows' documentation); the bytes of each format are in
// files (docs/formats/session.md).
#pragma once
#include <atomic>
#include <cstdint>

#include "view/path.h"

namespace plume::view {

// Standard formats.
inline constexpr uint32_t kCfText = 1, kCfBitmap = 2, kCfMetafilePict = 3, kCfTiff = 6, kCfOemText = 7,
                          kCfDib = 8, kCfPalette = 9, kCfUnicodeText = 13, kCfEnhMetafile = 14, kCfHdrop = 15,
                          kCfLocale = 16, kCfDibV5 = 17, kCfMax = 18, kCfDspText = 0x81, kCfDspBitmap = 0x82,
                          kCfDspMetafilePict = 0x83, kCfDspEnhMetafile = 0x8e, kCfFirstRegistered = 0xc000;

// Kinds of content, as the policy names them; bits.
inline constexpr uint8_t kClipKindText = 1, kClipKindImage = 2, kClipKindFiles = 4, kClipKindPrivate = 8;
// `name`: of a registered format, empty for others.
uint8_t ClipKind(uint32_t format, WView name);

struct ClipFormat {
  uint32_t id;
  uint32_t from;   // synthesized of this one when first asked for; 0: set by an application
  uint32_t seq;    // sequence number when it was set
  uint32_t flags;  // kClipData, kClipMachine
  uint64_t size;
  uint64_t
      file;  // number of the file with the bytes, or (kClipInline) the bytes themselves; only with kClipData
};
inline constexpr uint32_t kClipData = 1;    // the bytes are there
inline constexpr uint32_t kClipInline = 4;  // ... in `file`: fewer than 8
inline constexpr uint32_t kClipMachine =
    2;  // taken over from the machine's clipboard, where the bytes still are

// Handles of windows and ids of threads are the system's. All zero: an empty clipboard.
struct ClipTable {
  static constexpr uint32_t kMaxFormats = 256, kMaxListeners = 64;
  uint32_t open_thread, open_window, open_seq, rendering;
  uint32_t owner_window, owner_thread;
  uint32_t viewer;
  uint32_t seq;
  uint32_t locale;
  uint32_t machine_seq;  // the machine's sequence number when the two clipboards last agreed
  uint32_t format_count, listener_count;
  uint64_t next_file;
  uint32_t listeners[kMaxListeners];
  ClipFormat formats[kMaxFormats];

  enum class Result : uint8_t { kDone, kNotOpen, kBusy, kFull, kTwice, kNone };

  // What had to be told when the clipboard changed.
  struct Told {
    bool changed = false;
    uint32_t viewer = 0, owner = 0;
  };
  // Files that are no longer needed.
  struct Files {
    uint32_t count = 0;
    uint64_t numbers[kMaxFormats];
  };

  Result Open(uint32_t thread, uint32_t window);
  Result Close(uint32_t thread, Told* told);
  // As if the thread that has it open had closed it: it is gone.
  void CloseForDead(Told* told);
  Result Empty(uint32_t thread, uint32_t owner_thread_id, Files* files);
  // `has_data`: file and size; else the owner renders it when asked. `old`: file to remove, 0 = none.
  Result Set(uint32_t format, bool has_data, uint64_t file, uint64_t size, uint32_t lcid, uint32_t* set_seq,
             uint64_t* old);
  ClipFormat* Find(uint32_t format);
  const ClipFormat* Find(uint32_t format) const { return const_cast<ClipTable*>(this)->Find(format); }
  // The format behind `previous` in the order in which they were set; 0: none.
  uint32_t Next(uint32_t previous) const;
  // The owner is gone: what it has not rendered goes too.
  void Release(Told* told);
  Result AddListener(uint32_t window);
  Result RemoveListener(uint32_t window);
  void DropListener(uint32_t index);
  // Replaces everything by the machine's formats, to be fetched when asked for.
  void TakeOver(const uint32_t* ids, uint32_t count, uint32_t new_machine_seq, Files* files, Told* told);

 private:
  ClipFormat* Add(uint32_t id);
  void Remove(uint32_t index);
  bool Has(uint32_t id) const { return Find(id) != nullptr; }
  uint32_t Synthesize();
};

}  // namespace plume::view
