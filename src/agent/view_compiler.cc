#include "agent/view_compiler.h"

#include <algorithm>

#include "agent/text.h"
#include "flatbuffers/flatbuffers.h"
#include "wire/view_generated.h"

namespace plume::agent {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

Offset<flatbuffers::Vector<uint16_t>> Text(FlatBufferBuilder& b, std::u16string_view text) {
  return b.CreateVector(reinterpret_cast<const uint16_t*>(text.data()), text.size());
}

Offset<flatbuffers::Vector<Offset<wire::Rule>>> Rules(FlatBufferBuilder& b,
                                                      const std::vector<PolicyRule>& rules) {
  std::vector<Offset<wire::Rule>> out;
  for (const PolicyRule& r : rules) {
    const auto origin = b.CreateString(r.origin);
    const auto prefix = Text(b, r.prefix);
    out.push_back(wire::CreateRule(b, prefix, static_cast<uint8_t>(r.mode), origin));
  }
  return b.CreateVector(out);
}

Offset<flatbuffers::Vector<Offset<wire::NameRule>>> NameRules(FlatBufferBuilder& b,
                                                              const std::vector<PolicyNameRule>& rules) {
  std::vector<Offset<wire::NameRule>> out;
  for (const PolicyNameRule& r : rules) {
    const auto origin = b.CreateString(r.origin);
    const auto pattern = Text(b, r.pattern);
    out.push_back(wire::CreateNameRule(b, pattern, static_cast<uint8_t>(r.mode), origin));
  }
  return b.CreateVector(out);
}

Offset<wire::Clipboard> ClipboardTable(FlatBufferBuilder& b, const ClipboardPolicy& clipboard) {
  std::vector<Offset<flatbuffers::String>> formats;
  for (const std::string& f : clipboard.formats) formats.push_back(b.CreateString(f));
  const auto formats_at = b.CreateVector(formats);
  return wire::CreateClipboard(b, static_cast<uint8_t>(clipboard.mode), formats_at, clipboard.max_bytes);
}

Offset<wire::Network> NetworkTable(FlatBufferBuilder& b, const NetworkPolicy& network,
                                   const std::vector<AddressRange>& allow,
                                   const std::vector<uint16_t>& real_ports) {
  std::vector<Offset<wire::NetworkRule>> rules;
  for (const AddressRange& r : allow) {
    const auto address = b.CreateVector(r.address);
    const auto origin = b.CreateString(r.origin);
    const auto host = r.host.empty() ? Offset<flatbuffers::Vector<uint16_t>>() : Text(b, r.host);
    rules.push_back(wire::CreateNetworkRule(b, address, r.bits, r.first_port, r.last_port, origin, host));
  }
  const auto allow_at = b.CreateVector(rules);
  const auto ports = b.CreateVector(network.private_ports);
  const auto real = b.CreateVector(real_ports);
  return wire::CreateNetwork(b, static_cast<uint8_t>(network.mode), allow_at, ports, real);
}

std::u16string DigestHex(const std::string& digest) {
  const size_t colon = digest.find(':');
  return ToUtf16(colon == digest.npos ? digest : digest.substr(colon + 1));
}

}  // namespace

Result<std::u16string> MountPrefix(const std::string& root, bool registry, const MachineFacts& facts) {
  if (registry) {
    if (root == "M") return std::u16string(u"M");
    if (root == "CU") return u"U\\" + facts.user_sid;
  } else {
    if (root == "Profile") return facts.profile;
    if (root.size() == 1 && root[0] >= 'A' && root[0] <= 'Z')
      return std::u16string{static_cast<char16_t>(root[0]), u':'};
  }
  return Error{Errc::kInvalid, "preparing the VM failed: its image has an unknown root '" + root +
                                   "' (made by a later version of Plume?)"};
}

