// The layer as the child gets it: a copy or a view of its file, bound to ntdll, with the parameters in it.
#include <cstring>

#include "vl/inject/injection.h"

namespace plume::vl {

uint64_t Injection::ResolveImport(void* self, const char* name) {
  auto* i = static_cast<Injection*>(self);
  const uint32_t rva = FindExport(i->ntdll_info_, i->ntdll_, name);
  return rva ? i->child_ntdll_ + rva : 0;
}

bool Injection::BuildLayer() {
  const std::span<uint8_t> image(local_, info_.image_size);
  const char* missing = "";
  constants_ = mapped_ ? request_.layer.data() : local_;
  if (!mapped_ && !MapImage(request_.layer, info_, remote_, image)) return Bad(InjectError::kLayer);
  if (!mapped_ && !BindImports(info_, image, &ResolveImport, this, &missing)) {
    return Bad(InjectError::kImport, nt::kProcedureNotFound, missing);
  }
  const uint32_t at = FindExport(info_, {constants_, info_.image_size}, kLayerExport);
  if (!at || at + sizeof(LayerHeader) > info_.image_size) return Bad(InjectError::kLayer);
  header_ = reinterpret_cast<const LayerHeader*>(constants_ + at);
  if (header_->magic != kLayerMagic || header_->version != kLayerVersion ||
      header_->function_count != nt::kFunctionCount || header_->hook_count > kMaxHooks ||
      header_->hook_count * kTrampoline > header_->trampoline_bytes) {
    return Bad(InjectError::kLayer);
  }
  text_at_ = mapped_ ? Offset(header_->texts) : info_.image_size;
  return !mapped_ || CopyFilledPages();
}

// The pages of a mapped layer that get something other than what the file has, a run at a time.
bool Injection::CopyFilledPages() {
  const struct {
    const void* at;
    size_t bytes;
  } parts[] = {{header_->trampolines, header_->hook_count * kTrampoline},
               {header_->originals, sizeof(nt::Functions)},
               {header_->params, sizeof(Params)},
               {header_->texts, text_bytes_}};
  run_count_ = 0;
  for (const auto& part : parts) {
    if (!Inside(part.at, part.bytes)) return Bad(InjectError::kLayer);
    PageRun run{Offset(part.at) & ~uint64_t{0xfff},
                (Offset(part.at) + part.bytes + 0xfff) & ~uint64_t{0xfff}};
    // One write of more pages costs less than two writes.
    for (uint32_t i = 0; i < run_count_;) {
      if (run.begin <= runs_[i].end + kRunGap && runs_[i].begin <= run.end + kRunGap) {
        if (runs_[i].begin < run.begin) run.begin = runs_[i].begin;
        if (runs_[i].end > run.end) run.end = runs_[i].end;
        runs_[i] = runs_[--run_count_];
        i = 0;
      } else {
        ++i;
      }
    }
    runs_[run_count_++] = run;
  }
  for (uint32_t i = 0; i < run_count_; ++i)
    std::memcpy(local_ + runs_[i].begin, constants_ + runs_[i].begin, runs_[i].end - runs_[i].begin);
  return true;
}

uint64_t Injection::PutText(view::WView text, ParamText* out) {
  const uint64_t at = text_at_;
  std::memcpy(local_ + at, text.data(), text.size() * 2);
  text_at_ += text.size() * 2 + 2;
  if (out) {
    *out = ParamText{reinterpret_cast<const char16_t*>(static_cast<uintptr_t>(remote_ + at)),
                     static_cast<uint32_t>(text.size()), 0};
  }
  return remote_ + at;
}

void Injection::FillParams() {
  Params* p = Local(header_->params);
  *p = Params{};
  p->magic = kLayerMagic;
  p->version = kLayerVersion;
  // The caller's flags may be its own, and it may be a program of the other kind.
  p->flags = (request_.flags & kParamWine) | (mapped_ ? kParamMapped : 0) | (wow64_peb_ ? kParamWow64 : 0);
  p->ntdll = reinterpret_cast<void*>(static_cast<uintptr_t>(child_ntdll_));
  p->base = reinterpret_cast<void*>(static_cast<uintptr_t>(remote_));
  p->image_size = info_.image_size;
  p->block_size = mapped_ ? info_.image_size : total_;
  PutText(request_.view_path, &p->view_path);
  remote_exe_ = PutText(request_.exe, &p->exe);
  if (!request_.current_directory.empty()) remote_cwd_ = PutText(request_.current_directory, nullptr);
  for (const ParamVolume& v : request_.volumes) {
    if (p->volume_count == kMaxVolumes) break;
    ParamVolume& out = p->volumes[p->volume_count++];
    out.letter = v.letter;
    PutText(view::WView(v.device.data, v.device.units), &out.device);
  }
}

bool Injection::WriteLayer() {
  for (uint32_t i = 0; mapped_ && i < run_count_; ++i) {
    auto* to = reinterpret_cast<void*>(static_cast<uintptr_t>(remote_ + runs_[i].begin));
    if (!Write(to, local_ + runs_[i].begin, runs_[i].end - runs_[i].begin)) return false;
  }
  if (mapped_) return true;
  if (!Write(reinterpret_cast<void*>(static_cast<uintptr_t>(remote_)), local_, total_)) return false;
  if (request_.flags & kParamWine) return true;
  // Code first, then the longest run of read-only sections; the rest stays read-write.
  const std::span<const uint8_t> image(local_, info_.image_size);
  uint32_t best_begin = 0, best_end = 0, begin = 0, end = 0;
  nt::Ulong old;
  for (uint32_t i = 0; i < info_.section_count; ++i) {
    const ImageSection s = SectionAt(info_, image, i);
    if (s.executable) {
      if (!Protect(remote_ + s.begin, s.end - s.begin, nt::kPageExecuteRead, &old)) return false;
    }
    if (s.executable || s.writable) continue;
    if (s.begin != end) begin = s.begin;
    end = s.end;
    if (end - begin > best_end - best_begin) {
      best_begin = begin;
      best_end = end;
    }
  }
  return best_begin == best_end ||
         Protect(remote_ + best_begin, best_end - best_begin, nt::kPageReadOnly, &old);
}

}  // namespace plume::vl
