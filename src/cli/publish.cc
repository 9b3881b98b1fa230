#include "repository/publish.h"

#include "agent/text.h"
#include "agent/win/machine.h"
#include "cli/command.h"
#include "image/store.h"

namespace plume::cli {

void AddPublish(CLI::App& app, Context& context) {
  struct Options {
    std::string ref, repository;
    std::vector<std::string> tags;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      app, context, "publish", "Send an image of the local store to a repository",
      "plume publish editor:1.2 http://server:5000/apps --tag stable", [o, &context]() -> Result<int> {
        ASSIGN(const agent::StatePaths state, context.State());
        ASSIGN(const auto store, image::Store::Open(os::SystemFiles(), agent::HostPath(state.Store())));
        ASSIGN(const image::ImageRef ref, store->Resolve(o->ref));
        ASSIGN(const std::string where, agent::RepositoryText(o->repository));
        ASSIGN(const auto repository, repository::Open(repository::RepositoryOf(where, ref.name)));
        std::vector<std::string> tags = {ref.version};
        for (const std::string& tag : o->tags) tags.push_back(tag);
        ProgressDisplay display;
        ASSIGN(
            const repository::TransferStats sent,
            repository::Publish(*store, ref, *repository, tags, [&](const repository::TransferProgress& p) {
              display.Show({"publishing " + ref.Text(), p.bytes_done, p.bytes_total});
            }));
        const agent::Json out{{"name", ref.name},
                              {"version", ref.version},
                              {"digest", sent.digest},
                              {"repository", repository->Name()},
                              {"blobs_moved", sent.blobs_moved},
                              {"bytes_moved", sent.bytes_moved},
                              {"blobs_present", sent.blobs_present}};
        return Show(o->json, out, [&](const agent::Json&) {
          PrintLine("published " + ref.Text() + " to " + repository->Name() + ": " +
                    std::to_string(sent.blobs_moved) + " blobs, " + SizeText(sent.bytes_moved) + " sent, " +
                    std::to_string(sent.blobs_present) + " were there");
        });
      });
  c->add_option("NAME:VERSION", o->ref, "The image")->required();
  c->add_option("REPO", o->repository, "http(s)://host[:port]/prefix or oci:DIR")->required();
  c->add_option("--tag", o->tags, "A further tag, as \"stable\"; may be repeated")->allow_extra_args(false);
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
