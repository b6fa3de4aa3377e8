// table_reader.cpp: see table_reader.h.
#include "controlplane/config/table_reader.h"

#include <algorithm>

#include "millrace/limits.h"

namespace millrace::config {

namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

const toml::node* TableReader::find(std::string_view key) {
  known_.push_back(key);
  return table_->get(key);
}

Origin TableReader::origin_at(const toml::source_region& region, std::string path) const {
  const Position at{static_cast<uint32_t>(region.begin.line), static_cast<uint32_t>(region.begin.column)};
  return {at.line != 0 ? at : errors_->position_of(path), std::move(path)};
}

Origin TableReader::origin_of(std::string_view key) const {
  const toml::node* node = table_->get(key);
  const std::string path = join_key(origin_.key, key);
  return node == nullptr ? Origin{origin_.at, path} : origin_at(node->source(), path);
}

Origin TableReader::element_origin(std::string_view key, const toml::node& element, size_t index) const {
  return origin_at(element.source(), join_key(origin_.key, key) + "[" + std::to_string(index) + "]");
}

void TableReader::report_type(std::string_view key, const toml::node& node, std::string_view wanted,
                              std::string_view remedy) {
  errors_->add(origin_of(key), "is " + std::string(type_name(node)) + ", not " + std::string(wanted),
               std::string(remedy));
}

std::optional<bool> TableReader::read_bool(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const toml::value<bool>* value = node->as_boolean()) return value->get();
  report_type(key, *node, "true or false", "write true or false, without quotes");
  return std::nullopt;
}

std::optional<uint64_t> TableReader::read_integer(std::string_view key, uint64_t min, uint64_t max) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const std::string range = std::to_string(min) + " to " + std::to_string(max);
  const toml::value<int64_t>* value = node->as_integer();
  if (value == nullptr) {
    report_type(key, *node, "an integer", "write a number from " + range + ", without quotes");
    return std::nullopt;
  }
  const int64_t number = value->get();
  if (number < 0 || static_cast<uint64_t>(number) < min || static_cast<uint64_t>(number) > max) {
    errors_->add(origin_of(key), std::to_string(number) + " is out of range", "write a number from " + range);
    return std::nullopt;
  }
  return static_cast<uint64_t>(number);
}

std::optional<double> TableReader::read_ratio(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  constexpr std::string_view kRight = "write a number above 0 and at most 1, such as 0.5";
  double number = 0;
  if (const toml::value<double>* value = node->as_floating_point()) {
    number = value->get();
  } else if (const toml::value<int64_t>* integer = node->as_integer()) {
    number = static_cast<double>(integer->get());
  } else {
    report_type(key, *node, "a number", kRight);
    return std::nullopt;
  }
  if (number > 0 && number <= 1) return number;
  errors_->add(origin_of(key), "is no share of a whole", std::string(kRight));
  return std::nullopt;
}

std::optional<Text> TableReader::read_text(std::string_view key, std::string_view remedy) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const toml::value<std::string>* value = node->as_string()) return Text{value->get(), origin_of(key)};
  report_type(key, *node, "a string", remedy);
  return std::nullopt;
}

std::optional<std::string> TableReader::read_path(std::string_view key) {
  std::optional<Text> text = read_text(key);
  if (!text) return std::nullopt;
  if (text->text.empty() || text->text.front() != '/' || text->text.find('\0') != std::string::npos) {
    errors_->add(text->origin, quote(text->text) + " is not an absolute path", "write a path that begins with /");
    return std::nullopt;
  }
  return std::move(text->text);
}

std::optional<uint32_t> TableReader::read_duration_ms(std::string_view key, uint32_t min_ms, uint32_t max_ms,
                                                      bool zero_allowed) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const toml::value<std::string>* value = node->as_string();
  if (value == nullptr) {
    report_type(key, *node, "a duration", "write it in double quotes with a unit, such as \"2s\"");
    return std::nullopt;
  }
  Parsed<uint64_t> parsed = parse_duration_ms(value->get());
  if (!parsed.value) {
    errors_->add(origin_of(key), std::move(parsed.problem), std::move(parsed.remedy));
    return std::nullopt;
  }
  if (*parsed.value == 0 && zero_allowed) return 0;
  if (*parsed.value < min_ms || *parsed.value > max_ms) {
    errors_->add(origin_of(key), quote(value->get()) + " is out of range",
                 "write a duration from " + format_duration_ms(min_ms) + " to " + format_duration_ms(max_ms) +
                     (zero_allowed ? ", or \"0\"" : ""));
    return std::nullopt;
  }
  return static_cast<uint32_t>(*parsed.value);
}

std::vector<Text> TableReader::read_texts(std::string_view key, bool& complete) {
  const toml::node* node = find(key);
  if (node == nullptr) return {};
  if (const toml::value<std::string>* value = node->as_string()) return {{value->get(), origin_of(key)}};
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    report_type(key, *node, "a list of strings", "write [\"...\", \"...\"]");
    complete = false;
    return {};
  }
  std::vector<Text> texts;
  for (size_t i = 0; i < array->size(); ++i) {
    const toml::node& element = (*array)[i];
    Origin origin = element_origin(key, element, i);
    if (const toml::value<std::string>* value = element.as_string()) {
      texts.push_back({value->get(), std::move(origin)});
    } else {
      errors_->add(origin, "is " + std::string(type_name(element)) + ", not a string", "write it in double quotes");
      complete = false;
    }
  }
  return texts;
}

