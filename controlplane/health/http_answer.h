// http_answer.h: reads the answer to one HTTP/1.1 request as it comes in.
// Thread: any; no I/O.
// Bound:  kHttpHeaderBytesMax of header; kAnswerBytesMax of body, the rest is not read; kInterimAnswersMax answers of
//         1xx before the last one.
// Fails:  broken says why in problem().      Tests: tests/unit/control/health_http_test.cpp, tests/fuzz/answer_fuzz.cpp
#pragma once

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/config/healthcheck.h"

namespace millrace::control {

inline constexpr uint32_t kHttpHeaderBytesMax = 16'384;
inline constexpr unsigned kInterimAnswersMax = 4;

enum class AnswerState { more, complete, broken };

class HttpAnswer {
 public:
  // `with_body` false: it is complete when its header is.
  explicit HttpAnswer(bool with_body);

  // Not after another state than more.
  AnswerState take(std::string_view bytes);
  // The backend closed its side.
  AnswerState end();

  // When complete.
  unsigned status() const { return parser_->get().result_int(); }
  std::string_view body() const { return std::string_view(body_).substr(0, body_bytes()); }
  // When broken.
  const std::string& problem() const { return problem_; }

 private:
  void begin();
  AnswerState take_pending();
  AnswerState go_on();
  size_t body_bytes() const { return body_.size() - parser_->get().body().size; }

  bool with_body_;
  unsigned interim_count_ = 0;
  std::optional<boost::beast::http::response_parser<boost::beast::http::buffer_body>> parser_;
  std::string pending_;  // what the parser has not taken yet: a header line without its end
  std::string body_;     // room; empty without a body
  std::string problem_;
};

}  // namespace millrace::control
