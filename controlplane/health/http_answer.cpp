#include "controlplane/health/http_answer.h"

#include <fmt/format.h>

namespace millrace::control {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

}  // namespace

HttpAnswer::HttpAnswer(bool with_body) : with_body_(with_body) {
  if (with_body_) body_.resize(config::kAnswerBytesMax);
  begin();
}

void HttpAnswer::begin() {
  parser_.emplace();
  parser_->header_limit(kHttpHeaderBytesMax);
  parser_->body_limit(boost::none);
  parser_->get().body().data = body_.data();
  parser_->get().body().size = body_.size();
  parser_->get().body().more = true;
}

AnswerState HttpAnswer::take(std::string_view bytes) {
  pending_ += bytes;
  AnswerState state = AnswerState::more;
  for (size_t left = SIZE_MAX; state == AnswerState::more && !pending_.empty() && pending_.size() < left;) {
    left = pending_.size();
    state = take_pending();
  }
  return state;
}

AnswerState HttpAnswer::take_pending() {
  error_code error;
  const size_t used = parser_->put(boost::asio::buffer(pending_), error);
  pending_.erase(0, used);
  if (error == http::error::need_more) return AnswerState::more;
  if (error == http::error::need_buffer) return AnswerState::complete;  // as much of the body as is looked at
  if (error) {
    problem_ = fmt::format("answered no proper HTTP: {}", error.message());
    return AnswerState::broken;
  }
  return go_on();
}

AnswerState HttpAnswer::go_on() {
  if (!parser_->is_header_done()) return AnswerState::more;
  // RFC 9110 section 15.2: interim answers come before the one that counts. A change of protocol is the last one.
  if (status() / 100 == 1 && status() != 101) {
    if (++interim_count_ > kInterimAnswersMax) {
      problem_ = fmt::format("answered {} again and again", status());
      return AnswerState::broken;
    }
    begin();
    return AnswerState::more;
  }
  return with_body_ && !parser_->is_done() ? AnswerState::more : AnswerState::complete;
}

AnswerState HttpAnswer::end() {
  const bool in_body = parser_->is_header_done();
  error_code error;
  if (in_body) parser_->put_eof(error);
  if (in_body && !error) return AnswerState::complete;
  problem_ = in_body ? "closed the connection within its answer" : "closed the connection before it had answered";
  return AnswerState::broken;
}

}  // namespace millrace::control