std::vector<Text> TableReader::read_texts(std::string_view key, std::string_view example, bool& complete) {
  bool readable = true;
  std::vector<Text> texts = read_texts(key, readable);
  if (!has(key))
    report_missing(key, example);
  else if (texts.empty() && readable)
    errors_->add(origin_of(key), "is an empty list", std::string(example));
  if (texts.empty() || !readable) complete = false;
  return texts;
}

std::optional<std::vector<uint64_t>> TableReader::read_integers(std::string_view key, uint64_t max) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const std::string range = "from 0 to " + std::to_string(max);
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    report_type(key, *node, "a list of integers", "write [0, 1], with numbers " + range);
    return std::nullopt;
  }
  std::vector<uint64_t> numbers;
  bool complete = true;
  for (size_t i = 0; i < array->size(); ++i) {
    const toml::value<int64_t>* value = (*array)[i].as_integer();
    if (value != nullptr && value->get() >= 0 && static_cast<uint64_t>(value->get()) <= max) {
      numbers.push_back(static_cast<uint64_t>(value->get()));
      continue;
    }
    errors_->add(element_origin(key, (*array)[i], i),
                 value == nullptr ? "is " + std::string(type_name((*array)[i])) + ", not an integer"
                                  : std::to_string(value->get()) + " is out of range",
                 "write a number " + range + ", without quotes");
    complete = false;
  }
  if (!complete) return std::nullopt;
  return numbers;
}

std::optional<TableReader> TableReader::read_table(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const toml::table* table = node->as_table()) {
    const Origin origin = origin_at(table_->find(key)->first.source(), join_key(origin_.key, key));
    return TableReader(*table, origin, *errors_);
  }
  report_type(key, *node, "a table", "write it as [" + join_key(origin_.key, key) + "]");
  return std::nullopt;
}

std::vector<TableReader> TableReader::read_tables(std::string_view key) {
  std::vector<TableReader> readers;
  const toml::node* node = find(key);
  if (node == nullptr) return readers;
  const std::string remedy = "write it as [[" + join_key(origin_.key, key) + "]]";
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    report_type(key, *node, "a list of tables", remedy);
    return readers;
  }
  for (size_t i = 0; i < array->size(); ++i) {
    const Origin origin = element_origin(key, (*array)[i], i);
    if (const toml::table* table = (*array)[i].as_table())
      readers.emplace_back(*table, origin, *errors_);
    else
      errors_->add(origin, "is " + std::string(type_name((*array)[i])) + ", not a table", remedy);
  }
  return readers;
}

std::vector<NamedTable> TableReader::read_named_tables(bool& complete) {
  std::vector<NamedTable> named;
  for (const auto& [key, node] : *table_) {
    const Origin origin = origin_at(key.source(), join_key(origin_.key, key.str()));
    const std::string name(key.str());
    if (const toml::table* table = node.as_table()) {
      if (check_name(name, origin, *errors_)) named.push_back({name, TableReader(*table, origin, *errors_)});
    } else {
      errors_->add(origin, "is " + std::string(type_name(node)) + ", not a table",
                   node.is_array() ? "write it as [" + origin.key + "]"
                                   : "write [" + join_key(origin_.key, "NAME") + "] and the key below it");
    }
  }
  if (named.size() != table_->size()) complete = false;
  // toml++ sorts keys by name; those of no place, which REST brought, stay so and come first.
  std::stable_sort(named.begin(), named.end(), [](const NamedTable& a, const NamedTable& b) {
    return a.reader.origin().at < b.reader.origin().at;
  });
  return named;
}

void TableReader::refuse(std::string_view key, std::string_view problem, std::string_view remedy) {
  refused_.push_back(key);
  const auto found = table_->find(key);
  if (found == table_->end()) return;
  errors_->add(origin_at(found->first.source(), join_key(origin_.key, key)), std::string(problem), std::string(remedy));
}

void TableReader::report_missing(std::string_view key, std::string_view remedy) {
  errors_->add({origin_.at, join_key(origin_.key, key)}, "is missing", std::string(remedy));
}

void TableReader::finish() {
  std::vector<std::string_view> words = known_;
  words.insert(words.end(), refused_.begin(), refused_.end());
  for (const auto& [key, node] : *table_) {
    const std::string_view name = key.str();
    const auto begins_name = [name](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; };
    if (std::find(words.begin(), words.end(), name) != words.end() ||
        std::any_of(ignored_prefixes_.begin(), ignored_prefixes_.end(), begins_name))
      continue;
    const std::string_view nearest = nearest_word(name, words);
    errors_->add(origin_at(key.source(), join_key(origin_.key, name)), "unknown key",
                 nearest.empty() ? "known here: " + list_words(known_) : "did you mean " + std::string(nearest) + "?");
  }
}

BytePattern compile_pattern(const Text& text, ErrorList& errors) {
  BytePattern::Compiled compiled = BytePattern::compile(text.text);
  if (!compiled.pattern)
    errors.add(text.origin,
               quote(text.text) + " is not a regular expression: " + escape(compiled.problem).substr(0, 200),
               "write one in the syntax of RE2 (Go's), in single quotes: '^HTTP/1\\.[01] 200'");
  return compiled.pattern;
}

bool check_name(const std::string& name, const Origin& origin, ErrorList& errors) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (name.empty() || name.find_first_not_of(kAllowed) != std::string::npos) {
    errors.add(origin, quote(name) + " cannot be a name", "use letters, digits, '_', '.' and '-'");
    return false;
  }
  if (name.size() >= kNameBytes) {
    errors.add(origin, "the name has " + std::to_string(name.size()) + " characters",
               "use at most " + std::to_string(kNameBytes - 1));
    return false;
  }
  return true;
}

}  // namespace millrace::config
