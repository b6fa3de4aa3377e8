// asking.h: one question to a source.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "controlplane/discovery/source.h"

namespace millrace::control {

inline Answer ask_on(boost::asio::io_context& loop, Source& source,
                     std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  Answer answer;
  boost::asio::co_spawn(loop, source.ask(timeout), [&](std::exception_ptr error, Answer given) {
    EXPECT_FALSE(error);
    answer = std::move(given);
  });
  loop.restart();
  loop.run();
  return answer;
}

// Of a source that keeps nothing of the loop.
inline Answer ask(Source& source, std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  boost::asio::io_context loop;
  return ask_on(loop, source, timeout);
}

inline std::vector<std::string> endpoints(const Answer& answer) {
  std::vector<std::string> texts;
  for (const config::BackendConfig& backend : answer.backends) texts.push_back(format_endpoint(backend.endpoint));
  return texts;
}

}  // namespace millrace::control
