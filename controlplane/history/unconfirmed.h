// unconfirmed.h: what the configuration file held before a change that waits to be confirmed, kept beside it as
// FILE.unconfirmed, so that a millraced that ends within the time, however it ends, leaves no unconfirmed change behind.
// Route:  apply > write_unconfirmed > (confirm | expiry | the next start) > put_back
// Thread: the event loop, or before it runs.      Tests: tests/unit/control/history_test.cpp
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "controlplane/history/history.h"

namespace millrace::control {

struct Unconfirmed {
  HistoryEntry before;       // what to go back to
  std::string applied_text;  // what the file holds meanwhile
  std::time_t until = 0;
};

std::string unconfirmed_path(const std::string& file);
bool write_unconfirmed(const std::string& file, const Unconfirmed& change, std::string& problem);
// True also where there is none.
bool forget_unconfirmed(const std::string& file, std::string& problem);

enum class PutBack {
  nothing,  // no change waits
  done,     // the file holds again what it did before
  edited,   // somebody has written something else to it since: it was left alone
  failed,   // why in `problem`
};
// Gives the file its text back, and forgets the change unless that failed.
PutBack put_back(const std::string& file, std::string& problem);

}  // namespace millrace::control
