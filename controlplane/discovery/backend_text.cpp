#include "controlplane/discovery/backend_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "controlplane/config/backend_line.h"
#include "controlplane/config/error_text.h"

namespace millrace::control {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

template <typename ParseLine>
Answer parse_each_line(std::string_view text, const ParseLine& parse_line) {
  AnswerBuilder builder;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::string place = fmt::format("line {}", number);
    if (line.size() > kEntryBytesMax) {
      if (!builder.add({fmt::format("has {} characters", line.size()), "write at most 1024"}, place)) break;
    } else if (!builder.add(parse_line(line), place)) {
      break;
    }
  }
  return builder.take("lines");
}

}  // namespace

bool AnswerBuilder::add(config::Parsed<config::BackendConfig> entry, std::string_view place) {
  if (++entry_count_ > kEntryMax) {
    answer_.problem = fmt::format("it has more than {} entries", kEntryMax);
    return false;
  }
  if (entry.value) {
    answer_.backends.push_back(std::move(*entry.value));
  } else if (++left_out_count_ <= kComplaintMax) {
    answer_.left_out.push_back(fmt::format("{}: {}", place, entry.problem));
  }
  return true;
}

Answer AnswerBuilder::take(std::string_view what) {
  if (answer_.problem.empty() && entry_count_ != 0 && answer_.backends.empty())
    answer_.problem = fmt::format("none of its {} {} is a backend: {}", entry_count_, what, answer_.left_out.front());
  if (!answer_.problem.empty()) return Answer::failed(std::move(answer_.problem));
  if (left_out_count_ > kComplaintMax)
    answer_.left_out.push_back(fmt::format("and {} more {}", left_out_count_ - kComplaintMax, what));
  return std::move(answer_);
}

config::Parsed<config::BackendConfig> parse_parts(const BackendParts& parts) {
  if (parts.host.empty()) return {"it has no host", "name an address"};
  if (parts.port.empty()) return {"it has no port", "name a port"};
  const bool bare_ipv6 = parts.host.front() != '[' && parts.host.find(':') != std::string::npos;
  std::string line = bare_ipv6 ? "[" + parts.host + "]:" + parts.port : parts.host + ":" + parts.port;
  const std::pair<const char*, const std::string*> options[] = {{" weight=", &parts.weight},
                                                                {" priority=", &parts.priority},
                                                                {" max_connections=", &parts.max_connections},
                                                                {" sni=", &parts.sni}};
  for (const auto& [name, value] : options)
    if (!value->empty()) line += name + *value;
  // A blank inside a part would begin another option.
  const size_t words = 1 + static_cast<size_t>(std::ranges::count_if(
                               options, [](const auto& option) { return !option.second->empty(); }));
  if (config::split_words(line).size() != words)
    return {config::quote(line) + " has blanks inside its values", "remove them"};
  return config::parse_backend(line, ProxyProtocol::none);
}

Answer parse_lines(std::string_view text) {
  return parse_each_line(text, [](std::string_view line) { return config::parse_backend(line, ProxyProtocol::none); });
}

Answer parse_lines(std::string_view text, const config::BytePattern& pattern) {
  return parse_each_line(text, [&](std::string_view line) -> config::Parsed<config::BackendConfig> {
    auto parts = pattern.find_groups(line);
    if (!parts) return {config::quote(line) + " does not match plaintext_regex_pattern", "mend one of both"};
    return parse_parts({.host = (*parts)["host"],
                        .port = (*parts)["port"],
                        .weight = (*parts)["weight"],
                        .priority = (*parts)["priority"],
                        .max_connections = (*parts)["max_connections"],
                        .sni = (*parts)["sni"]});
  });
}

}  // namespace millrace::control
