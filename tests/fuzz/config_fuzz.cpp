// config_fuzz.cpp: parse_config on arbitrary bytes: it either gives a config or says why not, in words a terminal
// survives.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "controlplane/config/config.h"
#include "controlplane/config/host_pattern.h"
#include "millrace/limits.h"

namespace {

// What the dataplane would refuse otherwise.
bool proxying_holds(const millrace::config::ServiceConfig& service) {
  using namespace millrace;
  const auto within = [](uint32_t ms) { return ms >= kHandshakeTimeoutMsMin && ms <= kHandshakeTimeoutMsMax; };
  if (service.may_proxy() && (service.proto != Proto::tcp || !within(service.connect_timeout_ms))) return false;
  if ((service.syn_rate != 0) != (service.syn_proxy == SynProxy::automatic)) return false;
  const bool reads_names = service.host_matching != HostMatching::none;
  if (reads_names && (service.mode != Mode::proxy || !within(service.hello_timeout_ms))) return false;
  for (const config::BackendConfig& backend : service.backends) {
    if (backend.proxy_protocol != ProxyProtocol::none && !service.always_proxies()) return false;
    if (backend.host.empty()) continue;
    if (!reads_names || !HostPattern::compile(service.host_matching, backend.host).pattern) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace::config;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const LoadResult result = parse_config(text, "fuzz.toml");
  if (result.config.has_value() != result.errors.empty()) std::abort();
  uint32_t line = 0;
  for (const ConfigError& error : result.errors) {
    if (error.line < line || error.problem.empty() || error.remedy.empty()) std::abort();
    line = error.line;
    for (const unsigned char c : format_error(error))
      if ((c < 0x20 && c != '\n') || c >= 0x7f) std::abort();
  }
  if (!result.config) return 0;
  // What the rest of the program relies on without looking again.
  for (const ServiceConfig& service : result.config->services) {
    const bool pooled = service.mode != millrace::Mode::nat && service.mode != millrace::Mode::dsr;
    const bool lacks_backends = service.backends.empty() && service.discovery.is_static();
    if (service.name.empty() || service.binds.empty() || lacks_backends || service.pool.empty() == pooled ||
        service.client_idle_timeout_ms == 0 || service.backend_idle_timeout_ms == 0 || !proxying_holds(service) ||
        (service.may_proxy() && !result.config->dataplane.proxy))
      std::abort();
  }
  if (result.config->dataplane.workers.empty() || result.config->dataplane.ports.empty()) std::abort();
  return 0;
}
