#include "controlplane/metrics/text_format.h"

#include <fmt/format.h>

#include <iterator>

namespace millrace::control {

std::string make_labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? '{' : ',';
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\n')
        text += "\\n";
      else if (c == '\\' || c == '"')
        (text += '\\') += c;
      else
        text += c;
    }
    text += '"';
  }
  if (!text.empty()) text += '}';
  return text;
}

void TextFormat::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void TextFormat::sample(std::string_view labels, uint64_t value) {
  const fmt::format_int digits(value);
  text_ += name_;
  text_ += labels;
  text_ += ' ';
  text_.append(digits.data(), digits.size());
  text_ += '\n';
}

void TextFormat::sample(std::string_view labels, double value) {
  fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, labels, value);
}

void TextFormat::bucket(std::string_view labels, std::string_view bound, uint64_t count) {
  const fmt::format_int digits(count);
  text_ += name_;
  text_ += "_bucket";
  text_ += labels.substr(0, labels.size() - 1);
  text_ += ",le=\"";
  text_ += bound;
  text_ += "\"} ";
  text_.append(digits.data(), digits.size());
  text_ += '\n';
}

void TextFormat::end_histogram(std::string_view labels, double sum, uint64_t count) {
  bucket(labels, "+Inf", count);
  fmt::format_to(std::back_inserter(text_), "{0}_sum{1} {2}\n{0}_count{1} {3}\n", name_, labels, sum, count);
}

}  // namespace millrace::control
