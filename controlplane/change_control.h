// change_control.h: changes of the whole configuration that an operator can look at before, take on trial, and take back.
// Route:  plan | apply | rollback | expiry > Daemon::put_in_force > file, history
// Holds:  one change at a time (Daemon::turns), one unconfirmed at a time. The file has what is in force, except where
//         somebody has edited it since it was read: then nothing overwrites it.
// Thread: the event loop.      Tests: tests/unit/control/change_control_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/history/history.h"
#include "controlplane/reload_report.h"
#include "controlplane/state/plan.h"

namespace millrace::control {

class Daemon;

struct PlanReport {
  std::vector<std::string> errors;  // of the text; not empty: there is no plan
  Plan plan;
};

// Why a change was not begun.
enum class Obstacle {
  none,
  unconfirmed_change,    // another one waits to be confirmed
  nothing_unconfirmed,   // there is none to confirm
  not_a_file,            // the configuration is read from elsewhere
  file_not_writable,     // `problem` says why
  file_edited,           // and not read since
  no_such_entry,         // of the history
  nothing_before,        // the history begins with what is in force
  trial_cannot_be_kept,  // what to go back to cannot be written
};

struct ChangeReport {
  Obstacle obstacle = Obstacle::none;
  std::string problem;  // of an obstacle, where there is more to say
  ReloadReport reload;  // without an obstacle
  Plan plan;            // of what was put in force
  uint64_t number = 0;  // in the history; 0: it is not kept
  uint64_t from = 0;    // rollback: the number of the entry that is in force again; 0: it is not in the history
  std::optional<std::time_t> confirm_until;

  bool done() const { return obstacle == Obstacle::none && reload.accepted; }
};

// A change that waits.
struct Trial {
  HistoryEntry before;
  std::time_t until = 0;
};

class ChangeControl {
 public:
  explicit ChangeControl(Daemon& daemon);
  ChangeControl(const ChangeControl&) = delete;
  ChangeControl& operator=(const ChangeControl&) = delete;
  void stop();

  // What `text` would do in place of the file; nothing changes.
  boost::asio::awaitable<PlanReport> plan(std::string text) const;
  // Puts `text` in force and into the file. With a window what was before comes back unless confirm() comes in time.
  boost::asio::awaitable<ChangeReport> apply(std::string text, std::optional<std::chrono::seconds> window);
  ChangeReport confirm();
  // To an entry of the history; without a number to what was before the unconfirmed change or else before the last one.
  boost::asio::awaitable<ChangeReport> rollback(std::optional<uint64_t> number);

  const std::optional<Trial>& trial() const { return trial_; }

 private:
  boost::asio::awaitable<ChangeReport> put_in_force(std::string text);
  boost::asio::awaitable<ChangeReport> go_back(HistoryEntry to, bool of_trial, std::string note);
  void restore_files(const HistoryEntry& to, bool of_trial, bool with_changes, ReloadReport& report);
  boost::asio::awaitable<void> await_confirmation(std::time_t until);
  std::optional<HistoryEntry> entry_before(ChangeReport& report) const;
  Obstacle check_file(const std::string& text, std::string& problem) const;
  void end_trial();

  Daemon& daemon_;
  std::optional<Trial> trial_;
  boost::asio::steady_timer trial_timer_;
  bool stopped_ = false;
};

}  // namespace millrace::control
