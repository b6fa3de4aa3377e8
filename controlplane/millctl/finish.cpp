#include "controlplane/millctl/finish.h"

#include <fmt/format.h>

#include <cstdio>

#include "controlplane/millctl/show.h"

namespace millrace::millctl {
void print(const std::string& text) { std::fputs(text.c_str(), stdout); }
void complain(const std::string& text) { std::fputs(("millctl: " + text + "\n").c_str(), stderr); }
std::string to_text(const Json& body) { return body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Exit finish(const Options& options, const Answer& answer, std::string (*show)(const Json&)) {
  if (!answer.reached) {
    if (options.json) print(to_text({{"error", answer.problem}}));
    complain(answer.problem);
    return Exit::unreachable;
  }
  if (options.json) print(to_text(answer.body));
  if (answer.ok()) {
    if (!options.json) print(show(answer.body));
    return Exit::done;
  }
  if (answer.body.contains("errors"))
    for (const Json& error : answer.body["errors"]) std::fputs((as_text(error) + "\n").c_str(), stderr);
  complain(fmt::format("{} ({})", field(answer.body, "error"), field(answer.body, "remedy")));
  return Exit::refused;
}

}  // namespace millrace::millctl
