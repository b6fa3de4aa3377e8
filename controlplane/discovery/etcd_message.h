// etcd_message.h: what etcd's JSON gateway (v3) is asked and answers: keys and values in base64, 64-bit numbers as text.
// Thread: any; pure.
// Bound:  JSON kJsonDepthMax deep; the text is bounded by whoever read it.
// Fails:  EtcdUpdate::problem says what was wrong; never throws.
// Tests:  tests/unit/control/etcd_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::control {

// Bodies of requests. Every key that begins with `prefix`; at most `limit` of them.
std::string etcd_range(std::string_view prefix, size_t limit);
// This key alone.
std::string etcd_get(std::string_view key);
// What happens to them from `revision` on.
std::string etcd_watch(std::string_view prefix, int64_t revision);
std::string etcd_login(const std::string& username, const std::string& password);

struct EtcdPair {
  std::string key;
  std::string value;
  bool removed = false;
};

// Of a range: what there is; of a line of a watch: what has changed.
struct EtcdUpdate {
  std::vector<EtcdPair> pairs;
  int64_t revision = 0;  // of the registry when it said so
  bool more = false;     // of a range: there is more than the limit
  std::string problem;   // not empty: it says nothing, and a watch is over
};

EtcdUpdate parse_etcd_range(std::string_view body);
EtcdUpdate parse_etcd_watch(std::string_view line);
// Empty: there is none.
std::string parse_etcd_token(std::string_view body);

}  // namespace millrace::control
