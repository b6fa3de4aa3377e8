// route_table.h: finds what answers a request, and answers itself what fits no path, method or parameter.
// Thread: the event loop.      Tests: tests/unit/control/routes_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "controlplane/api/route.h"

namespace millrace::control {

class RouteTable {
 public:
  explicit RouteTable(std::vector<Path> paths);

  const std::vector<Path>& paths() const { return paths_; }
  boost::asio::awaitable<ApiReply> answer(Daemon& daemon, const ApiRequest& request) const;
  // Whether the request may change something; also one that nothing here answers may, unless it is a GET.
  bool writes(const ApiRequest& request) const;

 private:
  const Path* find(const Target& target) const;
  ApiReply nothing_here() const;

  std::vector<Path> paths_;
  std::vector<std::vector<std::string>> parts_;  // of each path's pattern
};

}  // namespace millrace::control
