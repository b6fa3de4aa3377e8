// main.cpp: millctl's command line. One subcommand, one request, one exit code.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>

#include "controlplane/millctl/arguments.h"
#include "controlplane/millctl/commands.h"
#include "millrace/limits.h"

namespace millrace::millctl {

CLI::App* add_command(CLI::App& app, Arguments& arguments, const char* name, const char* text, const char* examples,
                      std::function<Exit()> run) {
  CLI::App* command = app.add_subcommand(name, text);
  command->footer(std::string("Examples:\n") + examples);
  command->callback([&arguments, run = std::move(run)] { arguments.chosen = run; });
  return command;
}

namespace {

constexpr char kDefaultSocket[] = "/run/millrace.sock";
constexpr uint32_t kListMax = 10'000;   // as the API has it
constexpr uint32_t kIntervalMaxS = 60;  // likewise

constexpr char kFooter[] =
    "Examples:\n"
    "  millctl status\n"
    "  millctl backends --service web\n"
    "  millctl connections --client 192.0.2.7 --count\n"
    "  millctl stages --interval 10\n"
    "  millctl backend drain web 10.0.0.1:80\n"
    "  millctl service add mail mail.toml\n"
    "  millctl events --follow\n"
    "  millctl check /etc/millrace.toml && millctl reload\n"
    "\n"
    "Exit codes: 0 done, 1 refused, 2 wrong arguments (or plan: a difference), 3 millraced cannot be reached.\n"
    "Environment: MILLRACE_SOCKET instead of --socket.";

void add_views(CLI::App& app, Arguments& a) {
  add_command(app, a, "status", "Both processes, the configuration, totals and rates",
              "  millctl status\n  millctl --json status", [&a] { return run_status(a.options); });
  add_command(app, a, "services", "Services with their state and counters", "  millctl services",
              [&a] { return run_services(a.options); });
  CLI::App* backends = add_command(app, a, "backends", "Backends with health, admin state and counters",
                                   "  millctl backends\n  millctl backends --service web",
                                   [&a] { return run_backends(a.options, a.service); });
  backends->add_option("--service", a.service, "only of this service");
  CLI::App* connections = add_command(
      app, a, "connections", "Connections in the slab",
      "  millctl connections\n  millctl connections --service web --limit 1000\n"
      "  millctl connections --backend 10.0.0.1:80 --count\n  millctl connections --client 192.0.2.7 --verbose",
      [&a] { return run_connections(a.options, a.connections); });
  connections->add_option("--service", a.connections.service, "only of this service");
  connections->add_option("--backend", a.connections.backend, "only to this backend, 10.0.0.1:80 or [fd00::1]:80");
  connections->add_option("--client", a.connections.client, "only from this address, or address:port");
  connections->add_option("--limit", a.connections.limit, "how many to list")
      ->check(CLI::Range(1u, kListMax))
      ->capture_default_str();
  connections->add_flag("--count", a.connections.count, "only say how many there are");
  connections->add_flag("--verbose", a.connections.verbose, "both halves of proxied ones, and what translates them");
  add_command(app, a, "counters", "Every counter of every worker", "  millctl counters\n  millctl --json counters",
              [&a] { return run_counters(a.options); });
  CLI::App* stages =
      add_command(app, a, "stages", "What each stage of a worker's loop costs a packet",
                  "  millctl stages\n  millctl stages --worker 0 --interval 10\n  millctl --json stages --interval 1",
                  [&a] { return run_stages(a.options, a.stages); });
  stages->add_option("--worker", a.stages.worker, "only of this worker")->check(CLI::Range(0u, kWorkerMax - 1));
  stages
      ->add_option("--interval", a.stages.interval_s,
                   "of the seconds from now on; otherwise since the dataplane's start")
      ->check(CLI::Range(1u, kIntervalMaxS));
  add_command(app, a, "drops", "Dropped packets by reason", "  millctl drops\n  millctl --json drops",
              [&a] { return run_drops(a.options); });
  add_command(app, a, "snat", "How full each SNAT pool is, towards whom, and when it will be",
              "  millctl snat\n  millctl --json snat", [&a] { return run_snat(a.options); });
  add_command(app, a, "steering", "How packets reach the worker that owns them, and how evenly the workers are loaded",
              "  millctl steering\n  millctl --json steering", [&a] { return run_steering(a.options); });
  add_command(app, a, "version", "Versions of millctl and millraced", "  millctl version",
              [&a] { return run_version(a.options); });
}

CLI::App* add_backend_command(CLI::App& app, Arguments& a, const char* name, const char* text, const char* examples,
                              std::function<Exit()> run) {
  CLI::App* command = add_command(app, a, name, text, examples, std::move(run));
  command->add_option("SERVICE", a.service, "name of the service")->required();
  command->add_option("BACKEND", a.backend, "10.0.0.1:80 or [fd00::1]:80")->required();
  return command;
}

void add_whole_changes(CLI::App& app, Arguments& a) {
  CLI::App* plan = add_command(app, a, "plan",
                               "What a configuration file would change, and what that does to connections; exit code 2 "
                               "when there is a difference",
                               "  millctl plan new.toml\n  ./make-config | millctl plan -",
                               [&a] { return run_plan(a.options, a.change); });
  plan->add_option("FILE", a.change.file, "the file; - is standard input")->required();
  CLI::App* apply =
      add_command(app, a, "apply", "Put a configuration file in force and in the place of millraced's own",
                  "  millctl apply new.toml\n  millctl apply new.toml --confirm-within 60s",
                  [&a] { return run_apply(a.options, a.change); });
  apply->add_option("FILE", a.change.file, "the file; - is standard input")->required();
  apply->add_option("--confirm-within", a.change.confirm_within,
                    "go back unless millctl confirm comes within this time, 1s to 24h");
  add_command(app, a, "confirm", "Keep what was applied with --confirm-within", "  millctl confirm",
              [&a] { return run_confirm(a.options); });
  CLI::App* rollback =
      add_command(app, a, "rollback", "Back to the configuration before, or to one of the history",
                  "  millctl rollback\n  millctl rollback 12", [&a] { return run_rollback(a.options, a.change); });
  rollback->add_option("N", a.change.number, "its number in millctl history");
  CLI::App* history =
      add_command(app, a, "history", "The last configurations that were in force, or one of them",
                  "  millctl history\n  millctl history 12", [&a] { return run_history(a.options, a.change); });
  history->add_option("N", a.change.number, "show this one");
}

void add_changes(CLI::App& app, Arguments& a) {
  add_backend_command(app, a, "drain", "No new connections; the established ones stay until they close",
                      "  millctl drain web 10.0.0.1:80",
                      [&a] { return run_admin(a.options, a.service, a.backend, "drain"); });
  add_backend_command(app, a, "enable", "Take back drain or disable", "  millctl enable web 10.0.0.1:80",
                      [&a] { return run_admin(a.options, a.service, a.backend, "enabled"); });
  add_backend_command(app, a, "disable", "No new connections, and no health checks",
                      "  millctl disable web '[fd00::1]:80'",
                      [&a] { return run_admin(a.options, a.service, a.backend, "disabled"); });
  CLI::App* weight = add_backend_command(app, a, "weight", "Give a backend another weight; 0 gets no new connection",
                                         "  millctl weight web 10.0.0.1:80 5",
                                         [&a] { return run_weight(a.options, a.service, a.backend, a.weight); });
  weight->add_option("N", a.weight, "the weight")->required()->check(CLI::Range(0u, kWeightMax));
  add_command(app, a, "reload", "Read the configuration file again; a bad one changes nothing", "  millctl reload",
              [&a] { return run_reload(a.options); });
  add_whole_changes(app, a);
  CLI::App* check = add_command(app, a, "check", "Validate a configuration file; needs no millraced",
                                "  millctl check /etc/millrace.toml", [&a] { return run_check(a.options, a.file); });
  check->add_option("FILE", a.file, "the file")->required();
}

void add_import(CLI::App& app, Arguments& a) {
  CLI::App* command =
      add_command(app, a, "import", "Another balancer's file as ours on stdout; needs no millraced",
                  "  millctl import /etc/keepalived/keepalived.conf >millrace.toml\n"
                  "  ipvsadm-save -n | millctl import ipvsadm -\n"
                  "  millctl import haproxy /etc/haproxy/haproxy.cfg\n"
                  "\n"
                  "Exit codes: 0 all of it, 1 cannot be read, 2 wrong arguments, 3 something was left out, 70 a bug.",
                  [&a] { return run_import(a.options, a.import_options); });
  command
      ->add_option("FILE", a.import_options.words,
                   "the file, - for stdin; before it, where that cannot be guessed: keepalived, ipvsadm or haproxy")
      ->required()
      ->expected(-1);
  command
      ->add_option("--snat", a.import_options.snat,
                   "an address or range to reach backends from, which tunnels need; may be repeated")
      ->allow_extra_args(false);
}

int run(int argc, char** argv) {
  Arguments arguments;
  arguments.options.socket = kDefaultSocket;
  std::signal(SIGPIPE, SIG_DFL);  // `millctl events --follow | head` ends quietly
  CLI::App app("millctl: looks into a running Millrace and changes it.", "millctl");
  app.footer(kFooter);
  app.fallthrough();
  app.add_option("--socket", arguments.options.socket, "millraced's socket")
      ->envname("MILLRACE_SOCKET")
      ->capture_default_str();
  app.add_flag("--json", arguments.options.json, "answer in JSON");
  app.require_subcommand(1);
  add_views(app, arguments);
  add_changes(app, arguments);
  add_import(app, arguments);
  add_service_group(app, arguments);
  add_backend_group(app, arguments);
  add_watching(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::usage);
  }
  return static_cast<int>(arguments.chosen());
}

}  // namespace
}  // namespace millrace::millctl

int main(int argc, char** argv) { return millrace::millctl::run(argc, argv); }
