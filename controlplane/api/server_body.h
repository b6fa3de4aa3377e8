// server_body.h: a server as the body of a request says it.
// Fails:  with the place and one sentence; never throws for what the body contains.
// Thread: any; pure.      Tests: tests/unit/control/changes_test.cpp, tests/fuzz/rest_fuzz.cpp
#pragma once

#include <optional>
#include <string>

#include <toml++/toml.h>

namespace millrace::control {

// What the server shall be; or what is wrong with the body.
struct Wanted {
  std::optional<toml::table> server;
  std::string problem;
};

// The keys of [servers.NAME] as a JSON object.
Wanted read_server(const std::string& body);
// RFC 7396: keys of the body replace the server's, null removes one.
Wanted patch_server(const toml::table& server, const std::string& body);

}  // namespace millrace::control
