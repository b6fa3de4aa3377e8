// http_client_test.cpp: lists by HTTP from servers on the loopback, good, slow, broken and endless.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ssl.hpp>
#include <cstdlib>
#include <stdexcept>

#include "controlplane/discovery/discovery_monitor.h"
#include "controlplane/discovery/http_source.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/loopback_server.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using Socket = LoopbackServer::Socket;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kList[] = R"([{"host": "10.0.0.1", "port": 80}, {"host": "10.0.0.2", "port": "81"}])";

// A server that says `text` to every request and hangs up.
std::function<void(Socket&)> says(const std::string& text) {
  return [text](Socket& socket) {
    read_request(socket);
    send_text(socket, text);
  };
}

Answer ask_json(const std::string& url) {
  JsonSource source({.endpoint = url});
  return ask(source);
}

Answer ask_lines(const std::string& url, const std::string& pattern = "") {
  PlaintextSource source(
      {.endpoint = url,
       .pattern = pattern.empty() ? config::BytePattern{} : config::BytePattern::compile(pattern).pattern});
  return ask(source);
}

TEST(JsonSource_ask, list) {
  LoopbackServer server(says(http_ok(kList)));
  EXPECT_THAT(endpoints(ask_json(server.url())), ElementsAre("10.0.0.1:80", "10.0.0.2:81"));
}

TEST(JsonSource_ask, request_names_host_path_and_credentials) {
  std::string request;
  LoopbackServer server([&](Socket& socket) {
    request = read_request(socket);
    send_text(socket, http_ok("[]"));
  });
  EXPECT_EQ(ask_json("http://joe:secret@127.0.0.1:" + std::to_string(server.port()) + "/list?of=web#x").problem, "");
  EXPECT_THAT(request, HasSubstr("GET /list?of=web HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: Basic am9lOnNlY3JldA==\r\n"));
}

