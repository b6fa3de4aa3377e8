// api_tcp_test.cpp: the API's TCP port: logins and tokens, pages of other origins, TLS, and clients that are slow on purpose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "controlplane/api/http_server.h"
#include "controlplane/api/tcp_listener.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::Not;

// A server on a free port of the loopback that answers every request that it lets in with its method.
class Served {
 public:
  explicit Served(const config::ApiConfig& config, std::shared_ptr<asio::ssl::context> tls = nullptr) {
    std::string problem;
    listener_ = TcpListener::open(loop_.get_executor(), {parse_ip("127.0.0.1").value(), Be16{}}, "[api] bind", problem);
    if (!listener_) throw std::runtime_error(problem);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(listener_->acceptor().native_handle(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    const auto handler = [](ApiRequest request) -> asio::awaitable<ApiReply> {
      co_return ApiReply{200, {{"method", request.method}}, {}};
    };
    asio::co_spawn(
        loop_, serve_api(*listener_, handler, {std::make_shared<const Authority>(config), std::move(tls), config.cors}),
        asio::detached);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Served() {
    loop_.stop();
    thread_.join();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  int connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  Reply ask(const std::string& method, const std::string& head = "") const {
    const int fd = connect();
    const std::string bytes = method + " / HTTP/1.1\r\nHost: m\r\nConnection: close\r\n" + head + "\r\n";
    EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    std::string all;
    char part[4096];
    for (ssize_t got = 0; (got = recv(fd, part, sizeof part, 0)) > 0;) all.append(part, static_cast<size_t>(got));
    close(fd);
    return parse_reply(all);
  }

  uint16_t port = 0;

 private:
  asio::io_context loop_{1};
  std::unique_ptr<TcpListener> listener_;
  std::thread thread_;
};

config::ApiConfig guarded() {
  config::ApiConfig config;
  config.basic_auth = config::ApiConfig::BasicAuth{"admin", "1111"};
  config.tokens = {{"grafana", "a-token-of-20-letters", false}, {"deploy", "another-token-of-27-letters", true}};
  return config;
}

TEST(Api_over_tcp, basic_auth) {
  const Served server(guarded());
  EXPECT_EQ(server.ask("GET", "Authorization: Basic YWRtaW46MTExMQ==\r\n").status, 200);
  EXPECT_EQ(server.ask("POST", "Authorization: Basic YWRtaW46MTExMQ==\r\n").status, 200);
  for (const char* wrong : {"", "Authorization: Basic YWRtaW46MTExMg==\r\n", "Authorization: Basic\r\n",
                            "Authorization: Bearer YWRtaW46MTExMQ==\r\n", "Authorization: \r\n"}) {
    const Reply refused = server.ask("GET", wrong);
    EXPECT_EQ(refused.status, 401) << wrong;
    EXPECT_THAT(refused.head, HasSubstr("WWW-Authenticate: Basic realm="));
  }
}

TEST(Api_over_tcp, tokens_read_or_write) {
  const Served server(guarded());
  EXPECT_EQ(server.ask("GET", "Authorization: Bearer a-token-of-20-letters\r\n").status, 200);
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(server.ask(method, "Authorization: Bearer a-token-of-20-letters\r\n").status, 403) << method;
    EXPECT_EQ(server.ask(method, "Authorization: Bearer another-token-of-27-letters\r\n").status, 200) << method;
  }
  EXPECT_EQ(server.ask("GET", "Authorization: Bearer a-token-of-20-letter\r\n").status, 401);
  EXPECT_EQ(server.ask("GET", "Authorization: Bearer a-token-of-20-letters2\r\n").status, 401);
}

TEST(Api_over_tcp, without_logins_everybody_but_foreign_pages) {
  const Served server(config::ApiConfig{});
  EXPECT_EQ(server.ask("DELETE").status, 200);
  const Reply refused = server.ask("POST", "Origin: https://elsewhere.example\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body["remedy"], HasSubstr("cors"));
  EXPECT_THAT(refused.head, Not(HasSubstr("Access-Control")));
  EXPECT_EQ(server.ask("OPTIONS").body["method"], "OPTIONS") << "the routes say what they have";
}

TEST(Api_over_tcp, cors) {
  config::ApiConfig config = guarded();
  config.cors = true;
  const Served server(config);
  const Reply preflight = server.ask("OPTIONS", "Origin: https://elsewhere.example\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_THAT(preflight.head, HasSubstr("Access-Control-Allow-Origin: *"));
  EXPECT_THAT(preflight.head, HasSubstr("DELETE"));
  EXPECT_EQ(server.ask("GET", "Origin: https://elsewhere.example\r\n").status, 401);
  EXPECT_EQ(server.ask("GET", "Origin: https://elsewhere.example\r\nAuthorization: Basic YWRtaW46MTExMQ==\r\n").status,
            200);
}

struct Certificate : testing::Test {
  TempDir dir;
  config::ApiConfig::Tls files{dir.path("cert.pem"), dir.path("key.pem")};

  Certificate() {
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj "
        "/CN=millrace -keyout " +
        files.key_path + " -out " + files.cert_path + " 2> /dev/null";
    EXPECT_EQ(std::system(make.c_str()), 0);
  }
};

TEST_F(Certificate, serves_tls) {
  std::string problem;
  const Served server(guarded(), make_tls(files, problem));
  ASSERT_EQ(problem, "");
  asio::io_context loop;
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.load_verify_file(files.cert_path);
  context.set_verify_mode(asio::ssl::verify_peer);
  asio::ssl::stream<asio::ip::tcp::socket> stream(loop, context);
  stream.next_layer().connect({asio::ip::address_v4::loopback(), server.port});
  stream.handshake(asio::ssl::stream_base::client);
  asio::write(stream, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: m\r\nConnection: close\r\n"
                                               "Authorization: Bearer a-token-of-20-letters\r\n\r\n")));
  std::string all;
  boost::system::error_code error;
  asio::read(stream, asio::dynamic_buffer(all), error);
  EXPECT_EQ(error, asio::error::eof) << "closed as TLS closes, not cut: " << error.message();
  EXPECT_EQ(parse_reply(all).status, 200);
}

TEST_F(Certificate, plain_requests_to_tls_end) {
  std::string problem;
  const Served server(config::ApiConfig{}, make_tls(files, problem));
  EXPECT_EQ(server.ask("GET").status, 0);
}

TEST_F(Certificate, files_that_do_not_fit_are_named) {
  std::string problem;
  EXPECT_EQ(make_tls({dir.path("absent"), files.key_path}, problem), nullptr);
  EXPECT_THAT(problem, HasSubstr("absent"));
  EXPECT_EQ(make_tls({files.cert_path, files.cert_path}, problem), nullptr);
  EXPECT_THAT(problem, HasSubstr("[api.tls]"));
}

// Slow-loris: whoever holds connections open without asking keeps nobody else waiting.
TEST(Api_over_tcp, silent_clients_keep_nobody_waiting) {
  const Served server(config::ApiConfig{});
  std::vector<int> silent;
  for (unsigned i = 0; i < kApiConnectionMax - 1; ++i) {
    silent.push_back(server.connect());
    EXPECT_EQ(send(silent.back(), "GET / HT", 8, MSG_NOSIGNAL), 8);
  }
  EXPECT_EQ(server.ask("GET").status, 200);
  for (int i = 0; i < 10; ++i) silent.push_back(server.connect());
  const Reply full = server.ask("GET");
  EXPECT_EQ(full.status, 503);
  for (const int fd : silent) close(fd);
  int status = 503;
  for (int i = 0; i < 100 && status != 200; ++i) status = server.ask("GET").status;
  EXPECT_EQ(status, 200);
}

}  // namespace
}  // namespace millrace::control
