// reply.h: an answer of the API before it becomes HTTP.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "controlplane/api/reply_stream.h"

namespace millrace::control {

struct ApiRequest {
  std::string method;  // "GET"
  std::string target;  // path and query, as they came
  std::string body;
  std::string authorization;  // the header field
  std::string origin;         // likewise
  std::string last_event_id{};
};

struct ApiReply {
  unsigned status = 200;
  nlohmann::ordered_json body;
  std::string allow;                      // of a 405: the methods that this path has
  std::optional<std::string> text;        // instead of the body
  std::shared_ptr<ReplyStream> stream{};  // instead of both
};

// What went wrong and what would be right; both are sentences for people.
inline ApiReply error_reply(unsigned status, const std::string& error, const std::string& remedy) {
  return {status, {{"error", error}, {"remedy", remedy}}, {}};
}

// A method that the path does not have; `allowed`: "GET, DELETE".
inline ApiReply method_reply(const std::string& method, const std::string& allowed) {
  ApiReply reply = error_reply(405, "this path has no method " + method, "use " + allowed);
  reply.allow = allowed;
  return reply;
}

}  // namespace millrace::control
