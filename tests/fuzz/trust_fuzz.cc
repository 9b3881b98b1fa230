// What says who signed what: payloads, keys, signatures, lists of referrers, and the client's own rules. The
// first byte chooses the parser. What is accepted survives being written and read again; no bytes verify that
// were not signed.
#include <string_view>

#include "input.h"
#include "repository/artifact.h"
#include "trust/judge.h"

using namespace plume;

namespace {

const trust::PrivateKey& Key() {
  static const trust::PrivateKey key{*os::GenerateP256()};
  return key;
}

void Payload(std::string_view text) {
  const auto payload = trust::ParsePayload(text);
  if (!payload.ok()) return;
  const std::string written = trust::ToJson(*payload);
  const auto again = trust::ParsePayload(written);
  fuzz::Require(again.ok() && trust::ToJson(*again) == written, "a payload survives writing");
  fuzz::Require(!payload->statement || payload->statement->issued > 0, "a statement has its time");
}

void Keys(std::string_view text) {
  if (const auto key = trust::ParsePublicKey(text, "x"); key.ok()) {
    const auto again = trust::ParsePublicKey(key->Pem(), "x");
    fuzz::Require(again.ok() && *again == *key, "a public key survives writing");
    fuzz::Require(!trust::Verify(*key, text, text), "it signed nothing");
  }
  if (const auto key = trust::ParsePrivateKey(text, "x"); key.ok()) {
    const auto again = trust::ParsePrivateKey(key->Pem(), "x");
    fuzz::Require(again.ok() && again->Pem() == key->Pem(), "a private key survives writing");
  }
}

// Whatever is offered as signatures, nobody is believed.
void Signatures(std::string_view text) {
  const size_t half = text.size() / 2;
  const std::string digest = "sha256:" + std::string(64, 'a');
  trust::Rules rules;
  fuzz::Require(rules.Add(Key().Public(), "key", "").ok(), "a key is trusted");
  const trust::Question question{.repository = "http://s/app",
                                 .subscribed = "1",
                                 .tag = "1",
                                 .digest = digest,
                                 .image_name = "app",
                                 .now = 1,
                                 .allow_unsigned = false,
                                 .allow_older = true};
  const trust::Signature offered{std::string(text.substr(0, half)), std::string(text.substr(half))};
  static const std::string good = trust::ToJson({"x", digest, std::nullopt});
  const trust::Signature over_good{good, std::string(text)};
  fuzz::Require(!trust::Judge(rules, {offered, over_good}, question, {}).ok(), "only the key vouches");
}

void Referrers(std::string_view text) {
  const auto list = repository::ParseReferrers(text, "");
  if (!list.ok()) return;
  const auto added = repository::AddReferrer(text, {"sha256:" + std::string(64, '0'), "m", "t", 1});
  fuzz::Require(added.ok(), "a list takes one more");
  const auto again = repository::ParseReferrers(*added, "");
  fuzz::Require(again.ok() && !again->empty(), "which is in it");
}

void State(std::string_view text) {
  if (const auto rules = trust::Rules::Parse(text, "x"); rules.ok()) {
    const auto again = trust::Rules::Parse(rules->ToJson(), "x");
    fuzz::Require(again.ok() && again->ToJson() == rules->ToJson(), "rules survive writing");
    (void)rules->For("http://s/app");
  }
  if (const auto memory = trust::Memory::Parse(text, "x"); memory.ok()) {
    const auto again = trust::Memory::Parse(memory->ToJson(), "x");
    fuzz::Require(again.ok() && again->ToJson() == memory->ToJson(), "memory survives writing");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
    case 0:
      Payload(text);
      break;
    case 1:
      Keys(text);
      break;
    case 2:
      Signatures(text);
      break;
    case 3:
      Referrers(text);
      break;
    default:
      State(text);
      break;
  }
  return 0;
}
