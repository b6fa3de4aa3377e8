// top_screen.h: what `millctl top` shows and which keys do what, without a terminal.
// Thread: any; pure.      Tests: tests/unit/control/top_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/millctl/client.h"
#include "controlplane/millctl/terminal.h"

namespace millrace::millctl {

// The answers that a screen is made of; null where there was none.
struct Seen {
  Json status;
  Json services;
  Json backends;
  std::string problem;  // why there was none
  double at_s = 0;      // of any clock that goes on
};

// What an operator wants and has confirmed.
struct Order {
  std::string service;
  std::string backend;
  std::string admin;  // "drain" or "enabled"
};

class TopScreen {
 public:
  void take(Seen seen);
  // As many lines and columns as fit, without a line feed after the last.
  std::string text(const Size& of) const;
  // What the key does here; an order when it confirmed one.
  std::optional<Order> press(char key);
  bool ended() const { return ended_; }
  void say(const std::string& text) { message_ = text; }

 private:
  enum class Sort { name, connections, active, bytes };

  struct Row {
    std::string service;
    std::string backend;
    std::string health;
    std::string admin;
    std::string weight;
    uint64_t active = 0;
    double connections_per_s = 0;
    double bytes_per_s = 0;
    std::string cause;
  };

  std::optional<Order> confirm(char key);
  void edit_filter(char key);
  void move(int lines);
  std::vector<Row> rows() const;
  std::string head() const;
  std::string table(const std::vector<Row>& shown, size_t lines_max) const;

  Seen seen_;
  Json backends_before_;
  double seconds_between_ = 0;
  Sort sort_ = Sort::name;
  std::string filter_;
  bool filtering_ = false;
  size_t selected_ = 0;
  std::optional<Order> asked_;
  std::string message_;
  bool ended_ = false;
};

}  // namespace millrace::millctl
