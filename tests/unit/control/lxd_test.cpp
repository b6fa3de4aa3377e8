// lxd_test.cpp: an LXD daemon of our own, as its API is documented: containers, certificates on both sides, accidents.
#include "controlplane/discovery/lxd_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/control/api_server.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kOneContainer[] = R"({"type":"sync","status":"Success","status_code":200,"metadata":[
  {"name":"web1","status":"Running","type":"container","config":{"user.port":"8080"},
   "state":{"network":{"eth0":{"addresses":[{"family":"inet","address":"10.0.3.7","netmask":"24","scope":"global"}]}}}}]})";

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(LxdSource_ask, containers_over_the_unix_socket) {
  const TempDir dir;
  std::string target;
  ApiServer server(
      [&](const ApiServer::Request& request, const ApiServer::Send& send) {
        target = request.target();
        send(api_ok(kOneContainer));
      },
      dir.path("lxd.sock"));
  LxdSource source({.endpoint = {.unix_path = dir.path("lxd.sock")}, .port_key = "user.port", .interface = "eth0"});
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.3.7:8080"));
  EXPECT_EQ(target, "/1.0/instances?recursion=2&instance-type=container");
}

TEST(LxdSource_ask, server_from_before_instances) {
  const TempDir dir;
  ApiServer server(
      [&](const ApiServer::Request& request, const ApiServer::Send& send) {
        send(request.target() == "/1.0/containers?recursion=2"
                 ? api_ok(kOneContainer)
                 : "HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{\"error\":\"not found\"}");
      },
      dir.path("lxd.sock"));
  LxdSource source({.endpoint = {.unix_path = dir.path("lxd.sock")}, .port = 80, .interface = "eth0"});
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.3.7:80"));
}

TEST(LxdSource_ask, broken_answers_are_failures) {
  const TempDir dir;
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP/1.1 500 Internal\r\nContent-Length: 17\r\n\r\n{\"error\":\"oh no\"}", "status 500: {\"error\":\"oh no\"}"},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 26\r\n\r\n{\"error\":\"not authorized\"}\n",
       "status 403: {\"error\":\"not auth"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{", "its answer ends in the middle"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[{", "it is no JSON"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "its JSON has no list under metadata"},
      {"", "it hangs up without an answer"}};
  size_t number = 0;
  for (const auto& [says, problem] : cases) {
    const std::string path = dir.path(std::to_string(number++));
    ApiServer server([says = says](const ApiServer::Request&, const ApiServer::Send& send) { send(says); }, path);
    LxdSource source({.endpoint = {.unix_path = path}, .port = 80, .interface = "eth0"});
    EXPECT_THAT(ask(source).problem, HasSubstr(problem));
  }
}

// A server that answers by https alone, and trusts a client once it has sent the password.
struct LxdHttps : testing::Test {
  TempDir dir;
  TestCertificate own{dir.path(""), "server"};
  bool trusted = false;
  std::string introduction;
  ApiServer server{[this](const ApiServer::Request& request, const ApiServer::Send& send) { answer(request, send); },
                   ApiServer::Tls{own}};
  config::LxdDiscovery config{.port = 80, .interface = "eth0"};

  LxdHttps() {
    config.endpoint.url = "https://" + server.at();
    config.endpoint.tls = {.ca_path = dir.path("lxc/client.ca"),
                           .cert_path = dir.path("lxc/client.crt"),
                           .key_path = dir.path("lxc/client.key"),
                           .pin_path = dir.path("lxc/servercerts/local.crt")};
  }
  void answer(const ApiServer::Request& request, const ApiServer::Send& send) {
    if (request.target() == "/1.0/certificates") {
      introduction = request.body;
      trusted = request.body.find("\"password\":\"let me in\"") != std::string::npos;
      send(trusted ? "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
                   : "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}");
    } else {
      send(trusted ? api_ok(kOneContainer) : "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}");
    }
  }
};

TEST_F(LxdHttps, server_that_nobody_vouches_for_is_refused) {
  trusted = true;
  LxdSource source(config);
  EXPECT_THAT(ask(source).problem, HasSubstr("its certificate is not trusted: self-signed certificate"));
  EXPECT_FALSE(fs::exists(config.endpoint.tls.pin_path));
}

TEST_F(LxdHttps, first_certificate_is_accepted_where_that_is_wanted_and_no_other_after_it) {
  trusted = true;
  config.accept_server_cert = true;
  LxdSource source(config);
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.3.7:80"));
  EXPECT_EQ(read_file(config.endpoint.tls.pin_path), read_file(own.certificate));
  const TestCertificate other(dir.path(""), "other");
  fs::copy_file(other.certificate, config.endpoint.tls.pin_path, fs::copy_options::overwrite_existing);
  EXPECT_THAT(ask(source).problem, HasSubstr("its certificate is not the one in " + config.endpoint.tls.pin_path));
}

TEST_F(LxdHttps, client_certificate_is_made_once_and_introduced_by_the_password) {
  config.accept_server_cert = config.generate_client_cert = true;
  config.remote_password = "let me in";
  LxdSource source(config);
  const Answer answer = ask(source);
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.3.7:80")) << answer.problem;
  EXPECT_THAT(introduction, HasSubstr(R"("type":"client")"));
  const std::string certificate = read_file(config.endpoint.tls.cert_path);
  EXPECT_THAT(certificate, StartsWith("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(fs::status(config.endpoint.tls.key_path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  ask(source);
  EXPECT_EQ(read_file(config.endpoint.tls.cert_path), certificate);
}

TEST_F(LxdHttps, wrong_password_is_no_secret_in_the_log) {
  config.accept_server_cert = true;
  config.remote_password = "s3cret";
  LxdSource source(config);
  const std::string problem = ask(source).problem;
  EXPECT_THAT(problem, HasSubstr("/1.0/certificates: it answers with status 403"));
  EXPECT_EQ(problem.find("s3cret"), std::string::npos);
}

TEST_F(LxdHttps, directory_that_cannot_be_written_is_named) {
  config.generate_client_cert = true;
  std::ofstream(dir.path("lxc")) << "no directory";
  LxdSource source(config);
  EXPECT_THAT(ask(source).problem, HasSubstr(dir.path("lxc")));
}

}  // namespace
}  // namespace millrace::control
