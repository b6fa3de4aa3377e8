// static_list.h: the static_list of a service, changed backend by backend.
// Fails:  with a status, what is wrong and what would be right; the server then is as it was.
// Thread: any; pure.      Tests: tests/unit/control/backends_test.cpp; tests/fuzz/rest_fuzz.cpp
#pragma once

#include <map>
#include <optional>
#include <string>

#include "controlplane/config/config.h"

#include <toml++/toml.h>

namespace millrace::control {

// What a request says about a backend. nullopt: the option goes back to its default.
struct BackendWish {
  std::string endpoint;  // "backend"; only where one is added
  std::map<std::string, std::optional<std::string>> options;
};

struct Refusal {
  unsigned status = 0;  // 0: none
  std::string error;
  std::string remedy;
};

// {"backend": "10.0.0.1:80", "weight": 5, "priority": 1, "max_connections": 100, "sni": "a.example", "proxy_protocol": 2}.
// adds: `backend` must be there; otherwise it must not, and there must be something else.
Refusal read_backend_wish(const std::string& body, bool adds, BackendWish& wish);

// In place, on the table of the server, which has a static_list.
Refusal add_backend(toml::table& server, const BackendWish& wish);
Refusal change_backend(toml::table& server, const Endpoint& endpoint, const BackendWish& wish);
Refusal remove_backend(toml::table& server, const Endpoint& endpoint);

}  // namespace millrace::control
