// Keys, signatures and whom to trust: keys, sign, trust.
#include "agent/text.h"
#include "agent/win/machine.h"
#include "cli/command.h"
#include "cli/signing.h"
#include "image/manifest.h"
#include "os/clock.h"
#include "trust/rules.h"
#include "trust/signatures.h"

namespace plume::cli {
namespace {

constexpr int64_t kDaySeconds = 24 * 3600;
constexpr uint64_t kMaxKeyBytes = 64u << 10;

Result<std::string> ReadKeyFile(const std::string& user_path) {
  ASSIGN(const std::u16string path, agent::DosPath(user_path));
  return os::ReadText(os::SystemFiles(), agent::HostPath(path), kMaxKeyBytes);
}

// The id that KEYID|FILE means.
Result<std::string> KeyIdOf(const trust::Rules& rules, const std::string& text) {
  Result<std::string> id = rules.Resolve(text);
  if (id.ok() || text.find_first_not_of("0123456789abcdef") == std::string::npos) return id;
  ASSIGN(const std::string pem, ReadKeyFile(text));
  ASSIGN(const trust::PublicKey key, trust::ParsePublicKey(pem, text));
  return rules.Resolve(key.Id());
}

// As `plume add` keeps it; "" = all.
Result<std::string> RuleRepository(const std::string& text) {
  if (text.empty()) return std::string();
  ASSIGN(std::string where, agent::RepositoryText(text));
  if (!where.starts_with("http://") && !where.starts_with("https://") && !where.starts_with("oci:")) {
    return Error{
        Errc::kInvalid,
        "reading '" + text + "' failed: it is no repository (http(s)://host[:port]/prefix or oci:DIR)"};
  }
  while (where.size() > 1 && (where.back() == '/' || where.back() == '\\')) where.pop_back();
  return where;
}

Result<int> ChangeTrust(Context& context, const std::string& doing,
                        const std::function<Result<std::string>(trust::Rules&)>& change) {
  ASSIGN(const agent::StatePaths state, context.State());
  std::string line;
  const Status changed = trust::ChangeRules(os::SystemFiles(), agent::HostPath(state.root()),
                                            [&](trust::Rules& rules) -> Status {
                                              ASSIGN(line, change(rules));
                                              return Ok();
                                            });
  if (!changed.ok()) return changed.error().In(doing + " failed");
  PrintLine(line);
  return 0;
}

void AddKeys(CLI::App& app, Context& context) {
  CLI::App* keys = AddGroup(app, "keys", "Keys that sign images");
  auto folder = std::make_shared<std::string>();
  CLI::App* generate =
      AddCommand(*keys, context, "generate", "Make a key: key.pem signs, key.pub is given to clients",
                 "plume keys generate C:\\keys", [folder]() -> Result<int> {
                   ASSIGN(const std::u16string path, agent::DosPath(*folder));
                   const auto made = trust::GenerateKeyFiles(os::SystemFiles(), agent::HostPath(path));
                   if (!made.ok()) return made.error().In("generating keys failed");
                   PrintLine("made the key " + trust::ShortId(made->Id()) + ": " + ToUtf8(path) +
                             "\\key.pem signs (keep it secret), " + ToUtf8(path) +
                             "\\key.pub is for clients (plume trust add)");
                   return 0;
                 });
  generate->add_option("DIR", *folder, "Where to; no key there is ever overwritten")->required();
}

void AddTrustAdd(CLI::App& group, Context& context) {
  struct Options {
    std::string file, repository;
  };
  auto o = std::make_shared<Options>();
  CLI::App* add = AddCommand(
      group, context, "add", "Accept images that this key signed",
      "plume trust add key.pub --for http://server:5000/apps", [o, &context]() -> Result<int> {
        return ChangeTrust(context, "trusting a key", [&](trust::Rules& rules) -> Result<std::string> {
          ASSIGN(const std::string where, RuleRepository(o->repository));
          ASSIGN(const std::string pem, ReadKeyFile(o->file));
          ASSIGN(const trust::PublicKey key, trust::ParsePublicKey(pem, o->file));
          TRY(rules.Add(key, o->file.substr(o->file.find_last_of("/\\") + 1), where));
          return "the key " + trust::ShortId(key.Id()) + " is trusted for " +
                 (where.empty() ? "every repository" : where);
        });
      });
  add->add_option("KEY.pub", o->file, "The public key, from whoever publishes")->required();
  add->add_option("--for", o->repository, "Only for this repository and what is below it; default: for all");
}

void AddTrustRemove(CLI::App& group, Context& context) {
  struct Options {
    std::string key, repository;
  };
  auto o = std::make_shared<Options>();
  CLI::App* remove = AddCommand(
      group, context, "remove", "Accept nothing new that this key signed",
      "plume trust remove 1a2b3c4d --for http://server:5000/apps", [o, &context]() -> Result<int> {
        return ChangeTrust(context, "removing a key", [&](trust::Rules& rules) -> Result<std::string> {
          ASSIGN(const std::string where, RuleRepository(o->repository));
          ASSIGN(const std::string id, KeyIdOf(rules, o->key));
          TRY(rules.Remove(id, where));
          return "the key " + trust::ShortId(id) + " is not trusted any more" +
                 (where.empty() ? "" : " for " + where);
        });
      });
  remove->add_option("KEYID|FILE", o->key, "The key: the first digits of its id, or its file")->required();
  remove->add_option("--for", o->repository, "Only the rule for this repository; default: all of its rules");
}

void AddTrustRevoke(CLI::App& group, Context& context) {
  auto key = std::make_shared<std::string>();
  CLI::App* revoke = AddCommand(
      group, context, "revoke", "Refuse a key for good: what it signed is not started anew",
      "plume trust revoke 1a2b3c4d", [key, &context]() -> Result<int> {
        return ChangeTrust(context, "revoking a key", [&](trust::Rules& rules) -> Result<std::string> {
          Result<std::string> id = KeyIdOf(rules, *key);
          if (!id.ok() && id.error().code == Errc::kNotFound) {
            // Not trusted yet, but known to be lost: its file says which.
            const auto pem = ReadKeyFile(*key);
            if (!pem.ok()) return id.error();
            ASSIGN(const trust::PublicKey parsed, trust::ParsePublicKey(*pem, *key));
            TRY(rules.Add(parsed, key->substr(key->find_last_of("/\\") + 1), ""));
            id = parsed.Id();
          }
          if (!id.ok()) return id.error();
          rules.Revoke(*id);
          return "the key " + trust::ShortId(*id) + " is revoked: what it alone signed is refused";
        });
      });
  revoke->add_option("KEYID|FILE", *key, "The key: the first digits of its id, or its file")->required();
}

void AddTrustList(CLI::App& group, Context& context) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* show = AddCommand(
      group, context, "list", "Show the keys, and for what they are trusted", "plume trust list --json",
      [as_json, &context]() -> Result<int> {
        ASSIGN(const agent::StatePaths state, context.State());
        const auto loaded = trust::LoadRules(os::SystemFiles(), agent::HostPath(state.root()));
        if (!loaded.ok()) return loaded.error().In("listing the keys failed");
        const trust::Rules& rules = *loaded;
        agent::Json rows = agent::Json::array();
        for (const trust::TrustedKey& key : rules.keys())
          rows.push_back(
              {{"id", key.id}, {"name", key.name}, {"for", key.repositories}, {"revoked", key.revoked}});
        return Show(*as_json, rows, [](const agent::Json& list) {
          Table table({"KEY", "FILE", "STATE", "FOR"});
          for (const agent::Json& r : list) {
            std::string repositories;
            for (const agent::Json& one : r["for"]) {
              const std::string text = one.get<std::string>();
              repositories += (repositories.empty() ? "" : ", ") + (text.empty() ? "all" : text);
            }
            table.Add({trust::ShortId(Field(r, "id")), Field(r, "name"),
                       r.value("revoked", false) ? "revoked" : "trusted", repositories});
          }
          table.Print();
        });
      });
  show->add_flag("--json", *as_json, "Print JSON");
}

void AddTrustGrace(CLI::App& group, Context& context) {
  auto days = std::make_shared<uint32_t>(0);
  CLI::App* grace = AddCommand(
      group, context, "grace", "How long past its expiry a publisher's word still counts, with a warning",
      "plume trust grace 30", [days, &context]() -> Result<int> {
        return ChangeTrust(context, "setting the grace", [&](trust::Rules& rules) -> Result<std::string> {
          rules.grace_seconds = int64_t{*days} * kDaySeconds;
          return "updates are refused " + std::to_string(*days) + " days past the expiry of a signature";
        });
      });
  grace->add_option("DAYS", *days, "0 to 36000; 14 unless set")->required()->check(CLI::Range(0u, 36000u));
}

void AddSign(CLI::App& app, Context& context) {
  struct Options {
    std::string ref, key;
    std::vector<std::string> tags;
    uint32_t days = 0;
    bool refresh = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* sign = AddCommand(
      app, context, "sign", "Sign an image in a repository, or renew the signatures of all",
      "plume sign http://server:5000/apps/editor:1.2 --key C:\\keys\\key.pem\n"
      "  plume sign http://server:5000/apps/editor --refresh --valid 30 --key C:\\keys\\key.pem",
      [o]() -> Result<int> {
        ASSIGN(const trust::PrivateKey key, ReadSigningKey(o->key));
        ASSIGN(std::string where, agent::RepositoryText(o->ref));
        std::string tag;
        const size_t name = where.find_last_of("/\\"), colon = where.rfind(':');
        if (!o->refresh) {
          if (name == std::string::npos || colon == std::string::npos || colon < name ||
              colon + 1 == where.size()) {
            return Error{Errc::kInvalid, "signing '" + o->ref +
                                             "' failed: it is not REPO/NAME:TAG (for example "
                                             "http://server:5000/apps/editor:1.2)"};
          }
          tag = where.substr(colon + 1);
          where.resize(colon);
        }
        ASSIGN(const auto repository, repository::Open(where));
        if (o->refresh) {
          const auto done =
              trust::RefreshRepository(*repository, key, UnixNow(), int64_t{o->days} * kDaySeconds);
          if (!done.ok()) return done.error().In("signing anew failed");
          PrintLine("signed anew: " + std::to_string(done->images) + " images, " +
                    std::to_string(done->tags) + " tags, by the key " + trust::ShortId(key.Public().Id()));
          return 0;
        }
        const auto sign_one = [&]() -> Status {
          ASSIGN(const repository::ManifestBlob blob, repository->GetManifest(tag));
          ASSIGN(const image::Manifest manifest, image::ParseManifest(blob.bytes));
          std::vector<std::string> tags = {tag};
          tags.insert(tags.end(), o->tags.begin(), o->tags.end());
          return SignAs(*repository, key, {blob.digest, manifest.name, manifest.version}, tags, o->days);
        };
        const Status signed_now = sign_one();
        if (!signed_now.ok()) return signed_now.error().In("signing " + o->ref + " failed");
        PrintLine("signed " + o->ref + " by the key " + trust::ShortId(key.Public().Id()));
        return 0;
      });
  sign->add_option("REPO/NAME:TAG", o->ref, "The image; with --refresh the repository, without a tag")
      ->required();
  sign->add_option("--key", o->key, "The private key (plume keys generate)")->required();
  sign->add_option("--tag", o->tags, "A further tag it may be found under; may be repeated")
      ->allow_extra_args(false);
  sign->add_option("--valid", o->days,
                   "Days until clients warn that newer versions may be kept from them; sign again before")
      ->check(CLI::Range(1u, 36000u));
  sign->add_flag("--refresh", o->refresh, "Sign anew what this key signed, for the tags that still mean it");
}

}  // namespace

std::string SignerText(const agent::Json& app) {
  const std::string key = Field(app, "signed_by");
  return key.empty() ? "no (allowed)" : trust::ShortId(key);
}

std::string SignedText(const agent::Json& app) {
  const std::string key = Field(app, "signed_by");
  return key.empty() ? ", not signed (allowed)" : ", signed by " + trust::ShortId(key);
}

int64_t UnixNow() { return os::UnixSecondsFromFiletime(os::SystemClock().NowFiletime()); }

Result<trust::PrivateKey> ReadSigningKey(const std::string& user_path) {
  const auto read = [&]() -> Result<trust::PrivateKey> {
    ASSIGN(const std::string pem, ReadKeyFile(user_path));
    return trust::ParsePrivateKey(pem, user_path);
  };
  Result<trust::PrivateKey> key = read();
  if (!key.ok()) return key.error().In("signing failed");
  return key;
}

Status SignAs(repository::Repository& at, const trust::PrivateKey& key, const SignedImage& image,
              const std::vector<std::string>& tags, uint32_t valid_days) {
  for (const std::string& tag : tags) {
    if (!image::IsImageVersion(tag)) return Error{Errc::kInvalid, "'" + tag + "' is no tag"};
  }
  const auto done = trust::SignImage(
      at, key, {image.digest, image.name, image.version, tags, UnixNow(), int64_t{valid_days} * kDaySeconds});
  return done.ok() ? Ok() : Status(done.error());
}

void AddTrust(CLI::App& app, Context& context) {
  AddKeys(app, context);
  AddSign(app, context);
  CLI::App* group = AddGroup(app, "trust", "Whose images this machine accepts");
  AddTrustAdd(*group, context);
  AddTrustList(*group, context);
  AddTrustRemove(*group, context);
  AddTrustRevoke(*group, context);
  AddTrustGrace(*group, context);
}

}  // namespace plume::cli
