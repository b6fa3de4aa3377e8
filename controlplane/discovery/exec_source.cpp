#include "controlplane/discovery/exec_source.h"

#include "controlplane/discovery/backend_text.h"
#include "controlplane/process/child_process.h"

namespace millrace::control {

boost::asio::awaitable<Answer> ExecSource::ask(std::chrono::milliseconds timeout) {
  const ChildLimits limits{.timeout = timeout, .output_bytes_max = kAnswerBytesMax};
  const ChildResult result = co_await run_child(config_.command, limits);
  if (!result.succeeded()) co_return Answer::failed(config_.command.front() + ": " + describe(result, timeout));
  co_return parse_lines(result.output);
}

}  // namespace millrace::control
