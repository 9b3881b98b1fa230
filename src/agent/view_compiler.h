// VM + policy + images -> the compiled view that guests map (wire/view.fbs). Pure; docs/formats/view.md.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "agent/policy.h"
#include "agent/state.h"
#include "base/result.h"
#include "catalog/reader.h"

namespace plume::agent {

struct LayerInput {
  std::string digest;           // "sha256:<hex>"
  std::u16string catalog_path;  // DOS path of the mapped catalog
  std::u16string files;         // DOS path of state\images\<hex>
  const catalog::Reader* catalog = nullptr;
};

// A resolved NetworkPlace: the first `bits` of `address` (4 or 16 bytes, network order) must agree.
struct AddressRange {
  std::vector<uint8_t> address;
  uint8_t bits = 0;
  uint16_t first_port = 0, last_port = 65535;
  std::string origin;
  std::u16string host = {};  // the name it was written with; empty for addresses
};

struct ViewInput {
  const StatePaths* state = nullptr;
  const MachineFacts* facts = nullptr;
  std::u16string vm_id, vm_name;
  uint32_t workspace = 1;
  std::u16string program_folder;            // where plume-vl64.dll is
  std::u16string objects;                   // NT directory of named objects: "\Sessions\1\BaseNamedObjects"
  Policy policy;                            // complete
  std::vector<LayerInput> layers;           // top first
  std::vector<AddressRange> network_allow;  // policy.network->allow, names resolved
  std::vector<uint16_t> real_ports;         // one for each of policy.network->private_ports
  std::u16string trace;                     // NT path of the folder for traces; empty: never traced
  std::vector<std::u16string> fonts;        // virtual DOS paths (fonts.h)
};

// Layer ids are positions. kInvalid if an image has a root that Plume does not know.
Result<std::vector<uint8_t>> CompileView(const ViewInput& input);

// Where a catalog's root hangs in the guest's view: "C" -> "C:", "Profile" -> the profile folder, "CU" ->
// "U\<sid>".
Result<std::u16string> MountPrefix(const std::string& root, bool registry, const MachineFacts& facts);

}  // namespace plume::agent
