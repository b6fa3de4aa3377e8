// http_stream_test.cpp: watches: lines that come as things happen, from servers that behave and from those that do not.
#include "controlplane/client/http_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/unit/control/api_server.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kChunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

struct Watching {
  std::vector<std::string> lines;
  std::string problem;
  unsigned status = 0;
};

// Reads until the stream is over.
Watching watch(const ApiServer& server, size_t line_bytes_max = 1024) {
  asio::io_context loop;
  Watching seen;
  HttpStream stream(
      {.url = *config::parse_url("http://" + server.at() + "/watch").value, .body_bytes_max = line_bytes_max});
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        if (co_await stream.open())
          while (std::optional<std::string> line = co_await stream.next_line()) seen.lines.push_back(std::move(*line));
      },
      [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  loop.run_for(std::chrono::seconds(10));
  seen.problem = stream.problem();
  seen.status = stream.status();
  return seen;
}

// A server that says `text` and hangs up.
ApiServer::Serve says(const std::string& text) {
  return [text](const ApiServer::Request&, const ApiServer::Send& send) { send(text); };
}

TEST(HttpStream, lines_across_pieces_and_several_in_one) {
  ApiServer server(says(kChunked + chunk("{\"a\"") + chunk(":1}\n\n{\"b\":2}\r\n{\"c\"") + chunk(":3}\n") + chunk("")));
  const Watching seen = watch(server);
  EXPECT_THAT(seen.lines, ElementsAre("{\"a\":1}", "{\"b\":2}", "{\"c\":3}"));
  EXPECT_THAT(seen.problem, HasSubstr("/watch: it ends the stream"));
}

TEST(HttpStream, lines_without_chunks) {
  ApiServer server(says("HTTP/1.0 200 OK\r\n\r\n{}\n[]\nrest"));
  const Watching seen = watch(server);
  EXPECT_THAT(seen.lines, ElementsAre("{}", "[]"));
  EXPECT_THAT(seen.problem, HasSubstr("it ends the stream"));
}

TEST(HttpStream, line_comes_while_the_server_goes_on) {
  bool more = false;
  ApiServer server([&](const ApiServer::Request&, const ApiServer::Send& send) {
    send(kChunked + chunk("first\n"));
    server.await([&] { return more; });
    send(chunk("second\n"));
    server.await([] { return false; });
  });
  asio::io_context loop;
  HttpStream stream({.url = *config::parse_url("http://" + server.at() + "/").value, .body_bytes_max = 100});
  std::vector<std::string> lines;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        EXPECT_TRUE(co_await stream.open());
        lines.push_back((co_await stream.next_line()).value_or("none"));
        server.change([&] { more = true; });
        lines.push_back((co_await stream.next_line()).value_or("none"));
      },
      asio::detached);
  loop.run_for(std::chrono::seconds(10));
  EXPECT_THAT(lines, ElementsAre("first", "second"));
}

TEST(HttpStream, whoever_waits_may_stop_waiting) {
  ApiServer server([&](const ApiServer::Request&, const ApiServer::Send& send) {
    send(kChunked);
    server.await([] { return false; });
  });
  asio::io_context loop;
  size_t first = 99;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        HttpStream stream({.url = *config::parse_url("http://" + server.at() + "/").value, .body_bytes_max = 100});
        EXPECT_TRUE(co_await stream.open());
        asio::steady_timer timer(loop, std::chrono::milliseconds(20));
        const auto won = co_await (stream.next_line() || timer.async_wait(asio::as_tuple(asio::use_awaitable)));
        first = won.index();
      },
      asio::detached);
  loop.run_for(std::chrono::seconds(10));
  EXPECT_EQ(first, 1u);
  EXPECT_TRUE(loop.stopped()) << "nothing of the stream is left";
}

TEST(HttpStream, refusal_has_its_reason) {
  ApiServer server(says("HTTP/1.1 410 Gone\r\nContent-Length: 18\r\n\r\n{\"message\":\"old\"}\n"));
  const Watching seen = watch(server);
  EXPECT_THAT(seen.lines, IsEmpty());
  EXPECT_EQ(seen.status, 410u);
  EXPECT_THAT(seen.problem, HasSubstr("it answers with status 410: {\"message\":\"old\"}"));
  ApiServer endless([](const ApiServer::Request&, const ApiServer::Send& send) {
    send("HTTP/1.1 500 E\r\n\r\n");
    while (send(std::string(1000, 'z'))) {
    }
  });
  EXPECT_THAT(watch(endless).problem, HasSubstr("it answers with status 500: zzz"));
}

TEST(HttpStream, endless_line_is_cut_short) {
  ApiServer server([](const ApiServer::Request&, const ApiServer::Send& send) {
    send(kChunked + chunk("{}\n"));
    while (send(chunk(std::string(1000, 'z')))) {
    }
  });
  const Watching seen = watch(server);
  EXPECT_THAT(seen.lines, ElementsAre("{}"));
  EXPECT_THAT(seen.problem, HasSubstr("it sends a line of more than 1024 bytes"));
  ApiServer at_once(says(kChunked + chunk(std::string(1025, 'x') + "\n")));
  EXPECT_THAT(watch(at_once).problem, HasSubstr("more than 1024 bytes"));
}

TEST(HttpStream, broken_streams) {
  ApiServer cut(says(kChunked + chunk("{}\n") + "5\r\nab"));
  const Watching seen = watch(cut);
  EXPECT_THAT(seen.lines, ElementsAre("{}"));
  EXPECT_THAT(seen.problem, HasSubstr("its answer ends in the middle"));
  ApiServer silent(says(""));
  EXPECT_THAT(watch(silent).problem, HasSubstr("it hangs up without an answer"));
  ApiServer gibberish(says("SSH-2.0-OpenSSH\r\n\r\n"));
  EXPECT_NE(watch(gibberish).problem, "");
  ApiServer huge(says("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551614\r\n\r\n{}\n"));
  EXPECT_THAT(watch(huge).lines, ElementsAre("{}"));
}

}  // namespace
}  // namespace millrace::control
