// config_place.h: where the configuration is read, at a start and at each reload: a file, an HTTP server, or a key of Consul or
// etcd.
// Route:  main | Daemon::reload > read > http_get | http_exchange > the text
// Thread: the event loop; only a file is read at once.
// Bound:  kPlacePatience for each server that is asked, 64 MiB.
// Fails:  with a sentence that holds no credentials.      Tests: tests/unit/control/config_place_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/client/http_message.h"
#include "controlplane/config/text_file.h"

namespace millrace::control {

inline constexpr std::chrono::seconds kPlacePatience{10};

class ConfigPlace {
 public:
  // A file, by its path.
  ConfigPlace(std::string path);  // NOLINT: it was always a path
  static ConfigPlace of_url(config::Url url, const config::ClientTls& tls);
  // `host`: "consul.example.com:8500"; CONSUL_HTTP_TOKEN is the token, as in Consul's own programs.
  static config::Parsed<ConfigPlace> of_consul(const std::string& host, const std::string& key, bool https,
                                               const config::ClientTls& tls);
  // Of several hosts the first that answers. ETCDCTL_USER is who asks, "NAME:PASSWORD", as in etcd's own program.
  static config::Parsed<ConfigPlace> of_etcd(const std::vector<std::string>& hosts, const std::string& key, bool https,
                                             const config::ClientTls& tls);

  // In errors, logs and answers: a path, "http://…", "consul://HOST/KEY". Holds no credentials.
  const std::string& name() const { return name_; }
  bool is_file() const { return kind_ == Kind::file; }
  // As gobetween's API tells it: kind, and path, or url, or host and key.
  const std::vector<std::pair<std::string, std::string>>& about() const { return about_; }
  // Where nothing can be read.
  const char* remedy() const;

  // The text, or why there is none, as the end of a sentence that begins with the name.
  boost::asio::awaitable<config::TextFile> read() const;

 private:
  enum class Kind { file, url, consul, etcd };
  ConfigPlace(Kind kind, std::string name, std::vector<std::pair<std::string, std::string>> about)
      : kind_(kind), name_(std::move(name)), about_(std::move(about)) {}

  boost::asio::awaitable<config::TextFile> ask(HttpRequest request) const;
  boost::asio::awaitable<HttpResponse> exchange(HttpRequest& request) const;
  config::TextFile text_of(const HttpRequest& request, const HttpResponse& response) const;

  Kind kind_;
  std::string name_;
  std::vector<std::pair<std::string, std::string>> about_;
  std::vector<HttpRequest> requests_;  // in the order in which they are tried
  std::string login_;                  // of etcd: what is said for a token; empty: none is needed
};

}  // namespace millrace::control
