#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

constexpr nt::AccessMask kMutantAll = 0x1f0001;
// Who is stopped in a debugger, or fetches a large file over a slow line, does not stop the others for ever.
constexpr nt::LargeInteger kPatience = -10 * 10'000'000;

}  // namespace

CopyTurn::CopyTurn(const view::VPath& path) {
  constexpr view::WView kPrefix(u"\\BaseNamedObjects\\plume-copy-", 29);
  char16_t name[kPrefix.size() + 17];
  std::memcpy(name, kPrefix.data(), kPrefix.size() * 2);
  for (size_t i = 0; i < 16; ++i) {
    name[kPrefix.size() + i] = u"0123456789abcdef"[(path.hash[path.depth] >> (60 - 4 * i)) & 15];
  }
  name[kPrefix.size() + 16] = 0;
  OwnAttributes object(view::WView(name, kPrefix.size() + 16));
  object.attributes.attributes |= nt::kObjOpenIf;
  // Another user's, or no such directory on this system: then without.
  if (!nt::Ok(orig.NtCreateMutant(&mutant_, kMutantAll, &object.attributes, 0))) {
    mutant_ = nullptr;
    return;
  }
  const nt::NtStatus s = orig.NtWaitForSingleObject(mutant_, 0, &kPatience);
  constexpr nt::NtStatus kAbandoned = 0x80;
  if (s != nt::kSuccess && s != kAbandoned) {
    orig.NtClose(mutant_);
    mutant_ = nullptr;
  }
}

CopyTurn::~CopyTurn() {
  if (!mutant_) return;
  orig.NtReleaseMutant(mutant_, nullptr);
  orig.NtClose(mutant_);
}

}  // namespace plume::vl
