#include "controlplane/client/http_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>

namespace millrace::control {
namespace {

constexpr size_t kReasonBytesMax = 200;

bool is_printable(char c) { return c >= ' ' && c < 0x7f; }

// One line of printable ASCII, for the log.
std::string first_line(std::string_view text) {
  std::string line(text.substr(0, std::min(text.find_first_of("\r\n"), kReasonBytesMax)));
  std::ranges::replace_if(
      line, [](char c) { return !is_printable(c); }, '?');
  return line;
}

}  // namespace

std::string HttpRequest::shown() const { return unix_path.empty() ? url.shown() : unix_path + ": " + url.target; }

std::string_view HttpResponse::field(std::string_view name) const {
  const auto found =
      std::ranges::find_if(fields, [name](const HttpField& field) { return boost::beast::iequals(field.name, name); });
  return found == fields.end() ? std::string_view{} : found->value;
}

std::string describe_refusal(const HttpRequest& request, const HttpResponse& response) {
  const std::string reason = first_line(response.body);
  return fmt::format("{}: it answers with status {}{}", request.shown(), response.status,
                     reason.empty() ? "" : ": " + reason);
}

}  // namespace millrace::control
