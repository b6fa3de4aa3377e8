#include "controlplane/health/answer_judge.h"

#include <fmt/format.h>

#include "controlplane/config/error_text.h"

namespace millrace::control {

ProbeResult judge_answer(std::string_view answer, const config::ProbeCheck& check) {
  const bool expected =
      check.matches ? check.matches.matches(answer) : answer.substr(0, check.starts_with.size()) == check.starts_with;
  if (expected) return {ProbeOutcome::passed, "answered as expected"};
  if (answer.empty()) return {ProbeOutcome::failed, "closed the connection without an answer"};
  return {ProbeOutcome::failed,
          fmt::format("answered {}, {} {}", config::quote(answer), check.matches ? "which does not match" : "not",
                      config::quote(check.matches ? check.matches.text() : check.starts_with))};
}

}  // namespace millrace::control