Result<std::vector<uint8_t>> CompileView(const ViewInput& in) {
  FlatBufferBuilder b(16 << 10);
  const StatePaths& state = *in.state;
  const std::u16string user_key = u"\\REGISTRY\\USER\\" + in.facts->user_sid;

  const bool alone = std::any_of(in.policy.keys.begin(), in.policy.keys.end(), [](const PolicyRule& rule) {
    return rule.mode != view::Mode::kMerge && rule.origin.rfind("mandatory", 0) != 0;
  });
  std::vector<Offset<wire::Layer>> layers;
  for (const LayerInput& layer : in.layers) {
    std::vector<Offset<wire::Mount>> mounts;
    for (const auto* root : *layer.catalog->raw().roots()) {
      const std::string name = root->name()->str();
      ASSIGN(const std::u16string prefix, MountPrefix(name, root->registry(), *in.facts));
      const std::u16string real =
          root->registry()
              ? user_key + u"\\" + state.ImageKey(DigestHex(layer.digest), alone) + u"\\" + ToUtf16(name)
              : NtPath(layer.files) + u"\\" + ToUtf16(name);
      const auto prefix_at = Text(b, prefix);
      const auto real_at = Text(b, real);
      mounts.push_back(wire::CreateMount(b, prefix_at, root->index(), root->registry(), real_at));
    }
    const auto catalog = Text(b, NtPath(layer.catalog_path));
    const auto mounts_at = b.CreateVector(mounts);
    const auto digest = b.CreateString(layer.digest);
    layers.push_back(wire::CreateLayer(b, static_cast<uint32_t>(layers.size()), catalog, mounts_at, digest));
  }

  const auto vm_id = Text(b, in.vm_id);
  const auto vm_name = Text(b, in.vm_name);
  const auto upper = Text(b, NtPath(state.WorkspaceFile(in.vm_id, in.workspace, u"upper")));
  const auto scratch = Text(b, NtPath(state.WorkspaceFile(in.vm_id, in.workspace, u"scratch")));
  const auto index = Text(b, NtPath(state.WorkspaceFile(in.vm_id, in.workspace, u"index.plx")));
  const auto registry_upper = Text(b, user_key + u"\\" + state.WorkspaceKey(in.vm_id, in.workspace));
  const auto user = Text(b, user_key);
  const auto pipe = Text(b, state.GuestPipeNt());
  const auto job = Text(b, in.objects + u"\\" + state.Job(in.vm_id));
  const auto vl64 = Text(b, NtPath(in.program_folder + u"\\plume-vl64.dll"));
  const auto vl32 = Text(b, NtPath(in.program_folder + u"\\plume-vl32.dll"));
  const auto layers_at = b.CreateVector(layers);
  const auto file_rules = Rules(b, in.policy.files);
  const auto key_rules = Rules(b, in.policy.keys);
  const auto object_rules = NameRules(b, in.policy.objects);
  const auto device_rules = NameRules(b, in.policy.devices);
  const auto window_rules = NameRules(b, in.policy.windows);
  const auto clipboard = ClipboardTable(b, in.policy.clipboard.value_or(ClipboardPolicy()));
  const auto network =
      NetworkTable(b, in.policy.network.value_or(NetworkPolicy()), in.network_allow, in.real_ports);
  const auto trace = in.trace.empty() ? Offset<flatbuffers::Vector<uint16_t>>() : Text(b, in.trace);
  std::u16string font_list;
  for (const std::u16string& font : in.fonts) font_list += (font_list.empty() ? u"" : u"|") + font;
  const auto fonts = font_list.empty() ? Offset<flatbuffers::Vector<uint16_t>>() : Text(b, font_list);
  const auto view =
      wire::CreateView(b, 1, vm_id, vm_name, upper, scratch, index, registry_upper, user, pipe, job, vl64,
                       vl32, layers_at, file_rules, key_rules, object_rules, device_rules, window_rules,
                       in.policy.show_all_processes, clipboard, network, trace, fonts);
  wire::FinishViewBuffer(b, view);
  return std::vector<uint8_t>(b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize());
}

}  // namespace plume::agent
