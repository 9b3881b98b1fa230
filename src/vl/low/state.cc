#include "vl/low/state.h"

#include <cstring>

#include "vl/inject/image.h"
#include "vl/low/fail.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/job.h"
#include "vl/low/layer.h"
#include "vl/low/map_file.h"
#include "vl/low/memory.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "wire/view_generated.h"

namespace plume::vl {

constinit std::atomic<const VlState*> g_state{nullptr};

namespace {

using view::WView;

// Everything the state's views point at. One per process, never freed.
struct Storage {
  VlState state;
  view::NameTable::Volume volumes[kMaxVolumes];
};

template <typename T>
T* NewArray(size_t count) {
  auto* at = static_cast<T*>(HeapAlloc((count ? count : 1) * sizeof(T)));
  if (!at) Fail(Site::kNoMemory, "out of memory while the view is read");
  for (size_t i = 0; i < count; ++i) new (at + i) T();
  return at;
}

WView Text(const flatbuffers::Vector<uint16_t>* v) {
  return WView(reinterpret_cast<const char16_t*>(v->data()), v->size());
}

std::span<const view::Rule> Rules(const flatbuffers::Vector<flatbuffers::Offset<wire::Rule>>* rows) {
  auto* rules = NewArray<view::Rule>(rows->size());
  for (uint32_t i = 0; i < rows->size(); ++i) {
    rules[i] = view::Rule{Text(rows->Get(i)->prefix()), static_cast<view::Mode>(rows->Get(i)->mode() & 3)};
  }
  return {rules, rows->size()};
}

std::span<const view::NameRule> NameRules(
    const flatbuffers::Vector<flatbuffers::Offset<wire::NameRule>>* rows) {
  if (!rows) return {};
  auto* rules = NewArray<view::NameRule>(rows->size());
  for (uint32_t i = 0; i < rows->size(); ++i) {
    rules[i] =
        view::NameRule{Text(rows->Get(i)->pattern()), static_cast<view::Mode>(rows->Get(i)->mode() & 3)};
  }
  return {rules, rows->size()};
}

void FillClipboard(const wire::Clipboard* c, ClipboardRules* out) {
  if (!c) return;
  out->to_host = c->mode() & 1;
  out->from_host = c->mode() & 2;
  out->max_bytes = c->max_bytes();
  if (!c->formats() || c->formats()->size() == 0) return;
  out->kinds = 0;
  for (const flatbuffers::String* f : *c->formats()) {
    // The names of docs/formats/policy.md differ in their first letter.
    const char first = f->size() ? f->Data()[0] : 0;
    out->kinds |= first == 't'   ? kClipText
                  : first == 'i' ? kClipImage
                  : first == 'f' ? kClipFiles
                                 : kClipPrivate;
  }
}

void FillNetwork(const wire::Network* n, view::NetworkRules* out) {
  if (!n) return;
  out->all = n->mode() == 0;
  if (n->mode() == 2 && n->allow()) {
    auto* rules = NewArray<view::NetworkRule>(n->allow()->size());
    for (uint32_t i = 0; i < n->allow()->size(); ++i) {
      const wire::NetworkRule* r = n->allow()->Get(i);
      rules[i] = view::NetworkRule{{r->address()->data(), r->address()->size()},
                                   r->bits(),
                                   r->first_port(),
                                   r->last_port(),
                                   r->host() ? Text(r->host()) : WView()};
    }
    out->allow = {rules, n->allow()->size()};
  }
  if (n->private_ports()) out->private_ports = {n->private_ports()->data(), n->private_ports()->size()};
  if (n->real_ports()) out->real_ports = {n->real_ports()->data(), n->real_ports()->size()};
}

void FillLayers(const wire::View& v, VlState* state) {
  const auto& layers = *v.layers();
  uint32_t mounts = 0;
  for (const wire::Layer* layer : layers) mounts += layer->mounts()->size();
  auto* points = NewArray<view::MountPoint>(mounts);
  auto* reals = NewArray<WView>(mounts);
  auto* ids = NewArray<uint32_t>(layers.size());
  auto* catalogs = NewArray<catalog::Reader>(layers.size());
  uint32_t m = 0;
  for (uint32_t i = 0; i < layers.size(); ++i) {
    const wire::Layer* layer = layers.Get(i);
    ids[i] = layer->id();
    void* base;
    size_t size;
    const WView name = Text(layer->catalog());
    if (const nt::NtStatus s = MapFile(name, false, &base, &size); !nt::Ok(s)) {
      Fail(Site::kCatalogOpen, "opening the catalog failed:", s, name);
    }
    if (!catalogs[i].Attach(base, size))
      Fail(Site::kCatalogFormat, "not a catalog of a known version:", 0, name);
    for (const wire::Mount* mount : *layer->mounts()) {
      points[m] =
          view::MountPoint{Text(mount->prefix()), mount->root(), mount->registry(), static_cast<uint16_t>(i)};
      reals[m++] = Text(mount->real());
    }
  }
  state->space.mounts = {points, mounts};
  state->space.catalogs = {catalogs, layers.size()};
  state->mount_real = {reals, mounts};
  state->layer_id = {ids, layers.size()};
}

// \SystemRoot, from the page the system shares with every process (NtSystemRoot).
WView SystemRoot() {
  uintptr_t at = 0x7ffe0030;
  asm("" : "+r"(at));  // an address the compiler must not reason about
  auto* text = reinterpret_cast<const char16_t*>(at);
  size_t n = 0;
  while (n < 260 && text[n]) ++n;
  return WView(text, n);
}

WView ParamView(const ParamText& t) { return WView(t.data, t.units); }

void Protect(uint8_t* begin, uint8_t* end, nt::Ulong protect) {
  void* at = begin;
  auto bytes = static_cast<size_t>(end - begin);
  nt::Ulong old;
  const nt::NtStatus s = orig.NtProtectVirtualMemory(nt::CurrentProcess(), &at, &bytes, protect, &old);
  if (!nt::Ok(s)) Fail(Site::kParams, "protecting the layer failed:", s);
}

// What the injector left to us: up to here, the first call of the process, every page may be written and run.
void SealImage(const Params& params) {
  auto* base = static_cast<uint8_t*>(params.base);
  const std::span<const uint8_t> image(base, params.image_size);
  ImageInfo info;
  if (!ReadImageInfo(image, &info)) Fail(Site::kParams, "the layer's image is damaged");
  // Neighbours that get the same are one call.
  const nt::Ulong writable = OwnWritable();
  uint8_t *begin = base, *end = base;
  nt::Ulong protect = nt::kPageReadOnly;  // the headers
  for (uint32_t i = 0; i < info.section_count; ++i) {
    const ImageSection s = SectionAt(info, image, i);
    const nt::Ulong wanted = s.executable ? nt::kPageExecuteRead : s.writable ? writable : nt::kPageReadOnly;
    if (wanted != protect) {
      if (base + s.begin > begin) Protect(begin, base + s.begin, protect);
      begin = base + s.begin;
      protect = wanted;
    }
    end = base + s.end;
  }
  if (end > begin) Protect(begin, end, protect);
  if (end < base + params.block_size) Protect(end, base + params.block_size, writable);
}

const VlState* Build() {
  const Params& params = plume_params;
  if (params.magic != kLayerMagic || params.version != kLayerVersion)
    Fail(Site::kParams, "injection parameters damaged");
  if (params.flags & kParamWine) SealImage(params);
  auto* storage = static_cast<Storage*>(PagesAlloc(sizeof(Storage)));
  if (!storage) Fail(Site::kNoMemory, "out of memory at the start");
  new (storage) Storage();
  VlState* state = &storage->state;

  const WView view_path = ParamView(params.view_path);
  void* base;
  size_t size;
  if (const nt::NtStatus s = ReadOrMapFile(view_path, &base, &size); !nt::Ok(s)) {
    Fail(Site::kViewOpen, "opening the VM's view failed:", s, view_path);
  }
  // The view is written by the agent of the same user, by rename, and trusted like the catalogs.
  if (size < 16 || std::memcmp(static_cast<uint8_t*>(base) + 4, wire::ViewIdentifier(), 4) != 0)
    Fail(Site::kViewFormat, "not a VM view:", 0, view_path);
  const wire::View& v = *wire::GetView(base);
  if (v.version() != 1) Fail(Site::kViewFormat, "view of an unknown version:", 0, view_path);

  state->view = &v;
  state->view_path = view_path;
  state->exe = ParamView(params.exe);
  size_t cut = view_path.size();
  while (cut && view_path[cut - 1] != u'\\') --cut;
  state->vm_folder = view::Sub(view_path, 0, cut ? cut - 1 : 0);
  state->upper = Text(v.upper());
  state->scratch = Text(v.scratch());
  state->registry_upper = Text(v.registry_upper());
  state->user_key = Text(v.user_key());
  state->agent_pipe = Text(v.agent_pipe());
  state->job = Text(v.job());
  state->vm_id = Text(v.vm_id());
  state->vm_name = Text(v.vm_name());
  state->vl64 = Text(v.vl64());
  state->vl32 = Text(v.vl32());
  state->space.file_rules = Rules(v.file_rules());
  state->space.key_rules = Rules(v.key_rules());
  state->object_rules = NameRules(v.object_rules());
  state->object_mark = view::MakeObjectMark(state->registry_upper);
  state->device_rules = NameRules(v.device_rules());
  state->window_rules = NameRules(v.window_rules());
  state->show_all_processes = v.show_all_processes();
  FillClipboard(v.clipboard(), &state->clipboard);
  FillNetwork(v.network(), &state->network);
  if (v.trace()) state->trace_folder = Text(v.trace());
  if (v.fonts()) state->fonts = Text(v.fonts());
  FillLayers(v, state);

  const WView index = Text(v.index());
  if (const nt::NtStatus s = MapFile(index, true, &base, &size); !nt::Ok(s)) {
    Fail(Site::kIndexOpen, "opening the VM index failed:", s, index);
  }
  if (!state->index.Attach(base, size, TouchPage))
    Fail(Site::kIndexFormat, "not a VM index of a known version:", 0, index);
  state->space.index = &state->index;

  for (uint32_t i = 0; i < params.volume_count && i < kMaxVolumes; ++i) {
    storage->volumes[i].device = ParamView(params.volumes[i].device);
    storage->volumes[i].letter = static_cast<char16_t>(params.volumes[i].letter);
  }
  state->names.volumes = {storage->volumes, params.volume_count};
  state->names.system_root = SystemRoot();
  state->is_wine = params.flags & kParamWine;
  // Before the program's first instruction its environment blocks are what the system wrote.
  state->pid = CurrentProcessId();
  state->session = CurrentSession();
  return state;
}

}  // namespace

const VlState& InitializeOnce() {
  static constinit std::atomic<uint32_t> building{0};
  uint32_t none = 0;
  if (building.compare_exchange_strong(none, 1)) {
    const VlState* state = Build();
    g_state.store(state, std::memory_order_release);
    plume_trace_word.store(&state->index.Trace(), std::memory_order_relaxed);
    // Windows takes a job's name away with its last handle, and the agent may die: its successor finds the
    // VM's job because its guests hold it.
    if (!state->is_wine) VmJob(*state);
    return *state;
  }
  // The building thread makes only original calls, so it cannot come back here and wait for itself.
  for (;;) {
    if (const VlState* state = g_state.load(std::memory_order_acquire)) return *state;
    const int64_t interval = -10000;
    orig.NtDelayExecution(0, &interval);
  }
}

}  // namespace plume::vl
