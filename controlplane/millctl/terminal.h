// terminal.h: the terminal as `millctl top` has it: the other screen, keys without Enter, and everything as it was at the
// end, however that comes.
// Holds:  signals that would end the process come as input, so that the terminal is given back first.
// Tests:  tests/unit/control/top_test.cpp
#pragma once

#include <termios.h>

#include <optional>
#include <string>

namespace millrace::millctl {

struct Size {
  unsigned rows = 24;
  unsigned columns = 80;
};

class Terminal {
 public:
  enum class Input { nothing, key, resized, end };
  struct Read {
    Input what = Input::nothing;
    char key = 0;
  };

  // nullopt: stdin or stdout is no terminal, or has gone; the sentence is in `problem`.
  static std::optional<Terminal> take(std::string& problem);
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  // Waits until there is something, at most so long.
  Read read(int timeout_ms) const;
  Size size() const;
  // Puts text on the screen, from its first corner on; what was there is gone.
  void draw(const std::string& text) const;

 private:
  Terminal(const termios& before, int signals) : before_(before), signals_(signals) {}

  termios before_;
  int signals_;  // -1: not ours any more
};

}  // namespace millrace::millctl
