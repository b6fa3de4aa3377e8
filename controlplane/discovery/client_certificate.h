// client_certificate.h: a key and a certificate that vouches for itself, for servers that know their clients by it.
// Thread: the event loop; a few ms of computing, once.
// Fails:  with a sentence; then neither file is there, or both are as they were.
// Tests:  tests/unit/control/lxd_test.cpp
#pragma once

#include <string>

namespace millrace::control {

// Writes both as PEM, the key readable by its owner alone. Nothing happens where there is a certificate already.
// Empty, or what went wrong.
std::string make_client_certificate(const std::string& cert_path, const std::string& key_path);

// Writes `text` to a new file beside `path` and renames it. Missing directories are made. Empty, or what went wrong.
std::string write_private_file(const std::string& path, const std::string& text);

}  // namespace millrace::control
