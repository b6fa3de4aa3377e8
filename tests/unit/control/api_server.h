// api_server.h: a registry's API as a test plays it: on the loopback or a UNIX socket, plain or TLS, a thread per connection.
#pragma once

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace millrace::control {

// A certificate that vouches for itself, and its key, in PEM files. As a server's it is for 127.0.0.1.
struct TestCertificate {
  std::string certificate;
  std::string key;

  TestCertificate(const std::string& directory, const std::string& name)
      : certificate(directory + "/" + name + ".crt"), key(directory + "/" + name + ".key") {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=" + name +
        " -addext subjectAltName=IP:127.0.0.1 -keyout " + key + " -out " + certificate + " > /dev/null 2>&1";
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
  }
};

class ApiServer {
 public:
  struct Request {
    std::string head;
    std::string body;
    std::string method() const { return head.substr(0, head.find(' ')); }
    std::string target() const {
      const size_t at = head.find(' ') + 1;
      return head.substr(at, head.find(' ', at) - at);
    }
  };
  // False: the client is gone.
  using Send = std::function<bool(const std::string&)>;
  using Serve = std::function<void(const Request&, const Send&)>;
  struct Tls {
    TestCertificate own;
    std::string client_ca = {};  // not empty: clients must show a certificate that this one vouches for
  };

  explicit ApiServer(Serve serve) : ApiServer(std::move(serve), loopback(), nullptr) {}
  ApiServer(Serve serve, const Tls& tls) : ApiServer(std::move(serve), loopback(), &tls) {}
  ApiServer(Serve serve, const std::string& unix_path)
      : ApiServer(std::move(serve), boost::asio::local::stream_protocol::endpoint(unix_path), nullptr) {}
  ~ApiServer() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      for (Socket& socket : sockets_) ::shutdown(socket.native_handle(), SHUT_RDWR);
    }
    changed_.notify_all();
    Socket last(context_);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    acceptor_thread_.join();
    for (std::thread& thread : threads_) thread.join();
  }
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  uint16_t port() const {
    const auto endpoint = acceptor_.local_endpoint();
    return ntohs(reinterpret_cast<const sockaddr_in*>(endpoint.data())->sin_port);
  }
  std::string at() const { return "127.0.0.1:" + std::to_string(port()); }
  size_t requests() const { return requests_; }

  // What requests wait for: `change` and `condition` run under one lock, one after the other.
  void change(const std::function<void()>& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }
  // False: it did not come true in time, or the test is over.
  bool await(const std::function<bool()>& condition, std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, bound, [&] { return stop_ || condition(); }) && !stop_;
  }

 private:
  using Protocol = boost::asio::generic::stream_protocol;
  using Socket = Protocol::socket;

  static Protocol::endpoint loopback() {
    return boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0);
  }

  ApiServer(Serve serve, const Protocol::endpoint& endpoint, const Tls* tls) : serve_(std::move(serve)) {
    acceptor_.open(endpoint.protocol());
    acceptor_.bind(endpoint);
    acceptor_.listen();
    if (tls != nullptr) {
      tls_ = true;
      tls_context_.use_certificate_chain_file(tls->own.certificate);
      tls_context_.use_private_key_file(tls->own.key, boost::asio::ssl::context::pem);
      if (!tls->client_ca.empty()) {
        tls_context_.set_verify_mode(boost::asio::ssl::verify_peer | boost::asio::ssl::verify_fail_if_no_peer_cert);
        tls_context_.load_verify_file(tls->client_ca);
      }
    }
    acceptor_thread_ = std::thread([this] { run(); });
  }

  void run() {
    while (true) {
      boost::system::error_code error;
      Socket socket(context_);
      acceptor_.accept(socket, error);
      const std::lock_guard lock(mutex_);
      if (stop_ || error) return;
      sockets_.push_back(std::move(socket));
      threads_.emplace_back([this, &kept = sockets_.back()] { serve_connection(kept); });
    }
  }

  void serve_connection(Socket& socket) {
    if (tls_) {
      boost::asio::ssl::stream<Socket&> stream(socket, tls_context_);
      boost::system::error_code error;
      stream.handshake(boost::asio::ssl::stream_base::server, error);
      if (!error) serve_on(stream);
      if (!error) stream.shutdown(error);
    } else {
      serve_on(socket);
    }
    ::shutdown(socket.native_handle(), SHUT_RDWR);
  }

  template <typename Stream>
  void serve_on(Stream& stream) {
    boost::system::error_code error;
    std::string text;
    const size_t head_bytes = boost::asio::read_until(stream, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
    if (error) return;
    Request request{text.substr(0, head_bytes), text.substr(head_bytes)};
    const size_t length_at = request.head.find("Content-Length: ");
    const size_t length = length_at == std::string::npos ? 0 : std::stoul(request.head.substr(length_at + 16));
    if (request.body.size() < length)
      boost::asio::read(stream, boost::asio::dynamic_buffer(request.body),
                        boost::asio::transfer_exactly(length - request.body.size()), error);
    ++requests_;
    serve_(request, [&](const std::string& answer) {
      boost::system::error_code gone;
      boost::asio::write(stream, boost::asio::buffer(answer), gone);
      return !gone;
    });
  }

  Serve serve_;
  bool tls_ = false;
  boost::asio::ssl::context tls_context_{boost::asio::ssl::context::tls_server};
  boost::asio::io_context context_;
  boost::asio::basic_socket_acceptor<Protocol> acceptor_{context_};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::atomic<size_t> requests_{0};
  std::list<Socket> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_thread_;
};

// An answer of status 200, with further lines of headers, each with its end.
inline std::string api_ok(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace millrace::control
