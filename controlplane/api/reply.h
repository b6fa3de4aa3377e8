// reply.h: an answer of the API before it becomes HTTP.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace millrace::control {

struct ApiRequest {
  std::string method;  // "GET"
  std::string target;  // path and query, as they came
  std::string body;
};

struct ApiReply {
  unsigned status = 200;
  nlohmann::ordered_json body;
  std::string allow;                // of a 405: the methods that this path has
  std::optional<std::string> text;  // instead of the body: metrics
};

// What went wrong and what would be right; both are sentences for people.
inline ApiReply error_reply(unsigned status, const std::string& error, const std::string& remedy) {
  return {status, {{"error", error}, {"remedy", remedy}}, {}};
}

}  // namespace millrace::control
