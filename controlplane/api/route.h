// route.h: one path of the API: what it is called, which methods it has and what each of them takes.
// Thread: the event loop.      Tests: tests/unit/control/routes_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/api/reply.h"
#include "controlplane/api/target.h"
#include "controlplane/daemon.h"

namespace millrace::control {

// One request to one path.
struct Call {
  const ApiRequest& request;
  const Target& target;
  std::map<std::string, std::string, std::less<>> parts;  // of the path, by name

  const std::string& part(std::string_view name) const { return parts.find(name)->second; }
  // Null: not given.
  const std::string* parameter(const std::string& name) const {
    const auto found = target.query.find(name);
    return found == target.query.end() ? nullptr : &found->second;
  }
};

// What answers: a function, or a coroutine where an answer has to wait. Daemon and Call outlive it.
class Handler {
 public:
  using Function = ApiReply (*)(Daemon&, const Call&);
  using Coroutine = boost::asio::awaitable<ApiReply> (*)(Daemon&, const Call&);

  Handler(Function function) : function_(function) {}      // NOLINT: rows of a table
  Handler(Coroutine coroutine) : coroutine_(coroutine) {}  // NOLINT: likewise
  boost::asio::awaitable<ApiReply> run(Daemon& daemon, const Call& call) const {
    if (function_ != nullptr) co_return function_(daemon, call);
    co_return co_await coroutine_(daemon, call);
  }

 private:
  Function function_ = nullptr;
  Coroutine coroutine_ = nullptr;
};

// Of the query.
struct Parameter {
  std::string_view name;
  std::string_view meaning;
};

struct Operation {
  std::string_view method;  // of one path each once
  Handler handler;
  std::string_view summary;  // one sentence
  std::vector<Parameter> parameters{};
  bool only_reads = false;  // not a GET, and still for tokens that may only read

  bool writes() const { return method != "GET" && !only_reads; }
};

struct Path {
  std::string_view pattern;  // "/v1/services/{service}": a part in braces is any text but the empty one
  std::vector<Operation> operations;
  bool takes_any_parameter = false;  // what it does not know is ignored, as gobetween does
};

}  // namespace millrace::control
