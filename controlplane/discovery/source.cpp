#include "controlplane/discovery/source.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/discovery/consul_source.h"
#include "controlplane/discovery/dns_source.h"
#include "controlplane/discovery/docker_source.h"
#include "controlplane/discovery/etcd_source.h"
#include "controlplane/discovery/exec_source.h"
#include "controlplane/discovery/file_source.h"
#include "controlplane/discovery/http_source.h"
#include "controlplane/discovery/kubernetes_source.h"
#include "controlplane/discovery/lxd_source.h"
#include "controlplane/discovery/zookeeper_source.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {

namespace asio = boost::asio;

asio::awaitable<void> Source::await_change(std::chrono::steady_clock::time_point deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  co_await timer.async_wait(kQuietly);
}

std::unique_ptr<Source> make_source(const config::DiscoveryConfig& discovery) {
  struct Maker {
    std::unique_ptr<Source> operator()(const std::monostate&) { return nullptr; }
    std::unique_ptr<Source> operator()(const config::ExecDiscovery& exec) { return std::make_unique<ExecSource>(exec); }
    std::unique_ptr<Source> operator()(const config::FileDiscovery& file) { return std::make_unique<FileSource>(file); }
    std::unique_ptr<Source> operator()(const config::JsonDiscovery& json) { return std::make_unique<JsonSource>(json); }
    std::unique_ptr<Source> operator()(const config::PlaintextDiscovery& plaintext) {
      return std::make_unique<PlaintextSource>(plaintext);
    }
    std::unique_ptr<Source> operator()(const config::SrvDiscovery& srv) { return std::make_unique<SrvSource>(srv); }
    std::unique_ptr<Source> operator()(const config::DnsDiscovery& dns) { return std::make_unique<DnsSource>(dns); }
    std::unique_ptr<Source> operator()(const config::ZookeeperDiscovery& zookeeper) {
      return std::make_unique<ZookeeperSource>(zookeeper);
    }
    std::unique_ptr<Source> operator()(const config::EtcdDiscovery& etcd) { return std::make_unique<EtcdSource>(etcd); }
    std::unique_ptr<Source> operator()(const config::KubernetesDiscovery& kubernetes) {
      return std::make_unique<KubernetesSource>(kubernetes);
    }
    std::unique_ptr<Source> operator()(const config::ConsulDiscovery& consul) {
      return std::make_unique<ConsulSource>(consul);
    }
    std::unique_ptr<Source> operator()(const config::DockerDiscovery& docker) {
      return std::make_unique<DockerSource>(docker);
    }
    std::unique_ptr<Source> operator()(const config::LxdDiscovery& lxd) { return std::make_unique<LxdSource>(lxd); }
  };
  return std::visit(Maker{}, discovery.source);
}

}  // namespace millrace::control
