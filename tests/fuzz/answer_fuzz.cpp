// answer_fuzz.cpp: any bytes as what a backend answers to a health check by HTTP and by gRPC.
// Input:  a byte, then the answer. The byte says in pieces of which size it comes the second time.
// Checks: nothing breaks; who is not done says so, who is broken says why, in words that a terminal survives; HTTP
//         means the same in pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/health/grpc_call.h"
#include "controlplane/health/http_answer.h"

namespace {

using namespace millrace::control;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

void require_printable(const std::string& text) {
  require(!text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; }),
          "a cause is a line of text");
}

// Status and body, or 0 when broken.
std::pair<unsigned, std::string> http_meaning(std::string_view bytes, size_t piece, bool with_body) {
  HttpAnswer answer(with_body);
  AnswerState state = AnswerState::more;
  for (; state == AnswerState::more && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    state = answer.take(bytes.substr(0, piece));
  if (state == AnswerState::more) state = answer.end();
  require(state != AnswerState::more, "an answer that ended is complete or broken");
  if (state == AnswerState::complete) return {answer.status(), std::string(answer.body())};
  require_printable(answer.problem());
  return {};
}

void play_grpc(std::string_view bytes, size_t piece) {
  GrpcCall call("shop.v1.Cart", "10.0.0.1:50051", "http");
  require(!call.take_output().empty(), "a call says something first");
  bool more = true;
  for (; more && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    more = call.take(bytes.substr(0, piece));
    call.take_output();
  }
  if (more) call.end();
  require_printable(call.result().cause);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view answer(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = data[0] + size_t{1};
  for (const bool with_body : {false, true})
    require(http_meaning(answer, SIZE_MAX, with_body) == http_meaning(answer, piece, with_body),
            "HTTP means the same in pieces");
  play_grpc(answer, SIZE_MAX);
  play_grpc(answer, piece);
  return 0;
}
