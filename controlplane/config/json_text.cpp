#include "controlplane/config/json_text.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

namespace millrace::config {
namespace {

constexpr std::string_view kBetweenTokens = " \t\r\n,:";

// The parser copies its iterators, so what they have reached stands outside.
class WatchedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  WatchedIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  WatchedIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  WatchedIterator operator++(int) {
    WatchedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const WatchedIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Counts lines as far as the parser has come.
class PlaceFinder {
 public:
  explicit PlaceFinder(std::string_view text) : counted_(text.data()), end_(text.data() + text.size()) {}

  // Of the token that begins at `from` or behind what stands between tokens there.
  Position token_from(const char* from) {
    while (from != end_ && kBetweenTokens.find(*from) != std::string_view::npos) ++from;
    return place_of(from);
  }
  // Calls go forward.
  Position place_of(const char* at) {
    for (; counted_ < at; ++counted_) {
      if (*counted_ == '\n')
        place_ = {place_.line + 1, 1};
      else
        ++place_.column;
    }
    return place_;
  }

 private:
  const char* counted_;
  const char* end_;
  Position place_{1, 1};
};

class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TreeBuilder(std::string_view text) : finder_(text), reached_(text.data()), token_end_(text.data()) {}

  const char** reached() { return &reached_; }
  JsonText take() { return std::move(result_); }

  bool null() override {
    note_place();
    return !containers_.empty() || refuse("is no object");
  }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return refuse("is too large a number");
    return put(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::string(value)); }
  bool binary(binary_t&) override { return refuse("is no JSON"); }
  bool start_object(std::size_t) override { return open(toml::table{}); }
  bool start_array(std::size_t) override { return open(toml::array{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    key_ = name;
    if (containers_.back().node->as_table()->contains(key_)) return refuse("the key " + quote(key_) + " comes twice");
    token_end_ = reached_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing …"
    const std::string what = error.what();
    const size_t sentence = what.find(": ");
    return refuse("not JSON: " + escape(sentence == std::string::npos ? what : what.substr(sentence + 2)));
  }

 private:
  struct Container {
    toml::node* node;
    std::string path;
    size_t count = 0;  // of an array
  };

  bool refuse(std::string problem) {
    result_.root.reset();
    result_.failed_at = finder_.place_of(reached_);
    result_.problem = std::move(problem);
    return false;
  }

  std::string path() const {
    const Container& in = containers_.back();
    return in.node->is_array() ? in.path + "[" + std::to_string(in.count) + "]" : join_key(in.path, key_);
  }

  void note_place() {
    const Position place = finder_.token_from(token_end_);
    token_end_ = reached_;
    if (!containers_.empty()) result_.positions.emplace(path(), place);
  }

  // Puts it where it belongs and returns where it is now.
  template <typename Value>
  toml::node* insert(Value&& value) {
    Container& in = containers_.back();
    if (toml::array* list = in.node->as_array()) {
      list->push_back(std::forward<Value>(value));
      ++in.count;
      return list->get(list->size() - 1);
    }
    toml::table* table = in.node->as_table();
    table->insert(key_, std::forward<Value>(value));
    return table->get(key_);
  }

  template <typename Value>
  bool put(Value&& value) {
    note_place();
    if (containers_.empty()) return refuse("is no object");
    insert(std::forward<Value>(value));
    return true;
  }

  template <typename Node>
  bool open(Node&& node) {
    if (containers_.size() == kJsonDepthMax) return refuse("values nest too deep");
    note_place();
    if (containers_.empty()) {
      if constexpr (std::is_same_v<Node, toml::table>) {
        result_.root.emplace();
        containers_.push_back({&*result_.root, ""});
        return true;
      }
      return refuse("is no object");
    }
    std::string at = path();
    containers_.push_back({insert(std::forward<Node>(node)), std::move(at)});
    return true;
  }

  bool close() {
    containers_.pop_back();
    token_end_ = reached_;
    return true;
  }

  PlaceFinder finder_;
  const char* reached_;
  const char* token_end_;
  std::vector<Container> containers_;
  std::string key_;
  JsonText result_;
};

}  // namespace

JsonText parse_json(std::string_view text) {
  TreeBuilder builder(text);
  const char* const end = text.data() + text.size();
  nlohmann::json::sax_parse(WatchedIterator(text.data(), builder.reached()), WatchedIterator(end, builder.reached()),
                            &builder);
  return builder.take();
}

bool looks_like_json(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace millrace::config
