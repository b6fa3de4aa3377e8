// healthcheck.h: [servers.NAME.healthcheck] as a value: how the backends of a service are asked whether they are well.
// Holds:  equal values ask in the same way, so that a check may go on under a new configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config/byte_pattern.h"

namespace millrace::config {

enum class CheckKind : uint8_t { none, ping, probe, exec, http, grpc, icmp };
enum class ProbeProtocol : uint8_t { tcp, udp, tls };

// Of an answer to a probe, and of a body that is searched: what comes behind is not looked at.
inline constexpr size_t kAnswerBytesMax = 65'536;

// TLS towards a backend that is asked.
struct CheckTls {
  bool enabled = false;
  bool verify = true;
  std::string ca;                 // path of a file of PEM certificates; empty: the system's
  std::string server_name;        // in the ClientHello and in the certificate; empty: the certificate has the address
  std::vector<std::string> alpn;  // of kind probe: the backend must choose one; empty: none are offered
  bool operator==(const CheckTls&) const = default;
};

struct ProbeCheck {
  ProbeProtocol protocol = ProbeProtocol::tcp;
  std::string send;         // bytes, without escapes
  std::string starts_with;  // bytes; empty: `matches` is asked
  BytePattern matches;
  uint32_t answer_bytes = 0;  // how many the answer is judged by, 1 .. kAnswerBytesMax
  bool operator==(const ProbeCheck&) const = default;
};

// Both outputs empty: the exit status alone decides.
struct ExecCheck {
  std::vector<std::string> command;  // program and first arguments; address and port follow
  std::string positive_output;
  std::string negative_output;
  bool operator==(const ExecCheck&) const = default;
};

struct StatusRange {
  uint16_t first = 200;
  uint16_t last = 399;
  bool operator==(const StatusRange&) const = default;
};

struct HttpCheck {
  std::string method = "GET";
  std::string path = "/";
  std::string host;                                               // empty: the backend's address and port
  std::vector<StatusRange> expect = std::vector<StatusRange>(1);  // any of them
  std::string body_contains;                                      // empty: anything
  BytePattern body_matches;                                       // none: anything

  bool looks_at_body() const { return !body_contains.empty() || body_matches; }
  bool operator==(const HttpCheck&) const = default;
};

struct HealthcheckConfig {
  CheckKind kind = CheckKind::none;  // also without the table: backends count as up
  uint32_t interval_ms = 2000;
  uint32_t timeout_ms = 1000;
  uint16_t fails = 1;
  uint16_t passes = 1;
  bool initial_healthy = true;  // initial_status = "healthy" | "unhealthy"
  uint16_t port = 0;            // to ask at; 0: the backend's own
  ProbeCheck probe;             // each of kind's own name
  ExecCheck exec;
  HttpCheck http;
  std::string grpc_service;  // empty: the server as a whole
  CheckTls tls;              // of kinds probe, http and grpc

  bool enabled() const { return kind != CheckKind::none; }
  bool operator==(const HealthcheckConfig&) const = default;
};

}  // namespace millrace::config
