// http_exchange_test.cpp: requests as registries want them: methods, headers, UNIX sockets, certificates.
#include "controlplane/client/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <sstream>

#include "tests/unit/control/api_server.h"
#include "tests/unit/control/running_daemon.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;

HttpRequest request_to(const std::string& url) {
  return {.url = *config::parse_url(url).value, .body_bytes_max = 64 * 1024};
}

HttpResponse exchange(const HttpRequest& request) {
  boost::asio::io_context loop;
  HttpResponse response;
  boost::asio::co_spawn(loop, http_exchange(request), [&](std::exception_ptr error, HttpResponse given) {
    EXPECT_FALSE(error);
    response = std::move(given);
  });
  loop.run();
  return response;
}

TEST(http_exchange, method_fields_and_body_go_out) {
  ApiServer::Request seen;
  ApiServer server([&](const ApiServer::Request& request, const ApiServer::Send& send) {
    seen = request;
    send(api_ok("{}"));
  });
  HttpRequest request = request_to("http://" + server.at() + "/v3/kv/range");
  request.method = "POST";
  request.body = R"({"key":"YQ=="})";
  request.fields = {{"X-Consul-Token", "s3cret"}, {"Authorization", "Bearer abc"}};
  EXPECT_EQ(exchange(request).body, "{}");
  EXPECT_THAT(seen.head, HasSubstr("POST /v3/kv/range HTTP/1.1\r\n"));
  EXPECT_THAT(seen.head, HasSubstr("X-Consul-Token: s3cret\r\n"));
  EXPECT_THAT(seen.head, HasSubstr("Authorization: Bearer abc\r\n"));
  EXPECT_THAT(seen.head, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(seen.body, request.body);
}

TEST(http_exchange, response_fields_in_any_case) {
  ApiServer server([](const ApiServer::Request&, const ApiServer::Send& send) {
    send("HTTP/1.1 200 OK\r\nx-consul-index: 42\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n");
  });
  const HttpResponse response = exchange(request_to("http://" + server.at() + "/"));
  EXPECT_EQ(response.field("X-Consul-Index"), "42");
  EXPECT_EQ(response.field("X-Other"), "");
  EXPECT_EQ(response.body, "[1]");
}

TEST(http_exchange, every_status_is_an_answer_and_a_refusal_is_one_line) {
  ApiServer server([](const ApiServer::Request&, const ApiServer::Send& send) {
    send("HTTP/1.1 403 Forbidden\r\nContent-Length: 27\r\n\r\nPermission \x1b[1mdenied\nsecond");
  });
  const HttpRequest request = request_to("http://joe:secret@" + server.at() + "/v1/x");
  const HttpResponse response = exchange(request);
  EXPECT_EQ(response.problem, "");
  EXPECT_EQ(describe_refusal(request, response),
            "http://" + server.at() + "/v1/x: it answers with status 403: Permission ?[1mdenied");
}

TEST(http_exchange, unix_socket) {
  const TempDir dir;
  ApiServer::Request seen;
  ApiServer server(
      [&](const ApiServer::Request& request, const ApiServer::Send& send) {
        seen = request;
        send(api_ok("[]"));
      },
      dir.path("api.sock"));
  HttpRequest request{.unix_path = dir.path("api.sock"), .body_bytes_max = 100};
  request.url.target = "/containers/json";
  EXPECT_EQ(exchange(request).body, "[]");
  EXPECT_THAT(seen.head, HasSubstr("GET /containers/json HTTP/1.1\r\nHost: localhost\r\n"));
  request.unix_path = dir.path("nobody.sock");
  EXPECT_EQ(exchange(request).problem, dir.path("nobody.sock") + ": /containers/json: No such file or directory");
  request.unix_path = "/" + std::string(200, 'x');
  EXPECT_THAT(exchange(request).problem, HasSubstr("too long for a UNIX socket"));
}

struct HttpExchangeTls : testing::Test {
  TempDir dir;
  TestCertificate own{dir.path(""), "server"};
  TestCertificate client{dir.path(""), "client"};
  ApiServer server{[](const ApiServer::Request&, const ApiServer::Send& send) { send(api_ok("[]")); },
                   ApiServer::Tls{own, client.certificate}};

  HttpResponse exchange_with(const config::ClientTls& tls) {
    HttpRequest request = request_to("https://" + server.at() + "/");
    request.tls = tls;
    return exchange(request);
  }
};

TEST_F(HttpExchangeTls, client_certificate_is_shown) {
  config::ClientTls tls{.ca_path = own.certificate, .cert_path = client.certificate, .key_path = client.key};
  EXPECT_EQ(exchange_with(tls).body, "[]") << exchange_with(tls).problem;
  tls.cert_path = tls.key_path = "";
  EXPECT_NE(exchange_with(tls).problem, "") << "the server wants a certificate";
  tls.cert_path = dir.path("none.crt");
  EXPECT_THAT(exchange_with(tls).problem, HasSubstr(dir.path("none.crt") + ": No such file"));
}

TEST_F(HttpExchangeTls, skip_verify_takes_any_certificate) {
  config::ClientTls tls{.cert_path = client.certificate, .key_path = client.key};
  EXPECT_THAT(exchange_with(tls).problem, HasSubstr("its certificate is not trusted"));
  tls.skip_verify = true;
  EXPECT_EQ(exchange_with(tls).problem, "");
}

TEST_F(HttpExchangeTls, pin_takes_one_certificate_alone) {
  config::ClientTls tls{.cert_path = client.certificate, .key_path = client.key, .pin_path = own.certificate};
  EXPECT_EQ(exchange_with(tls).problem, "");
  tls.pin_path = client.certificate;
  EXPECT_THAT(exchange_with(tls).problem, HasSubstr("its certificate is not the one in " + client.certificate));
  tls.pin_path = client.key;
  EXPECT_THAT(exchange_with(tls).problem, HasSubstr("holds no certificate"));
}

TEST_F(HttpExchangeTls, certificate_can_be_fetched) {
  HttpRequest request = request_to("https://" + server.at() + "/");
  request.tls = {.cert_path = client.certificate, .key_path = client.key};
  boost::asio::io_context loop;
  std::string problem;
  std::string fetched;
  boost::asio::co_spawn(loop, fetch_certificate(request, problem),
                        [&](std::exception_ptr, std::string given) { fetched = std::move(given); });
  loop.run();
  EXPECT_EQ(problem, "");
  std::ifstream file(own.certificate);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(fetched, expected.str());
}

TEST(http_get, redirect_takes_no_fields_to_another_server) {
  std::string seen;
  ApiServer other([&](const ApiServer::Request& request, const ApiServer::Send& send) {
    seen = request.head;
    send(api_ok("[]"));
  });
  ApiServer server([&](const ApiServer::Request&, const ApiServer::Send& send) {
    send("HTTP/1.1 302 F\r\nLocation: http://" + other.at() + "/\r\nContent-Length: 0\r\n\r\n");
  });
  HttpRequest request = request_to("http://" + server.at() + "/");
  request.fields = {{"X-Consul-Token", "s3cret"}};
  boost::asio::io_context loop;
  boost::asio::co_spawn(loop, http_get(request), [](std::exception_ptr, const HttpResponse&) {});
  loop.run();
  EXPECT_THAT(seen, HasSubstr("GET / HTTP/1.1"));
  EXPECT_THAT(seen, Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace millrace::control
