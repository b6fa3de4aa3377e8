// health_grpc_test.cpp: kind = "grpc": answers of a health service, frame by frame (RFC 9113), and what is none.
#include <gtest/gtest.h>

#include "controlplane/health/grpc_call.h"
#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

using namespace std::string_literals;

constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoAway = 7;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes += static_cast<char>(payload.size() >> shift);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(stream >> shift);
  return bytes + payload;
}

// RFC 7541 section 6.2.2: a literal field with a literal name.
std::string field(const std::string& name, const std::string& value) {
  return "\0"s + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

std::string settings() { return frame(kSettings, 0, 0, ""); }
std::string status_200() { return frame(kHeaders, kEndHeaders, 1, "\x88" + field("content-type", "application/grpc")); }
std::string message(const std::string& protobuf) {
  return frame(kData, 0, 1, "\0\0\0\0"s + static_cast<char>(protobuf.size()) + protobuf);
}
std::string trailers(const std::string& grpc_status) {
  return frame(kHeaders, kEndHeaders | kEndStream, 1, field("grpc-status", grpc_status));
}
// Field 1, a varint.
std::string serving_status(char status) { return "\x08"s + status; }

// What a call makes of an answer in pieces of `piece` bytes.
ProbeResult result_of(const std::string& answer, size_t piece = 65'536) {
  GrpcCall call("", "10.0.0.1:50051", "http");
  EXPECT_FALSE(call.take_output().empty());
  bool more = true;
  for (size_t at = 0; more && at < answer.size(); at += piece) {
    more = call.take(std::string_view(answer).substr(at, piece));
    call.take_output();
  }
  if (more) call.end();
  return call.result();
}

void expect_failed(const std::string& answer, const std::string& cause) {
  const ProbeResult result = result_of(answer);
  EXPECT_EQ(result.outcome, ProbeOutcome::failed);
  EXPECT_EQ(result.cause, cause);
}

TEST(GrpcCall_result, serving_in_pieces_of_any_size) {
  const std::string answer = settings() + status_200() + message(serving_status(1)) + trailers("0");
  for (size_t piece = 1; piece <= answer.size(); ++piece) {
    const ProbeResult result = result_of(answer, piece);
    ASSERT_EQ(result.outcome, ProbeOutcome::passed) << piece << ": " << result.cause;
    EXPECT_EQ(result.cause, "answered SERVING");
  }
}

TEST(GrpcCall_result, fields_of_later_versions_are_skipped) {
  const std::string later =
      "\x12\x03"
      "abc"
      "\x19"
      "12345678"
      "\x25"
      "1234"
      "\x28\x96\x01"s +
      serving_status(1);
  EXPECT_EQ(result_of(settings() + status_200() + message(later) + trailers("0")).cause, "answered SERVING");
}

TEST(GrpcCall_result, not_serving) {
  const auto answer = [](char status) {
    return settings() + status_200() + message(serving_status(status)) + trailers("0");
  };
  expect_failed(answer(2), "answered NOT_SERVING, not SERVING");
  expect_failed(answer(3), "answered SERVICE_UNKNOWN, not SERVING");
  expect_failed(answer(9), "answered 9, not SERVING");
  expect_failed(settings() + status_200() + message("") + trailers("0"), "answered UNKNOWN, not SERVING");
}

TEST(GrpcCall_result, errors_of_grpc_and_http) {
  const auto only_header = [](const std::string& block) {
    return settings() + frame(kHeaders, kEndHeaders | kEndStream, 1, block);
  };
  expect_failed(only_header("\x88" + field("grpc-status", "12")), "answered gRPC status UNIMPLEMENTED");
  expect_failed(only_header("\x88" + field("grpc-status", "99")), "answered gRPC status 99");
  expect_failed(only_header("\x88" + field("grpc-status", "0x0")), "answered no gRPC status");
  expect_failed(only_header("\x8d"), "answered 404, not 200");
  expect_failed(settings() + status_200() + trailers("0"), "answered no health check response");
  expect_failed(settings() + frame(kReset, 0, 1, "\0\0\0\7"s), "ended the call: REFUSED_STREAM");
}

TEST(GrpcCall_result, broken_messages) {
  for (const std::string& protobuf : {"\x08"s, "\x08\xff"s,
                                      "\x12\x7f"
                                      "a"s,
                                      "\x0b"s, std::string(20, '\xff')})
    expect_failed(settings() + status_200() + message(protobuf) + trailers("0"), "answered no health check response");
  expect_failed(settings() + status_200() + frame(kData, 0, 1, "\1\0\0\0\2\x08\x01"s) + trailers("0"),
                "answered no health check response");
  expect_failed(settings() + status_200() + frame(kData, 0, 1, std::string(2000, 'x')),
                "answered more than a health check has to say");
}

TEST(GrpcCall_take, what_is_no_http2) {
  EXPECT_EQ(result_of("HTTP/1.1 400 Bad Request\r\n\r\n").outcome, ProbeOutcome::failed);
  EXPECT_EQ(result_of(std::string(100, '\xff')).outcome, ProbeOutcome::failed);
  expect_failed(settings() + frame(kGoAway, 0, 0, std::string(8, '\0')), "ended the call: REFUSED_STREAM");
  expect_failed(settings(), "closed the connection before it had answered");
}

TEST(GrpcCall_take, a_flood_of_frames_is_bounded) {
  std::string pings = settings();
  while (pings.size() < 2 * kGrpcBytesMax) pings += frame(6, 0, 0, "12345678");
  EXPECT_EQ(result_of(pings, 4096).outcome, ProbeOutcome::failed);
}

TEST(GrpcCall_take_output, asks_for_the_service) {
  GrpcCall call("shop.v1.Cart", "10.0.0.1:50051", "http");
  const std::string output = call.take_output();
  EXPECT_EQ(output.substr(0, 24), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_NE(output.find("\0\0\0\0\x0e\x0a\x0cshop.v1.Cart"s), std::string::npos);
  EXPECT_TRUE(call.take_output().empty());
}

TEST(GrpcProbe_run, over_tcp) {
  ScriptedServer serving(answers(settings() + status_200() + message(serving_status(1)) + trailers("0")));
  ScriptedServer silent(is_silent);
  ScriptedServer pouring(pours(settings(), '\0'));
  const config::HealthcheckConfig check{.kind = config::CheckKind::grpc};
  EXPECT_EQ(ask(check, serving.at()).result.cause, "answered SERVING");
  EXPECT_EQ(ask(check, silent.at(), std::chrono::milliseconds(150)).result.cause, "no answer within 150 ms");
  EXPECT_EQ(ask(check, pouring.at()).result.outcome, ProbeOutcome::failed);
}

}  // namespace
}  // namespace millrace::control
