// client.h: one request to millraced over its UNIX socket, blocking.
// Bound:  kAnswerSecondsMax for connect, request and answer together; an answer of at most kAnswerBytesMax.
// Tests:  tests/unit/control/millctl_test.cpp
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace millrace::millctl {

using Json = nlohmann::ordered_json;

inline constexpr unsigned kAnswerSecondsMax = 30;  // a reload waits up to 15 s for the dataplane
inline constexpr uint64_t kAnswerBytesMax = 256u << 20;

struct Answer {
  bool reached = false;  // false: `problem` says why there is no answer
  std::string problem;
  unsigned status = 0;
  Json body;
  bool ok() const { return reached && status == 200; }
};

class Client {
 public:
  // extra_seconds: how much longer than usual the answer may take.
  explicit Client(std::string socket, unsigned extra_seconds = 0)
      : socket_(std::move(socket)), seconds_max_(kAnswerSecondsMax + extra_seconds) {}
  Answer get(const std::string& target) const { return ask("GET", target, ""); }
  Answer post(const std::string& target, const std::string& body) const { return ask("POST", target, body); }

 private:
  Answer ask(const std::string& method, const std::string& target, const std::string& body) const;

  std::string socket_;
  unsigned seconds_max_;
};

// Makes any text fit for a path segment or a parameter.
std::string percent_encode(const std::string& text);

}  // namespace millrace::millctl
