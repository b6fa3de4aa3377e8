// health_http_test.cpp: the parser of answers by itself, and kind = "http" with servers that behave and those that do not.
#include <gtest/gtest.h>

#include "controlplane/health/http_answer.h"
#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";

config::HealthcheckConfig http(config::HttpCheck check = {}) {
  return {.kind = config::CheckKind::http, .http = std::move(check)};
}

// What becomes of an answer that comes in pieces of `piece` bytes, then the end of the stream.
AnswerState take_all(HttpAnswer& answer, std::string_view bytes, size_t piece) {
  AnswerState state = AnswerState::more;
  for (; state == AnswerState::more && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    state = answer.take(bytes.substr(0, piece));
  return state == AnswerState::more ? answer.end() : state;
}

TEST(HttpAnswer_take, pieces_of_any_size) {
  const std::string chunked =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nrea\r\n2;x=y\r\ndy\r\n0\r\nTrailer: 1\r\n\r\n";
  const std::string until_close = "HTTP/1.0 201 \r\n\r\nready";
  for (const std::string& text : {chunked, until_close}) {
    for (size_t piece = 1; piece <= text.size(); ++piece) {
      HttpAnswer answer(true);
      ASSERT_EQ(take_all(answer, text, piece), AnswerState::complete) << piece << ": " << answer.problem();
      EXPECT_EQ(answer.status(), 201u);
      EXPECT_EQ(answer.body(), "ready") << piece;
    }
  }
}

TEST(HttpAnswer_take, without_body_the_header_is_enough) {
  HttpAnswer answer(false);
  EXPECT_EQ(answer.take("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"), AnswerState::complete);
  EXPECT_EQ(answer.status(), 200u);
  EXPECT_EQ(answer.body(), "");
}

TEST(HttpAnswer_take, a_long_body_is_cut) {
  const std::string body(config::kAnswerBytesMax, 'b');
  for (const char* framing :
       {"Content-Length: 99999999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", "\r\n"}) {
    HttpAnswer answer(true);
    EXPECT_EQ(answer.take(std::string("HTTP/1.1 200 OK\r\n") + framing), AnswerState::more);
    EXPECT_EQ(answer.take(body), AnswerState::more);
    EXPECT_EQ(answer.take("more"), AnswerState::complete) << framing;
    EXPECT_EQ(answer.body(), body);
  }
}

TEST(HttpAnswer_take, broken) {
  const std::string long_header = "HTTP/1.1 200 OK\r\nX: " + std::string(kHttpHeaderBytesMax, 'x');
  std::string interim;
  for (unsigned i = 0; i <= kInterimAnswersMax; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  for (const std::string& text : {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("HTTP/9.9 200 OK\r\n\r\n"),
                                  std::string("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), long_header, interim}) {
    HttpAnswer answer(false);
    EXPECT_EQ(take_all(answer, text, 100), AnswerState::broken) << text.substr(0, 60);
    EXPECT_FALSE(answer.problem().empty());
  }
}

TEST(HttpAnswer_end, too_early) {
  HttpAnswer nothing(true), half_header(true), half_body(true);
  EXPECT_EQ(nothing.end(), AnswerState::broken);
  EXPECT_EQ(nothing.problem(), "closed the connection before it had answered");
  EXPECT_EQ(take_all(half_header, "HTTP/1.1 200 OK\r\nContent-Le", 5), AnswerState::broken);
  EXPECT_EQ(half_header.problem(), "closed the connection before it had answered");
  EXPECT_EQ(take_all(half_body, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrea", 5), AnswerState::broken);
  EXPECT_EQ(half_body.problem(), "closed the connection within its answer");
}

TEST(HttpProbe_run, says_what_is_configured) {
  std::string heard;
  {
    ScriptedServer server([&](ScriptedServer::Socket& socket, const std::stop_token&) {
      char piece[4096];
      heard.assign(piece, socket.read_some(boost::asio::buffer(piece)));
      say(socket, kOk);
      listen_on(socket);
    });
    const Asked asked =
        ask(http({.method = "OPTIONS", .path = "/health?full=1", .host = "www.example.com"}), server.at());
    EXPECT_EQ(asked.result.outcome, ProbeOutcome::passed);
    EXPECT_EQ(asked.result.cause, "answered 200");
  }
  EXPECT_EQ(heard, "OPTIONS /health?full=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: millrace/" MR_VERSION
                   "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
}

TEST(HttpProbe_run, status_ranges) {
  ScriptedServer server(answers("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
  const Asked usual = ask(http(), server.at());
  EXPECT_EQ(usual.result.outcome, ProbeOutcome::failed);
  EXPECT_EQ(usual.result.cause, "answered 503, not 200-399");
  EXPECT_EQ(ask(http({.expect = {{200, 200}, {401, 403}}}), server.at()).result.cause,
            "answered 503, not 200 or 401-403");
  EXPECT_EQ(ask(http({.expect = {{200, 200}, {503, 503}}}), server.at()).result.cause, "answered 503");
}

TEST(HttpProbe_run, body) {
  ScriptedServer server(answers(kOk));
  EXPECT_EQ(ask(http({.body_contains = "ead"}), server.at()).result.cause, "answered 200");
  EXPECT_EQ(ask(http({.body_contains = "steady"}), server.at()).result.cause,
            "answered 200 without \"steady\" in its body");
  EXPECT_EQ(ask(http({.body_matches = config::BytePattern::compile("^r.*y$").pattern}), server.at()).result.cause,
            "answered 200");
  const Asked other = ask(http({.body_matches = config::BytePattern::compile("^y").pattern}), server.at());
  EXPECT_EQ(other.result.outcome, ProbeOutcome::failed);
  EXPECT_EQ(other.result.cause, "answered 200 with a body that does not match \"^y\"");
}

TEST(HttpProbe_run, slow_and_endless_answers_end_with_the_timeout) {
  ScriptedServer silent(is_silent);
  ScriptedServer header(drips("HTTP/1.1 200 OK\r\nX: ", 'x'));
  ScriptedServer body(drips("HTTP/1.1 200 OK\r\n\r\n", 'x'));
  for (const ScriptedServer* server : {&silent, &header, &body}) {
    const Asked asked = ask(http({.body_contains = "y"}), server->at(), milliseconds(200));
    EXPECT_EQ(asked.result.outcome, ProbeOutcome::failed);
    EXPECT_EQ(asked.result.cause, "no answer within 200 ms");
    EXPECT_LT(asked.took, milliseconds(1500));
  }
}

TEST(HttpProbe_run, floods_are_read_as_far_as_they_are_looked_at) {
  ScriptedServer header(pours("HTTP/1.1 200 OK\r\nX: ", 'x'));
  ScriptedServer body(pours("HTTP/1.1 200 OK\r\n\r\n", 'x'));
  EXPECT_EQ(ask(http(), header.at()).result.cause, "answered no proper HTTP: header limit exceeded");
  EXPECT_EQ(ask(http({.body_contains = "y"}), body.at()).result.cause, "answered 200 without \"y\" in its body");
  EXPECT_EQ(ask(http(), body.at()).result.cause, "answered 200");
}

TEST(HttpProbe_run, what_is_no_http) {
  ScriptedServer other(answers("\x1b]0;title\x07 220 mail ESMTP\r\n"));
  ScriptedServer reset(resets);
  ScriptedServer closed(answers_and_closes(""));
  EXPECT_EQ(ask(http(), other.at()).result.cause, "answered no proper HTTP: bad version");
  EXPECT_EQ(ask(http(), reset.at()).result.cause, "Connection reset by peer");
  EXPECT_EQ(ask(http(), closed.at()).result.cause, "closed the connection before it had answered");
}

}  // namespace
}  // namespace millrace::control
