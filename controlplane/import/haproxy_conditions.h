// haproxy_conditions.h: acl lines and what follows "if" and "unless", as far as addresses of clients and server names go.
// Tests: tests/unit/import/haproxy_test.cpp
#pragma once

#include <map>
#include <memory>

#include "controlplane/import/haproxy_lexer.h"

namespace millrace::importing {

enum class Asks : uint8_t {
  source,       // src 10.0.0.0/8
  server_name,  // req_ssl_sni www.example.com
  tls,          // req_ssl_hello_type 1: is it TLS at all
  other,
};

struct Test {
  uint32_t line = 0;
  Asks asks = Asks::other;
  std::string_view match = "str";  // of names: str, beg, end, sub, reg
  std::vector<std::string> values;
};

// Shared: any number of rules may name a long list.
using Tests = std::vector<std::shared_ptr<const Test>>;

// Of a condition: it holds when any test does, or when none does.
struct Condition {
  bool understood = true;
  bool negated = false;
  Tests tests;  // empty: always

  bool always() const { return understood && tests.empty(); }
  bool asks_only(Asks what) const;
};

class AccessLists {
 public:
  // acl NAME CRITERION [flags] VALUES
  void add(const HaproxyLine& line);
  // The words from `at` on: "if A or { src 10.0.0.0/8 }", "unless B", or nothing.
  Condition read(const HaproxyLine& line, size_t at) const;

 private:
  bool append_named(std::string_view name, Condition& condition) const;
  static constexpr size_t kTestMax = 4096;  // of one condition

  std::map<std::string, Tests, std::less<>> by_name_;
};

}  // namespace millrace::importing
