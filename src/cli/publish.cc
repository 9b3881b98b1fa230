#include "repository/publish.h"

#include <optional>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "cli/command.h"
#include "cli/signing.h"
#include "image/store.h"
#include "repository/deltas.h"

namespace plume::cli {

void AddPublish(CLI::App& app, Context& context) {
  struct Options {
    std::string ref, repository, key;
    std::vector<std::string> tags;
    size_t deltas = 2;
    uint32_t valid_days = 0;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      app, context, "publish", "Send an image of the local store to a repository",
      "plume publish editor:1.2 http://server:5000/apps --tag stable", [o, &context]() -> Result<int> {
        // Before anything is sent.
        std::optional<trust::PrivateKey> key;
        if (!o->key.empty()) {
          ASSIGN(key, ReadSigningKey(o->key));
        }
        ASSIGN(const agent::StatePaths state, context.State());
        ASSIGN(const auto store, image::Store::Open(os::SystemFiles(), agent::HostPath(state.Store())));
        ASSIGN(const image::ImageRef ref, store->Resolve(o->ref));
        ASSIGN(const std::string where, agent::RepositoryText(o->repository));
        ASSIGN(const auto repository, repository::Open(repository::RepositoryOf(where, ref.name)));
        std::vector<std::string> tags = {ref.version};
        for (const std::string& tag : o->tags) tags.push_back(tag);
        // Before the tags move: what they mean now is what clients have.
        ASSIGN(const std::vector<std::string> bases,
               repository::DeltaBases(*repository, ref, tags, o->deltas));
        // The signature first: no client ever finds the image under its tags without it.
        if (key) {
          const Status done =
              SignAs(*repository, *key, {ref.digest, ref.name, ref.version}, tags, o->valid_days);
          if (!done.ok()) return done.error().In("publishing " + ref.Text() + " to " + repository->Name());
        }
        ProgressDisplay display;
        ASSIGN(
            const repository::TransferStats sent,
            repository::Publish(*store, ref, *repository, tags, [&](const repository::TransferProgress& p) {
              display.Show({"publishing " + ref.Text(), p.bytes_done, p.bytes_total});
            }));
        const auto deltas =
            repository::PublishDeltas(*store, ref, bases, *repository, [&](uint64_t done, uint64_t total) {
              display.Show({"comparing with older versions", done, total});
            });
        agent::Json made = agent::Json::array();
        // The image is there: clients fetch chunks where they have no delta.
        if (!deltas.ok()) Warn(deltas.error().message);
        if (deltas.ok()) {
          for (const repository::DeltaStats& d : *deltas) {
            made.push_back({{"base", d.base},
                            {"files", d.files},
                            {"bytes", d.bytes},
                            {"replaced", d.replaced},
                            {"was_there", d.was_there}});
          }
        }
        const agent::Json out{{"name", ref.name},
                              {"version", ref.version},
                              {"digest", sent.digest},
                              {"repository", repository->Name()},
                              {"key", key ? key->Public().Id() : std::string()},
                              {"blobs_moved", sent.blobs_moved},
                              {"bytes_moved", sent.bytes_moved},
                              {"blobs_present", sent.blobs_present},
                              {"deltas", made}};
        return Show(o->json, out, [&](const agent::Json&) {
          PrintLine("published " + ref.Text() + " to " + repository->Name() + ": " +
                    std::to_string(sent.blobs_moved) + " blobs, " + SizeText(sent.bytes_moved) + " sent, " +
                    std::to_string(sent.blobs_present) + " were there" +
                    (key ? ", signed by " + trust::ShortId(key->Public().Id()) : ", not signed"));
          for (const agent::Json& d : made) {
            if (NumberField(d, "bytes") == 0) continue;
            PrintLine("update from " + Field(d, "base").substr(0, 19) + ": " +
                      SizeText(NumberField(d, "bytes")) + " instead of " +
                      SizeText(NumberField(d, "replaced")));
          }
        });
      });
  c->add_option("NAME:VERSION", o->ref, "The image")->required();
  c->add_option("REPO", o->repository, "http(s)://host[:port]/prefix or oci:DIR")->required();
  c->add_option("--tag", o->tags, "A further tag, as \"stable\"; may be repeated")->allow_extra_args(false);
  c->add_option("--deltas", o->deltas,
                "From how many older versions small updates are made (default 2; 0: none)")
      ->check(CLI::Range(0, 16));
  c->add_option("--key", o->key, "Sign it with this private key (plume keys generate)");
  c->add_option("--valid", o->valid_days, "Days the signature's word that this is the newest holds")
      ->check(CLI::Range(1u, 36000u));
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
