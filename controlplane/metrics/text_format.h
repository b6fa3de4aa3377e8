// text_format.h: writes metrics in the text format of Prometheus, version 0.0.4.
// Holds:  families in the order of the calls; whoever calls keeps the samples of one together and names each once.
// Tests:  tests/unit/control/metrics_test.cpp
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::control {

// {service="web",backend="10.0.0.1:80"}, with what must be escaped escaped. Made once for many samples.
std::string make_labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);
// The same at the end of a text, for who has many.
void append_labels(std::string& text, std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

class TextFormat {
 public:
  // "counter", "gauge" or "histogram"; `help` is a sentence without its end.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the family that was named last. `labels`: of make_labels, or empty.
  void sample(std::string_view labels, uint64_t value);
  void sample(std::string_view labels, double value);
  // Of a histogram family, whose `labels` are not empty: how many are at most `bound`, from bound to bound; then the end.
  void bucket(std::string_view labels, std::string_view bound, uint64_t count);
  void end_histogram(std::string_view labels, double sum, uint64_t count);

  size_t size() const { return used_; }
  // Room for what is to come.
  void reserve(size_t bytes);
  // What was written since the last time.
  std::string take();

 private:
  char* room(size_t bytes);
  void append(std::initializer_list<std::string_view> parts);

  std::string text_;  // longer than what is used of it
  size_t used_ = 0;
  std::string name_;
};

}  // namespace millrace::control
