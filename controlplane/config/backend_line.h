// backend_line.h: a backend as one line of text: "10.0.0.1:80 weight=5 priority=1 max_connections=100 sni=www.example.com".
// Route:  read_static_list | parse_lines > parse_backend
// Fails:  returns what is wrong with the text and what would be right.
// Tests:  tests/unit/config/corpus_test.cpp, tests/unit/control/backend_text_test.cpp
#pragma once

#include <string_view>

#include "controlplane/config/values.h"

namespace millrace::config {

// Options may stand in any order, each once. `proxy_protocol`: of a backend whose line says nothing about it.
Parsed<BackendConfig> parse_backend(std::string_view text, ProxyProtocol proxy_protocol);

}  // namespace millrace::config
