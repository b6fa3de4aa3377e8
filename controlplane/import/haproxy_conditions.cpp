#include "controlplane/import/haproxy_conditions.h"

#include <algorithm>

namespace millrace::importing {

namespace {

// "src -i 10.0.0.0/8": the words from `from` to before `to`.
Test read_test(const HaproxyLine& line, size_t from, size_t to) {
  Test test{.line = line.line};
  const std::string_view criterion = line.word(from);
  if (criterion == "src")
    test.asks = Asks::source;
  else if (criterion == "req_ssl_sni" || criterion == "req.ssl_sni" || criterion == "req.ssl_sni,lower")
    test.asks = Asks::server_name;
  else if (criterion == "req_ssl_hello_type" || criterion == "req.ssl_hello_type")
    test.asks = Asks::tls;
  bool flags_over = false;
  for (size_t i = from + 1; i < to; ++i) {
    const std::string_view word = line.word(i);
    if (flags_over || !word.starts_with('-')) {
      test.values.emplace_back(word);
      flags_over = true;
    } else if (word == "-m" && i + 1 < to) {
      test.match = line.word(++i);
    } else if (word == "--") {
      flags_over = true;
    } else if (word != "-i" && word != "-n") {
      test.asks = Asks::other;  // -f FILE and its kin
    }
  }
  constexpr std::string_view kMatches[] = {"str", "beg", "end", "sub", "reg"};
  const auto match = std::ranges::find(kMatches, test.match);
  if (test.asks == Asks::server_name && match == std::end(kMatches)) test.asks = Asks::other;
  test.match = match == std::end(kMatches) ? "str" : *match;  // not of the line, which ends before
  return test;
}

}  // namespace

bool Condition::asks_only(Asks what) const {
  return understood && !tests.empty() && std::ranges::all_of(tests, [what](const auto& t) { return t->asks == what; });
}

void AccessLists::add(const HaproxyLine& line) {
  by_name_[std::string(line.word(1))].push_back(std::make_shared<Test>(read_test(line, 2, line.words.size())));
}

bool AccessLists::append_named(std::string_view name, Condition& condition) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end() || condition.tests.size() + found->second.size() > kTestMax) return false;
  condition.tests.insert(condition.tests.end(), found->second.begin(), found->second.end());
  return true;
}

// A union of tests, or the negation of one: "A or B", "!A !B", and the same behind unless.
Condition AccessLists::read(const HaproxyLine& line, size_t at) const {
  Condition condition;
  const bool unless = line.word(at) == "unless";
  if (at >= line.words.size()) return condition;
  if (!unless && line.word(at) != "if") return {.understood = false};
  size_t positive = 0, negative = 0, ors = 0, ands = 0;
  bool joined = true;  // by "or", or the first
  for (size_t i = at + 1; i < line.words.size(); ++i) {
    std::string_view word = line.word(i);
    if (word == "or" || word == "||") {
      ++ors;
      joined = true;
      continue;
    }
    const bool negated = word.starts_with('!');
    if (negated) word.remove_prefix(1);
    if (negated && word.empty()) word = line.word(++i);
    Condition term;
    if (word == "{") {
      const size_t from = i + 1;
      while (i < line.words.size() && line.words[i] != "}") ++i;
      term.tests.push_back(std::make_shared<Test>(read_test(line, from, i)));
    } else if (word == "TRUE") {
      continue;
    } else if (!append_named(word, term)) {
      return {.understood = false};
    }
    // That it is TLS goes without saying where a name is asked for.
    if (!negated && term.asks_only(Asks::tls) && line.words.size() > i + 1) continue;
    if (!joined) ++ands;
    joined = false;
    ++(negated ? negative : positive);
    condition.tests.insert(condition.tests.end(), term.tests.begin(), term.tests.end());
    if (condition.tests.size() > kTestMax) return {.understood = false};
  }
  const bool all_positive = negative == 0 && ands == 0;
  const bool all_negative = positive == 0 && (ors == 0 || negative == 1);
  condition.negated = unless != (negative != 0);
  condition.understood = (all_positive || all_negative) && !(condition.negated && condition.tests.empty());
  return condition;
}

}  // namespace millrace::importing
