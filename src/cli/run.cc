#include "cli/command.h"
#include "cli/guest.h"

namespace plume::cli {

void AddRun(CLI::App& app, Context& context) {
  struct Options {
    std::string name, entry, program, document, document_class, verb, vm, cwd;
    std::vector<std::string> arguments, environment;
    std::string report;
    bool remove = false, offline = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      app, context, "run", "Start a streamed application", "plume run editor -- 'C:\\notes.txt'",
      [o, &context]() -> Result<int> {
        if (o->name.empty())
          return Error{Errc::kInvalid,
                       "starting failed: the application's name is empty (plume apps lists them)"};
        GuestRequest request;
        request.prepare = agent::Json{
            {"app", o->name}, {"name", o->vm}, {"create", true}, {"rm", o->remove}, {"offline", o->offline}};
        request.entry = o->entry;
        request.program = o->program;
        request.document = o->document;
        request.document_class = o->document_class;
        request.verb = o->verb;
        request.arguments = o->arguments;
        request.arguments.insert(request.arguments.end(), context.tail.begin(), context.tail.end());
        request.directory = o->cwd;
        request.environment = o->environment;
        request.report = o->report;
        return RunGuest(context, request);
      });
  c->add_option("NAME", o->name, "The application (see plume apps)")->required();
  c->add_option("ARGS", o->arguments, "Arguments of the program, better after --");
  c->add_option("--entry", o->entry, "Which of its programs; default: the first");
  CLI::Option* program =
      c->add_option("--program", o->program, "A program of it that is no entry point, by its path");
  c->add_option("--open", o->document, "A file or URL, opened with what the application registers for it")
      ->excludes(program);
  c->add_option("--class", o->document_class,
                "With --open: its class of documents to take; default: by the file's type");
  c->add_option("--verb", o->verb, "With --open: what to do with it; default: the class's own");
  c->add_option("--vm", o->vm, "Name of the VM that keeps its changes; default: the application's name");
  c->add_option("--cwd", o->cwd, "Working directory, as the program sees it");
  c->add_option("--env", o->environment, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  c->add_flag("--rm", o->remove, "Delete the VM when its last process ends");
  c->add_flag("--report", o->report,
              "Say what the start waited for, when it has ended; --report=FILE.html makes a page with a "
              "timeline, FILE.json is for programs");
  c->add_flag("--offline", o->offline, "Do not look for a newer version");
}

}  // namespace plume::cli
