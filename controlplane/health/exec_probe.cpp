#include "controlplane/health/exec_probe.h"

#include <fmt/format.h>

#include "controlplane/config/error_text.h"

namespace millrace::control {
namespace {

class Counted {
 public:
  explicit Counted(unsigned& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  unsigned& count_;
};

// A command that prints by echo ends its line, which the configuration need not say.
bool is_output(std::string_view printed, std::string_view expected) {
  if (expected.empty()) return false;
  if (printed == expected) return true;
  return printed.ends_with('\n') && printed.substr(0, printed.size() - 1) == expected;
}

}  // namespace

ProbeResult ExecProbe::judge(const ChildResult& child, std::chrono::milliseconds timeout) const {
  if (!child.succeeded()) {
    const bool ran = child.end != ChildResult::End::not_started;
    return {ran ? ProbeOutcome::failed : ProbeOutcome::not_run,
            check_.command.front() + ": " + describe(child, timeout)};
  }
  if (check_.positive_output.empty() && check_.negative_output.empty())
    return {ProbeOutcome::passed, "its command succeeded"};
  std::string cause = fmt::format("its command printed {}", config::quote(child.output));
  if (child.output_cut) return {ProbeOutcome::not_run, cause + " and much more"};
  if (is_output(child.output, check_.positive_output)) return {ProbeOutcome::passed, std::move(cause)};
  if (is_output(child.output, check_.negative_output)) return {ProbeOutcome::failed, std::move(cause)};
  // Of the two that it may print only one is known.
  if (check_.negative_output.empty()) return {ProbeOutcome::failed, std::move(cause)};
  if (check_.positive_output.empty()) return {ProbeOutcome::passed, std::move(cause)};
  return {ProbeOutcome::not_run, cause + ", which is neither of the expected outputs"};
}

boost::asio::awaitable<ProbeResult> ExecProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  if (*running_ >= kCommandsMax)
    co_return ProbeResult{ProbeOutcome::not_run, fmt::format("{} commands of health checks run already", *running_)};
  std::vector<std::string> command = check_.command;
  command.push_back(format_ip(endpoint.addr));
  command.push_back(std::to_string(endpoint.port.host()));
  const Counted counted(*running_);
  const ChildLimits limits{.timeout = timeout, .output_bytes_max = kOutputBytesMax, .cut_output = true};
  const ChildResult child = co_await run_child(std::move(command), limits);
  co_return judge(child, timeout);
}

}  // namespace millrace::control
