#include "controlplane/import/keepalived_lexer.h"

#include <algorithm>

#include "controlplane/config/error_text.h"

namespace millrace::importing {

namespace {

constexpr size_t kDepthMax = 16;  // keepalived's own deepest is 5.

class Lexer {
 public:
  Lexer(std::string_view text, Complaints& complaints) : text_(text), complaints_(complaints) {}

  std::vector<Statement> read() {
    while (!text_.empty()) {
      ++line_;
      const size_t end = std::min(text_.find('\n'), text_.size());
      read_line(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
    }
    if (open_.size() > 1)
      complaints_.add(open_.back().line, "the block of " + config::quote(open_.back().name()) + " has no end",
                      "close it with a brace; what follows it was read as a part of it");
    flattened_ = 0;
    while (open_.size() > 1) close_block();
    return std::move(open_.front().block);
  }

 private:
  void read_line(std::string_view line) {
    Statement statement{line_, {}, false, {}};
    while (!line.empty()) {
      const char c = line.front();
      if (c == ' ' || c == '\t' || c == '\r') {
        line.remove_prefix(1);
      } else if (c == '#' || c == '!') {
        break;
      } else if (c == '{') {
        end_statement(statement);
        open_block();
        line.remove_prefix(1);
      } else if (c == '}') {
        end_statement(statement);
        if (open_.size() > 1)
          close_block();
        else
          complaints_.add(line_, "a closing brace of no block", "take it out");
        line.remove_prefix(1);
      } else {
        take_word(line, statement);
      }
    }
    end_statement(statement);
  }

  void take_word(std::string_view& line, Statement& statement) {
    const char quote = line.front();
    if (quote == '"' || quote == '\'') {
      const size_t end = std::min(line.find(quote, 1), line.size());
      statement.words.emplace_back(line.substr(1, end - 1));
      line.remove_prefix(std::min(end + 1, line.size()));
      return;
    }
    if (statement.words.empty() && quote == '@') {
      statement.conditional = true;
      line.remove_prefix(std::min(line.find_first_of(" \t"), line.size()));
      return;
    }
    const size_t end = std::min(line.find_first_of(" \t\r#!{}\""), line.size());
    // A variable's braces are a part of the word.
    const size_t brace = line.substr(0, end + 1).ends_with("${") ? line.find('}', end) : std::string_view::npos;
    const size_t length = brace == std::string_view::npos ? std::max<size_t>(end, 1) : brace + 1;
    statement.words.emplace_back(line.substr(0, length));
    line.remove_prefix(length);
  }

  void end_statement(Statement& statement) {
    if (!statement.words.empty()) open_.back().block.push_back(std::move(statement));
    statement = {line_, {}, false, {}};
  }

  // Of the statement before it, on its line or above.
  void open_block() {
    std::vector<Statement>& within = open_.back().block;
    if (within.empty()) {
      complaints_.add(line_, "a block without a name", "take it out");
      within.push_back({line_, {"{"}, false, {}});
    }
    if (open_.size() == kDepthMax) {
      ++flattened_;
      return;
    }
    Statement head = std::move(within.back());
    within.pop_back();
    open_.push_back(std::move(head));
  }

  void close_block() {
    if (flattened_ > 0) {
      --flattened_;
      return;
    }
    Statement head = std::move(open_.back());
    open_.pop_back();
    open_.back().block.push_back(std::move(head));
  }

  std::string_view text_;
  Complaints& complaints_;
  uint32_t line_ = 0;
  size_t flattened_ = 0;
  std::vector<Statement> open_ = std::vector<Statement>(1);  // blocks without end so far; the first is the file
};

}  // namespace

std::vector<Statement> read_keepalived(std::string_view text, Complaints& complaints) {
  return Lexer(text, complaints).read();
}

}  // namespace millrace::importing
