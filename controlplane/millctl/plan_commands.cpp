#include "controlplane/millctl/plan_commands.h"

#include <fmt/format.h>

#include "controlplane/config/text_file.h"
#include "controlplane/millctl/client.h"
#include "controlplane/millctl/finish.h"
#include "controlplane/millctl/show.h"

namespace millrace::millctl {
namespace {

std::optional<std::string> read_configuration(const Options& options, const std::string& file) {
  const config::TextFile read = config::read_text_file(file == "-" ? "/dev/stdin" : file);
  if (read.text) return read.text;
  const std::string problem = fmt::format("{} {}", file == "-" ? "standard input" : file, read.problem);
  if (options.json) print(to_text({{"error", problem}}));
  complain(problem);
  return std::nullopt;
}

// millraced names its own file in errors; the text came from another.
void name_file(Answer& answer, const std::string& file) {
  if (!answer.reached || !answer.body.contains("errors")) return;
  const std::string own = field(answer.body, "file") + ":";
  for (Json& error : answer.body["errors"])
    if (const std::string text = as_text(error); text.starts_with(own))
      error = (file == "-" ? "standard input" : file) + ":" + text.substr(own.size());
}

}  // namespace

Exit run_plan(const Options& options, const ChangeArguments& which) {
  const std::optional<std::string> text = read_configuration(options, which.file);
  if (!text) return Exit::refused;
  Answer answer = Client(options.socket).post("/v1/plan", *text);
  name_file(answer, which.file);
  const Exit end = finish(options, answer, show_plan);
  return end == Exit::done && field(answer.body, "differs") == "true" ? Exit::differs : end;
}

Exit run_apply(const Options& options, const ChangeArguments& which) {
  const std::optional<std::string> text = read_configuration(options, which.file);
  if (!text) return Exit::refused;
  const std::string query =
      which.confirm_within.empty() ? "" : "?confirm_within=" + percent_encode(which.confirm_within);
  Answer answer = Client(options.socket).post("/v1/apply" + query, *text);
  name_file(answer, which.file);
  return finish(options, answer, show_applied);
}

Exit run_confirm(const Options& options) {
  return finish(options, Client(options.socket).post("/v1/confirm", ""), show_confirmed);
}

Exit run_rollback(const Options& options, const ChangeArguments& which) {
  const std::string query = which.number ? fmt::format("?to={}", *which.number) : "";
  return finish(options, Client(options.socket).post("/v1/rollback" + query, ""), show_applied);
}

Exit run_history(const Options& options, const ChangeArguments& which) {
  if (!which.number) return finish(options, Client(options.socket).get("/v1/history"), show_history);
  return finish(options, Client(options.socket).get(fmt::format("/v1/history/{}", *which.number)), show_history_entry);
}

}  // namespace millrace::millctl
