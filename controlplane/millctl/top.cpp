#include "controlplane/millctl/top.h"

#include <algorithm>
#include <chrono>

#include "controlplane/millctl/client.h"
#include "controlplane/millctl/finish.h"
#include "controlplane/millctl/show.h"
#include "controlplane/millctl/top_screen.h"

namespace millrace::millctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRefresh{1000};

Seen look(const Client& client) {
  const double now_s = std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
  const Answer status = client.get("/v1/status");
  const std::string problem = status.reached ? field(status.body, "error") : status.problem;
  if (!status.ok()) return {nullptr, nullptr, nullptr, problem, now_s};
  return {status.body, client.get("/v1/services").body, client.get("/v1/backends").body, {}, now_s};
}

std::string obey(const Client& client, const Order& order) {
  const Json body = {{"admin", order.admin}};
  const std::string target =
      "/v1/services/" + percent_encode(order.service) + "/backends/" + percent_encode(order.backend);
  const Answer answer = client.post(target, body.dump());
  if (answer.ok()) return order.backend + " of " + order.service + ": " + order.admin;
  return answer.reached ? field(answer.body, "error") : answer.problem;
}

}  // namespace

Exit run_top(const Options& options) {
  const Client client(options.socket);
  Seen first = look(client);
  if (!first.problem.empty()) {
    complain(first.problem);
    return Exit::unreachable;
  }
  std::string problem;
  const std::optional<Terminal> terminal = Terminal::take(problem);
  if (!terminal) {
    complain(problem);
    return Exit::usage;
  }
  TopScreen screen;
  screen.take(std::move(first));
  auto next = steady_clock::now() + kRefresh;
  while (!screen.ended()) {
    terminal->draw(screen.text(terminal->size()));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - steady_clock::now());
    const Terminal::Read read = terminal->read(static_cast<int>(std::max<int64_t>(0, left.count())));
    if (read.what == Terminal::Input::end) break;
    std::optional<Order> order;
    if (read.what == Terminal::Input::key) order = screen.press(read.key);
    if (order) screen.say(obey(client, *order));
    if (!order && steady_clock::now() < next) continue;
    screen.take(look(client));
    next = steady_clock::now() + kRefresh;
  }
  return Exit::done;
}

}  // namespace millrace::millctl
