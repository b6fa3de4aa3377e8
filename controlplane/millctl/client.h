// client.h: one request to millraced over its UNIX socket, blocking, and streams.
// Bound:  kAnswerSecondsMax for connect, request and answer together; an answer of at most kAnswerBytesMax.
// Tests:  tests/unit/control/millctl_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace millrace::millctl {

using Json = nlohmann::ordered_json;

inline constexpr unsigned kAnswerSecondsMax = 30;  // a reload waits up to 15 s for the dataplane
inline constexpr uint64_t kAnswerBytesMax = 256u << 20;

struct Answer {
  bool reached = false;  // false: `problem` says why there is no answer
  std::string problem;
  unsigned status = 0;
  Json body;
  std::string text;  // of an answer that is no JSON: a dump
  bool ok() const { return reached && status >= 200 && status < 300; }
};

class Client {
 public:
  // extra_seconds: how much longer than usual the answer may take.
  explicit Client(std::string socket, unsigned extra_seconds = 0)
      : socket_(std::move(socket)), seconds_max_(kAnswerSecondsMax + extra_seconds) {}
  Answer get(const std::string& target) const { return ask("GET", target, ""); }
  Answer post(const std::string& target, const std::string& body) const { return ask("POST", target, body); }
  Answer ask(const std::string& method, const std::string& target, const std::string& body) const;

  // Gives what comes to `take` until that says false or the answer ends; says nothing for as long as nothing comes. An
  // answer that refuses is the returned one; otherwise `problem` says why it ended, empty when `take` wanted so.
  Answer follow(const std::string& target, const std::function<bool(std::string_view)>& take) const;

 private:
  std::string socket_;
  unsigned seconds_max_;
};

// Makes any text fit for a path segment or a parameter.
std::string percent_encode(const std::string& text);

}  // namespace millrace::millctl
