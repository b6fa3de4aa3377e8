#include "controlplane/health/grpc_call.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <optional>

namespace millrace::control {
namespace {

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html, in their order.
constexpr const char* kStatusNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
// HealthCheckResponse.ServingStatus of grpc/health/v1/health.proto.
constexpr const char* kServingNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
constexpr uint64_t kServing = 1;

constexpr size_t kPrefixBytes = 5;  // of a gRPC message: compressed or not, and its length

std::string name_of(uint64_t number, const auto& names) {
  return number < std::size(names) ? names[number] : std::to_string(number);
}

void append_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

// HealthCheckRequest with field 1, the service.
std::string request_message(const std::string& service) {
  std::string request;
  if (!service.empty()) {
    request += '\x0a';
    append_varint(request, service.size());
    request += service;
  }
  std::string message(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) message += static_cast<char>(request.size() >> shift);
  return message + request;
}

std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// What stands between two tags of a protobuf message; false: the message is broken.
bool skip_field(std::string_view& bytes, uint64_t wire_type) {
  std::optional<uint64_t> length;
  if (wire_type == 0) return take_varint(bytes).has_value();
  if (wire_type == 1) length = 8;
  if (wire_type == 2) length = take_varint(bytes);
  if (wire_type == 5) length = 4;
  if (!length || *length > bytes.size()) return false;
  bytes.remove_prefix(*length);
  return true;
}

// Field 1 of HealthCheckResponse, 0 unless it is there; nullopt: no such message.
std::optional<uint64_t> serving_status(std::string_view framed) {
  if (framed.size() < kPrefixBytes || framed[0] != 0) return std::nullopt;
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(framed[i]);
  std::string_view message = framed.substr(kPrefixBytes);
  if (message.size() != length) return std::nullopt;
  uint64_t status = 0;
  while (!message.empty()) {
    const std::optional<uint64_t> tag = take_varint(message);
    if (!tag) return std::nullopt;
    if (*tag != (1 << 3)) {
      if (!skip_field(message, *tag & 7)) return std::nullopt;
      continue;
    }
    const std::optional<uint64_t> value = take_varint(message);
    if (!value) return std::nullopt;
    status = *value;
  }
  return status;
}

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 copies both.
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::optional<unsigned> number_of(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

struct GrpcCall::Session {
  nghttp2_session* http2 = nullptr;
  std::string request;
  size_t request_sent = 0;
  std::string message;  // of the answer, framed
  std::optional<unsigned> http_status;
  std::optional<unsigned> grpc_status;
  size_t taken_bytes = 0;
  bool over = false;
  std::string problem;  // of the connection or the call as a whole

  ~Session() { nghttp2_session_del(http2); }
  void fail(std::string what) {
    if (problem.empty()) problem = std::move(what);
    over = true;
  }

  static Session& of(void* self) { return *static_cast<Session*>(self); }
  static ssize_t read_request(nghttp2_session*, int32_t, uint8_t* room, size_t bytes, uint32_t* flags,
                              nghttp2_data_source* source, void*) {
    Session& session = of(source->ptr);
    const size_t part = std::min(bytes, session.request.size() - session.request_sent);
    std::copy_n(session.request.data() + session.request_sent, part, room);
    session.request_sent += part;
    if (session.request_sent == session.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(part);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_bytes,
                       const uint8_t* value, size_t value_bytes, uint8_t, void* self) {
    const std::string_view key(reinterpret_cast<const char*>(name), name_bytes);
    const std::string_view text(reinterpret_cast<const char*>(value), value_bytes);
    if (key == ":status") of(self).http_status = number_of(text);
    if (key == "grpc-status") of(self).grpc_status = number_of(text);
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t bytes, void* self) {
    Session& session = of(self);
    if (session.message.size() + bytes > kGrpcMessageBytesMax) {
      session.fail("answered more than a health check has to say");
      return 0;
    }
    session.message.append(reinterpret_cast<const char*>(data), bytes);
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t, uint32_t error, void* self) {
    if (error != NGHTTP2_NO_ERROR && !of(self).grpc_status)
      of(self).fail(fmt::format("ended the call: {}", nghttp2_http2_strerror(error)));
    of(self).over = true;
    return 0;
  }
};

GrpcCall::GrpcCall(const std::string& service, const std::string& authority, const std::string& scheme)
    : session_(std::make_unique<Session>()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Session::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Session::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Session::on_close);
  const int made = nghttp2_session_client_new(&session_->http2, callbacks, session_.get());
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) throw std::bad_alloc();

  session_->request = request_message(service);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  const nghttp2_nv headers[] = {header(":method", "POST"),
                                header(":scheme", scheme),
                                header(":authority", authority),
                                header(":path", "/grpc.health.v1.Health/Check"),
                                header("content-type", "application/grpc"),
                                header("te", "trailers"),
                                header("user-agent", "millrace/" MR_VERSION)};
  nghttp2_data_provider body{};
  body.source.ptr = session_.get();
  body.read_callback = Session::read_request;
  nghttp2_submit_settings(session_->http2, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  if (nghttp2_submit_request(session_->http2, nullptr, headers, std::size(headers), &body, nullptr) < 0)
    throw std::bad_alloc();
}

GrpcCall::~GrpcCall() = default;

std::string GrpcCall::take_output() {
  std::string output;
  const uint8_t* data = nullptr;
  for (ssize_t bytes; (bytes = nghttp2_session_mem_send(session_->http2, &data)) > 0;)
    output.append(reinterpret_cast<const char*>(data), static_cast<size_t>(bytes));
  return output;
}

bool GrpcCall::take(std::string_view bytes) {
  session_->taken_bytes += bytes.size();
  if (session_->taken_bytes > kGrpcBytesMax) {
    session_->fail("answered more than a health check has to say");
    return false;
  }
  const ssize_t taken =
      nghttp2_session_mem_recv(session_->http2, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0)
    session_->fail(fmt::format("answered no proper HTTP/2: {}", nghttp2_strerror(static_cast<int>(taken))));
  // GOAWAY, or what the backend broke: nothing will come any more.
  if (!session_->over && !nghttp2_session_want_read(session_->http2) && !nghttp2_session_want_write(session_->http2))
    session_->fail("ended the connection before it had answered");
  return !session_->over;
}

void GrpcCall::end() { session_->fail("closed the connection before it had answered"); }

ProbeResult GrpcCall::result() const {
  const Session& call = *session_;
  const auto failed = [](std::string cause) { return ProbeResult{ProbeOutcome::failed, std::move(cause)}; };
  if (!call.problem.empty()) return failed(call.problem);
  if (call.http_status != 200u)
    return failed(call.http_status ? fmt::format("answered {}, not 200", *call.http_status) : "answered no status");
  if (!call.grpc_status) return failed("answered no gRPC status");
  if (*call.grpc_status != 0)
    return failed(fmt::format("answered gRPC status {}", name_of(*call.grpc_status, kStatusNames)));
  const std::optional<uint64_t> serving = serving_status(call.message);
  if (!serving) return failed("answered no health check response");
  if (*serving != kServing) return failed(fmt::format("answered {}, not SERVING", name_of(*serving, kServingNames)));
  return {ProbeOutcome::passed, "answered SERVING"};
}

}  // namespace millrace::control
