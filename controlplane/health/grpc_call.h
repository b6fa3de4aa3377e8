// grpc_call.h: one call of grpc.health.v1.Health/Check over HTTP/2, as bytes out and bytes in.
// Thread: any; no I/O.
// Bound:  kGrpcBytesMax from the backend in all, kGrpcMessageBytesMax of message.
// Fails:  result() says what was wrong.
// Tests:  tests/unit/control/health_grpc_test.cpp, tests/fuzz/answer_fuzz.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/health/probe.h"

struct nghttp2_session;

namespace millrace::control {

inline constexpr size_t kGrpcBytesMax = 65'536;
inline constexpr size_t kGrpcMessageBytesMax = 1024;

class GrpcCall {
 public:
  // `service`: whose health; empty: the server's. `authority`: the backend's name or address. `scheme`: "http", "https".
  GrpcCall(const std::string& service, const std::string& authority, const std::string& scheme);
  ~GrpcCall();
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  // What is to be sent now; empty: nothing.
  std::string take_output();
  // What the backend sent; false: the call is over.
  bool take(std::string_view bytes);
  // The backend closed its side.
  void end();

  // When the call is over.
  ProbeResult result() const;

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

}  // namespace millrace::control
