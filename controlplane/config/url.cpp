#include "controlplane/config/url.h"

#include <algorithm>

#include "controlplane/config/error_text.h"

namespace millrace::config {

namespace {

constexpr size_t kUrlBytesMax = 2048;
constexpr char kRemedy[] = "write http://HOST:PORT/PATH or https://HOST:PORT/PATH";

bool is_visible(char c) { return c > ' ' && c < 0x7f; }

// False: `authority` has no host or a bad port.
bool read_authority(std::string_view authority, Url& url) {
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.credentials = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos || !parse_ip(authority.substr(1, end - 1))) return false;
    url.host = authority.substr(1, end - 1);
    if (end + 1 < authority.size() && authority[end + 1] != ':') return false;
    colon = end + 1 < authority.size() ? end + 1 : std::string_view::npos;
  } else {
    url.host = authority.substr(0, colon);
  }
  if (url.host.empty()) return false;
  if (colon == std::string_view::npos) return true;
  const std::optional<uint64_t> port = parse_decimal(authority.substr(colon + 1), 65535);
  url.port = static_cast<uint16_t>(port.value_or(0));
  return url.port != 0;
}

}  // namespace

std::string Url::shown() const {
  const bool literal = host.find(':') != std::string::npos;
  return std::string(tls ? "https://" : "http://") + (literal ? "[" + host + "]" : host) + ":" + std::to_string(port) +
         target;
}

Parsed<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (text.size() > kUrlBytesMax || !std::ranges::all_of(text, is_visible))
    return {quote(text) + " is no URL", kRemedy};
  if (rest.starts_with("https://"))
    url.tls = true;
  else if (!rest.starts_with("http://"))
    return {quote(text) + " is no URL of http or https", kRemedy};
  rest.remove_prefix(url.tls ? 8 : 7);
  url.port = url.tls ? 443 : 80;
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  if (!read_authority(rest.substr(0, slash), url))
    return {quote(url.credentials.empty() ? text : url.shown()) + " names no server", kRemedy};
  std::string_view target = rest.substr(slash);
  target = target.substr(0, target.find('#'));
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

Parsed<HostPort> parse_host_port(std::string_view text) {
  const size_t colon = std::min(text.rfind(':'), text.size());
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto number = static_cast<uint16_t>(parse_decimal(port, 65535).value_or(0));
  if (host.empty() || number == 0) return {quote(text) + " is no server", "write HOST:PORT, such as \"192.0.2.53:53\""};
  return HostPort{std::string(host), number};
}

}  // namespace millrace::config
