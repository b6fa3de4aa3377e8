// probe_maker.cpp: which class asks for which kind of check; see probe.h.
#include "controlplane/health/exec_probe.h"
#include "controlplane/health/grpc_probe.h"
#include "controlplane/health/http_probe.h"
#include "controlplane/health/icmp_probe.h"
#include "controlplane/health/stream_probe.h"
#include "controlplane/health/tcp_ping.h"
#include "controlplane/health/udp_probe.h"

namespace millrace::control {

using config::CheckKind;

ProbeMaker make_probes(boost::asio::any_io_executor executor) {
  return [echo_sockets = std::make_shared<EchoSockets>(std::move(executor)),
          commands = std::make_shared<unsigned>(0)](const config::HealthcheckConfig& check) -> std::shared_ptr<Probe> {
    switch (check.kind) {
      case CheckKind::probe:
        if (check.probe.protocol == config::ProbeProtocol::udp) return std::make_shared<UdpProbe>(check);
        return std::make_shared<StreamProbe>(check);
      case CheckKind::exec:
        return std::make_shared<ExecProbe>(check, commands);
      case CheckKind::http:
        return std::make_shared<HttpProbe>(check);
      case CheckKind::grpc:
        return std::make_shared<GrpcProbe>(check);
      case CheckKind::icmp:
        return std::make_shared<IcmpProbe>(echo_sockets);
      case CheckKind::ping:
      case CheckKind::none:  // nobody asks
        break;
    }
    return std::make_shared<TcpPing>();
  };
}

}  // namespace millrace::control
