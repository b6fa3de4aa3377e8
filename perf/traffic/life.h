// life.h: which packets answer which; both ends are played by this table alone.
//   client   syn           handshake_ack, request          response_ack, client_fin               last_ack
//   backend       syn_ack                         response                      client_fin_ack, backend_fin
#pragma once

#include "perf/traffic/frame_layout.h"

namespace millrace::traffic {

struct Answers {
  Step first = Step::none;
  Step second = Step::none;
};

constexpr Answers answers_to(Step step) {
  switch (step) {
    case Step::syn:
      return {Step::syn_ack};
    case Step::syn_ack:
      return {Step::handshake_ack, Step::request};
    case Step::request:
      return {Step::response};
    case Step::response:
      return {Step::response_ack, Step::client_fin};
    case Step::client_fin:
      return {Step::client_fin_ack, Step::backend_fin};
    case Step::backend_fin:
      return {Step::last_ack};
    default:
      return {};
  }
}

}  // namespace millrace::traffic
