// service_tree.cpp: the commands of the command line that have commands of their own, those that change settings, and those
// that watch.
#include "controlplane/millctl/arguments.h"
#include "controlplane/millctl/completion.h"
#include "controlplane/millctl/top.h"
#include "millrace/limits.h"

namespace millrace::millctl {
namespace {

CLI::App* add_group(CLI::App& app, const char* name, const char* text, const char* examples) {
  CLI::App* group = app.add_subcommand(name, text);
  group->footer(std::string("Examples:\n") + examples);
  group->require_subcommand(1);
  return group;
}

CLI::App* add_of_service(CLI::App& group, Arguments& a, const char* name, const char* text, const char* examples,
                         std::function<Exit()> run) {
  CLI::App* command = add_command(group, a, name, text, examples, std::move(run));
  command->add_option("NAME", a.service, "name of the service")->required();
  return command;
}

void add_file(CLI::App& command, Arguments& a) {
  command.add_option("FILE", a.file, "the keys of [servers.NAME] in TOML or JSON; - is standard input")->required();
}

CLI::App* add_of_backend(CLI::App& group, Arguments& a, const char* name, const char* text, const char* examples,
                         std::function<Exit()> run) {
  CLI::App* command = add_command(group, a, name, text, examples, std::move(run));
  command->add_option("SERVICE", a.service, "name of the service")->required();
  command->add_option("BACKEND", a.backend, "10.0.0.1:80 or [fd00::1]:80")->required();
  return command;
}

void add_backend_options(CLI::App& command, BackendOptions& which) {
  command.add_option("--weight", which.weight, "its share; 0 gets no new connection")
      ->check(CLI::Range(0u, kWeightMax));
  command.add_option("--priority", which.priority, "others are used only when all of a lower one are down")
      ->check(CLI::Range(0u, kPriorityMax));
  command.add_option("--max-connections", which.max_connections, "0: no limit");
  command.add_option("--sni", which.sni, "only for this server name");
  command.add_option("--proxy-protocol", which.proxy_protocol, "none, 1 or 2")
      ->check(CLI::IsMember({"none", "1", "2"}));
}

void add_admin(CLI::App& group, Arguments& a, const char* name, const char* text, const char* examples,
               const char* admin) {
  add_of_backend(group, a, name, text, examples,
                 [&a, admin] { return run_admin(a.options, a.service, a.backend, admin); });
}

void add_completion(CLI::App& app, Arguments& a) {
  CLI::App* group = add_group(app, "completion", "A script that teaches a shell to complete millctl's words",
                              "  millctl completion bash > /etc/bash_completion.d/millctl\n"
                              "  millctl completion zsh > /usr/share/zsh/site-functions/_millctl\n"
                              "  millctl completion fish > ~/.config/fish/completions/millctl.fish");
  add_command(*group, a, "bash", "For bash", "  source <(millctl completion bash)",
              [&app] { return run_completion(app, Shell::bash); });
  add_command(*group, a, "zsh", "For zsh", "  source <(millctl completion zsh)",
              [&app] { return run_completion(app, Shell::zsh); });
  add_command(*group, a, "fish", "For fish", "  millctl completion fish | source",
              [&app] { return run_completion(app, Shell::fish); });
}

}  // namespace

void add_service_group(CLI::App& app, Arguments& a) {
  CLI::App* group = add_group(app, "service", "Add, change and remove services; kept over restarts",
                              "  millctl service add mail mail.toml\n"
                              "  echo 'balance = \"leastconn\"' | millctl service set --merge web -\n"
                              "  millctl service remove mail");
  add_file(*add_of_service(*group, a, "add", "A new service", "  millctl service add mail mail.toml",
                           [&a] { return run_service_add(a.options, a.service, a.file); }),
           a);
  CLI::App* set = add_of_service(*group, a, "set", "Replace a service, or some of its keys",
                                 "  millctl service set web web.toml\n"
                                 "  echo '{\"max_connections\": 1000}' | millctl service set --merge web -",
                                 [&a] { return run_service_set(a.options, a.service, a.file, a.merge); });
  add_file(*set, a);
  set->add_flag("--merge", a.merge, "only the keys that FILE has; null in JSON removes one");
  add_of_service(*group, a, "remove", "No new connections; the established ones stay until they close",
                 "  millctl service remove mail", [&a] { return run_service_remove(a.options, a.service); });
  add_of_service(*group, a, "show", "Its keys as they are written", "  millctl service show web",
                 [&a] { return run_service_show(a.options, a.service); });
  CLI::App* tune = add_command(app, a, "tune", "Settings that need no restart, with their ranges; kept over restarts",
                               "  millctl tune\n"
                               "  millctl tune timeouts.syn_sent=5s dataplane.idle=adaptive\n"
                               "  millctl tune logging.level=debug\n"
                               "  millctl tune --reset logging.level timeouts.syn_sent",
                               [&a] { return run_tune(a.options, a.tune); });
  tune->add_option("SETTINGS", a.tune.assignments, "NAME=VALUE ...: all of them are in force, or none");
  tune->add_option("--reset", a.tune.resets, "NAME ...: go back to what the file says");
  CLI::App* changes =
      add_command(app, a, "changes", "Services and settings that are not as the file has them",
                  "  millctl changes\n  millctl changes --drop", [&a] { return run_changes(a.options, a.drop); });
  changes->add_flag("--drop", a.drop, "go back to the file");
  CLI::App* dump = add_command(app, a, "dump", "The configuration in force, without secrets",
                               "  millctl dump > now.toml\n  millctl dump --format json",
                               [&a] { return run_dump(a.options, a.format); });
  dump->add_option("--format", a.format, "toml or json")->check(CLI::IsMember({"toml", "json"}))->capture_default_str();
}

void add_backend_group(CLI::App& app, Arguments& a) {
  CLI::App* group =
      add_group(app, "backend", "Add, change and remove backends of a static_list; drain, disable and weigh any",
                "  millctl backend add web 10.0.0.7:80 --weight 4\n"
                "  millctl backend drain web 10.0.0.1:80\n"
                "  millctl backend remove web 10.0.0.1:80");
  add_backend_options(
      *add_of_backend(*group, a, "add", "A new backend; kept over restarts",
                      "  millctl backend add web 10.0.0.7:80 --weight 4",
                      [&a] { return run_backend_add(a.options, a.service, a.backend, a.backend_options); }),
      a.backend_options);
  add_backend_options(
      *add_of_backend(*group, a, "set", "Other options; kept over restarts",
                      "  millctl backend set web 10.0.0.7:80 --weight 4 --max-connections 100",
                      [&a] { return run_backend_set(a.options, a.service, a.backend, a.backend_options); }),
      a.backend_options);
  add_of_backend(*group, a, "remove", "No new connections; the established ones stay until they close",
                 "  millctl backend remove web 10.0.0.1:80",
                 [&a] { return run_backend_remove(a.options, a.service, a.backend); });
  add_admin(*group, a, "drain", "No new connections; the established ones stay until they close",
            "  millctl backend drain web 10.0.0.1:80", "drain");
  add_admin(*group, a, "disable", "No new connections, and no health checks",
            "  millctl backend disable web 10.0.0.1:80", "disabled");
  add_admin(*group, a, "enable", "Take back drain or disable", "  millctl backend enable web 10.0.0.1:80", "enabled");
  add_of_backend(*group, a, "weight", "Another weight until millraced ends; 0 gets no new connection",
                 "  millctl backend weight web 10.0.0.1:80 5",
                 [&a] { return run_weight(a.options, a.service, a.backend, a.weight); })
      ->add_option("N", a.weight, "the weight")
      ->required()
      ->check(CLI::Range(0u, kWeightMax));
}

void add_watching(CLI::App& app, Arguments& a) {
  CLI::App* events = add_command(app, a, "events", "What has happened, and what happens",
                                 "  millctl events\n  millctl events --follow\n  millctl --json events --after 1200",
                                 [&a] { return run_events(a.options, a.after, a.follow); });
  events->add_option("--after", a.after, "only after the event of this number")
      ->check(CLI::Range(uint64_t{0}, uint64_t{999'999'999'999'999'999}));
  events->add_flag("--follow,-f", a.follow, "go on until interrupted; with --json a line each");
  add_command(app, a, "top", "Services, backends and workers, live", "  millctl top",
              [&a] { return run_top(a.options); });
  add_completion(app, a);
}

}  // namespace millrace::millctl