TEST(JsonSource_ask, chunks_and_an_answer_that_ends_with_the_connection) {
  LoopbackServer chunks(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"));
  EXPECT_EQ(ask_json(chunks.url()).problem, "");
  LoopbackServer closing(says("HTTP/1.0 200 OK\r\n\r\n[]"));
  EXPECT_EQ(ask_json(closing.url()).problem, "");
}

TEST(JsonSource_ask, other_statuses_are_failures_without_credentials) {
  LoopbackServer server(says("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n[]"));
  const std::string at = "127.0.0.1:" + std::to_string(server.port());
  EXPECT_EQ(ask_json("http://joe:secret@" + at + "/x").problem, "http://" + at + "/x: it answers with status 503");
}

TEST(JsonSource_ask, redirects_are_followed_a_while) {
  int requests = 0;
  LoopbackServer server([&](Socket& socket) {
    ++requests;
    const bool first = read_request(socket).starts_with("GET /old ");
    send_text(socket, first ? "HTTP/1.1 302 F\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n" : http_ok(kList));
  });
  EXPECT_EQ(ask_json(server.url("/old")).backends.size(), 2u);
  EXPECT_EQ(requests, 2);
  int circles = 0;
  LoopbackServer circle([&](Socket& socket) {
    ++circles;
    read_request(socket);
    send_text(socket, "HTTP/1.1 301 M\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
  });
  EXPECT_THAT(ask_json(circle.url()).problem, HasSubstr("status 301"));
  EXPECT_EQ(circles, 1 + static_cast<int>(kRedirectMax));
}

TEST(JsonSource_ask, redirect_takes_no_credentials_to_another_server) {
  std::string request;
  LoopbackServer other([&](Socket& socket) {
    request = read_request(socket);
    send_text(socket, http_ok("[]"));
  });
  LoopbackServer server(says("HTTP/1.1 302 F\r\nLocation: " + other.url() + "\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(ask_json("http://joe:secret@127.0.0.1:" + std::to_string(server.port())).problem, "");
  EXPECT_THAT(request, testing::Not(HasSubstr("Authorization")));
}

TEST(JsonSource_ask, broken_answers) {
  LoopbackServer cut(says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"));
  EXPECT_THAT(ask_json(cut.url()).problem, HasSubstr("its answer ends in the middle"));
  LoopbackServer silent(says(""));
  EXPECT_THAT(ask_json(silent.url()).problem, HasSubstr("it hangs up without an answer"));
  LoopbackServer gibberish(says("SSH-2.0-OpenSSH\r\n\r\n"));
  EXPECT_NE(ask_json(gibberish.url()).problem, "");
  LoopbackServer wide(says("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"));
  EXPECT_THAT(ask_json(wide.url()).problem, HasSubstr("its headers are too long"));
}

TEST(JsonSource_ask, endless_answer_is_cut_short) {
  LoopbackServer server([](Socket& socket) {
    read_request(socket);
    send_text(socket, "HTTP/1.1 200 OK\r\n\r\n[");
    while (send_text(socket, std::string(65'536, ' '))) {
    }
  });
  EXPECT_THAT(ask_json(server.url()).problem, HasSubstr("its answer is too long"));
}

TEST(JsonSource_ask, nobody_there) {
  uint16_t port = 0;
  {
    LoopbackServer gone(says(""));
    port = gone.port();
  }
  EXPECT_THAT(ask_json("http://127.0.0.1:" + std::to_string(port)).problem, HasSubstr("Connection refused"));
  EXPECT_THAT(ask_json("https://127.0.0.1:" + std::to_string(port)).problem, HasSubstr("Connection refused"));
}

TEST(JsonSource_ask, host_of_the_hosts_file) {
  LoopbackServer server(says(http_ok(kList)));
  EXPECT_EQ(ask_json("http://localhost:" + std::to_string(server.port())).backends.size(), 2u);
}

// An https server with a certificate of its own for 127.0.0.1, in `dir`.
struct TlsServer {
  TempDir dir;
  std::string certificate = dir.path("cert.pem");
  std::string key = dir.path("key.pem");
  LoopbackServer server{[this](Socket& socket) { serve(socket); }};

  TlsServer() {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test "
        "-addext subjectAltName=IP:127.0.0.1 -keyout " +
        key + " -out " + certificate + " 2>&1";
    if (std::system((command + " > /dev/null").c_str()) != 0) throw std::runtime_error(command);
  }
  void serve(Socket& socket) const {
    asio::ssl::context context(asio::ssl::context::tls_server);
    context.use_certificate_chain_file(certificate);
    context.use_private_key_file(key, asio::ssl::context::pem);
    asio::ssl::stream<Socket&> stream(socket, context);
    boost::system::error_code error;
    stream.handshake(asio::ssl::stream_base::server, error);
    std::string head;
    asio::read_until(stream, asio::dynamic_buffer(head), "\r\n\r\n", error);
    asio::write(stream, asio::buffer(http_ok(kList)), error);
  }
  Answer ask_with(const std::string& ca_path, const std::string& host = "127.0.0.1") {
    JsonSource source({.endpoint = "https://" + host + ":" + std::to_string(server.port()), .ca_path = ca_path});
    return ask(source);
  }
};

TEST(JsonSource_ask, https_by_a_certificate_that_is_vouched_for) {
  TlsServer tls;
  EXPECT_THAT(endpoints(tls.ask_with(tls.certificate)), ElementsAre("10.0.0.1:80", "10.0.0.2:81"));
  EXPECT_THAT(tls.ask_with("").problem, HasSubstr("its certificate is not trusted: self-signed certificate"));
  EXPECT_THAT(tls.ask_with(tls.certificate, "localhost").problem, HasSubstr("its certificate is not trusted"));
  EXPECT_THAT(tls.ask_with("/no/such/file").problem, HasSubstr("/no/such/file: No such file"));
}

TEST(PlaintextSource_ask, lines_and_an_expression) {
  LoopbackServer lines(says(http_ok("10.0.0.1:80 weight=3\n10.0.0.2:80\n")));
  EXPECT_THAT(endpoints(ask_lines(lines.url())), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  LoopbackServer table(says(http_ok("web;10.0.0.1;80;7\nbroken\n")));
  const Answer answer = ask_lines(table.url(), R"(^\w+;(?P<host>[^;]+);(?P<port>\d+)(;(?P<weight>\d+))?$)");
  ASSERT_EQ(answer.backends.size(), 1u) << answer.problem;
  EXPECT_EQ(answer.backends[0].weight, 7);
  EXPECT_THAT(answer.left_out, ElementsAre(HasSubstr("line 2: \"broken\" does not match")));
}

TEST(PlaintextSource_ask, an_expression_that_explodes_matches_nothing) {
  LoopbackServer server(says(http_ok(std::string(200, 'a') + "!\n")));
  EXPECT_THAT(ask_lines(server.url(), "^(?P<host>(a+)+)(?P<port>b)$").problem, HasSubstr("does not match"));
}

TEST(DiscoveryMonitor_http, slow_server_fails_in_its_time_and_holds_up_nobody) {
  std::atomic<bool> over{false};
  LoopbackServer server([&](Socket& socket) {
    read_request(socket);
    while (!over && send_text(socket, "H")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  boost::asio::io_context loop;
  config::Config config = sample_config();
  config.services[0].discovery = {.source = config::JsonDiscovery{.endpoint = server.url()}, .timeout_ms = 150};
  {
    DiscoveryMonitor monitor(loop.get_executor(), make_source, [] {});
    monitor.reconcile(config);
    EXPECT_TRUE(turn_until(loop, nullptr, [&] { return monitor.find("web")->failed == 1; }));
    EXPECT_NE(monitor.find("web")->failure, "");
    monitor.stop();
    loop.restart();
    loop.poll();
  }
  over = true;
}

}  // namespace
}  // namespace millrace::control
