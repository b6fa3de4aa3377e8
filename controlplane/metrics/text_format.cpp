#include "controlplane/metrics/text_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::control {

namespace {

void append_escaped(std::string& text, std::string_view value) {
  if (value.find_first_of("\n\\\"") == value.npos) {
    text += value;
    return;
  }
  for (const char c : value) {
    if (c == '\n')
      text += "\\n";
    else if (c == '\\' || c == '"')
      (text += '\\') += c;
    else
      text += c;
  }
}

}  // namespace

void append_labels(std::string& text, std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  char before = '{';
  for (const auto& [name, value] : labels) {
    text += before;
    text += name;
    text += "=\"";
    append_escaped(text, value);
    text += '"';
    before = ',';
  }
  if (labels.size() > 0) text += '}';
}

std::string make_labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string text;
  append_labels(text, labels);
  return text;
}

void TextFormat::reserve(size_t bytes) {
  if (text_.size() < bytes) text_.resize(bytes);
}

std::string TextFormat::take() {
  text_.resize(std::exchange(used_, 0));
  return std::exchange(text_, {});
}

char* TextFormat::room(size_t bytes) {
  if (text_.size() - used_ < bytes) text_.resize(std::max(2 * text_.size(), used_ + bytes));
  return text_.data() + used_;
}

// One allocation and one check of room for all of them: a page has a million samples.
void TextFormat::append(std::initializer_list<std::string_view> parts) {
  size_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  char* at = room(bytes);
  for (const std::string_view part : parts) at = std::copy(part.begin(), part.end(), at);
  used_ += bytes;
}

void TextFormat::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  append({"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"});
}

void TextFormat::sample(std::string_view labels, uint64_t value) {
  const fmt::format_int digits(value);
  append({name_, labels, " ", {digits.data(), digits.size()}, "\n"});
}

void TextFormat::sample(std::string_view labels, double value) {
  const std::string digits = fmt::format("{}", value);
  append({name_, labels, " ", digits, "\n"});
}

void TextFormat::bucket(std::string_view labels, std::string_view bound, uint64_t count) {
  const fmt::format_int digits(count);
  labels.remove_suffix(1);
  append({name_, "_bucket", labels, ",le=\"", bound, "\"} ", {digits.data(), digits.size()}, "\n"});
}

void TextFormat::end_histogram(std::string_view labels, double sum, uint64_t count) {
  bucket(labels, "+Inf", count);
  const std::string sum_digits = fmt::format("{}", sum);
  const fmt::format_int count_digits(count);
  append({name_, "_sum", labels, " ", sum_digits, "\n"});
  append({name_, "_count", labels, " ", {count_digits.data(), count_digits.size()}, "\n"});
}

}  // namespace millrace::control
