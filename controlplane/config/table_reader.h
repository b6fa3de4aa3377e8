// table_reader.h: takes typed values out of one TOML table and reports everything that is wrong with it.
// Route:  parse_config > read_*_table > TableReader
// Holds:  finish() must be called once every known key was asked for: it reports the others.
// Fails:  a getter returns nullopt for a missing key, and for a bad one after reporting it.
// Tests:  tests/unit/config/corpus_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/byte_pattern.h"
#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

// Debian's build of toml++ is a shared library that throws; its declarations warn under -Wshadow.
#include <toml++/toml.h>

namespace millrace::config {

// A string of the file.
struct Text {
  std::string text;
  Origin origin;
};

// One allowed word of an enum. Without a value: known, but to be refused with `remedy`.
template <typename T>
struct Choice {
  std::string_view word;
  std::optional<T> value;
  std::string_view remedy = {};
};

struct NamedTable;

class TableReader {
 public:
  TableReader(const toml::table& table, Origin origin, ErrorList& errors)
      : table_(&table), origin_(std::move(origin)), errors_(&errors) {}

  const Origin& origin() const { return origin_; }
  ErrorList& errors() const { return *errors_; }
  bool has(std::string_view key) const { return table_->contains(key); }
  bool is_list(std::string_view key) const { return (*table_)[key].is_array(); }
  // Of the value; of the table where there is none.
  Origin origin_of(std::string_view key) const;

  std::optional<bool> read_bool(std::string_view key);
  std::optional<uint64_t> read_integer(std::string_view key, uint64_t min, uint64_t max);
  // A share: above 0, at most 1.
  std::optional<double> read_ratio(std::string_view key);
  std::optional<Text> read_text(std::string_view key, std::string_view remedy = "write it in double quotes");
  // Absolute path.
  std::optional<std::string> read_path(std::string_view key);
  // `zero_allowed`: "0" is right besides min_ms .. max_ms.
  std::optional<uint32_t> read_duration_ms(std::string_view key, uint32_t min_ms, uint32_t max_ms, bool zero_allowed);
  // A list of strings, or one string; empty when the key is missing. `complete` turns false when a part was refused.
  std::vector<Text> read_texts(std::string_view key, bool& complete);
  // The same for a key that must be there with at least one string; otherwise reports `example` as the remedy.
  std::vector<Text> read_texts(std::string_view key, std::string_view example, bool& complete);
  // A list of integers from 0 to max.
  std::optional<std::vector<uint64_t>> read_integers(std::string_view key, uint64_t max);
  template <typename T, size_t N>
  std::optional<T> read_choice(std::string_view key, const Choice<T> (&choices)[N]);

  std::optional<TableReader> read_table(std::string_view key);
  // [[key]]
  std::vector<TableReader> read_tables(std::string_view key);
  // Every key of this table must be a table with a valid name: [servers.NAME]. In file order.
  // `complete` turns false when one was refused.
  std::vector<NamedTable> read_named_tables(bool& complete);

  // Reports `key` if it is there.
  void refuse(std::string_view key, std::string_view problem, std::string_view remedy);
  // Takes `key`, or every key that starts with `prefix`, as known and says nothing about it.
  void ignore(std::string_view key) { refused_.push_back(key); }
  void ignore_prefix(std::string_view prefix) { ignored_prefixes_.push_back(prefix); }
  void report_missing(std::string_view key, std::string_view remedy);
  // Reports every key that nobody asked for.
  void finish();

 private:
  const toml::node* find(std::string_view key);
  // Of what TOML's parser saw in that region; of what it did not see by its path.
  Origin origin_at(const toml::source_region& region, std::string path) const;
  Origin element_origin(std::string_view key, const toml::node& element, size_t index) const;
  void report_type(std::string_view key, const toml::node& node, std::string_view wanted, std::string_view remedy);

  const toml::table* table_;
  Origin origin_;
  ErrorList* errors_;
  std::vector<std::string_view> known_;    // asked for; literals of the readers
  std::vector<std::string_view> refused_;  // not advertised, but no unknown keys either
  std::vector<std::string_view> ignored_prefixes_;
};

// Reports a text that is no pattern and returns none.
BytePattern compile_pattern(const Text& text, ErrorList& errors);

struct NamedTable {
  std::string name;
  TableReader reader;
};

// Reports a name that cannot cross into the dataplane: too long, or with other characters than A-Za-z0-9_.-
bool check_name(const std::string& name, const Origin& origin, ErrorList& errors);

template <typename T, size_t N>
std::optional<T> TableReader::read_choice(std::string_view key, const Choice<T> (&choices)[N]) {
  const std::optional<Text> text = read_text(key);
  if (!text) return std::nullopt;
  std::vector<std::string_view> allowed;
  for (const Choice<T>& choice : choices) {
    if (choice.value) allowed.push_back(choice.word);
    if (choice.word != text->text) continue;
    if (!choice.value)
      errors_->add(text->origin, quote(text->text) + " is not available yet", std::string(choice.remedy));
    return choice.value;
  }
  errors_->add(text->origin, quote(text->text) + " is not a value of this key", "write " + list_words(allowed));
  return std::nullopt;
}

}  // namespace millrace::config
