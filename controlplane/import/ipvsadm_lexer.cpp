#include "controlplane/import/ipvsadm_lexer.h"

#include <algorithm>

#include "controlplane/config/values.h"

namespace millrace::importing {

namespace {

enum class Value : uint8_t { none, needed, optional };

struct OptionRow {
  std::string_view name;
  std::string_view long_name;
  Value value;
};
constexpr OptionRow kOptions[] = {
    {"-A", "--add-service", Value::none},
    {"-a", "--add-server", Value::none},
    {"-t", "--tcp-service", Value::needed},
    {"-u", "--udp-service", Value::needed},
    {"--sctp-service", "--sctp-service", Value::needed},
    {"-f", "--fwmark-service", Value::needed},
    {"-s", "--scheduler", Value::needed},
    {"-p", "--persistent", Value::optional},
    {"-M", "--netmask", Value::needed},
    {"-b", "--sched-flags", Value::needed},
    {"-o", "--ops", Value::none},
    {"--pe", "--pe", Value::needed},
    {"-r", "--real-server", Value::needed},
    {"-g", "--gatewaying", Value::none},
    {"-i", "--ipip", Value::none},
    {"-m", "--masquerading", Value::none},
    {"--tun-type", "--tun-type", Value::needed},
    {"--tun-port", "--tun-port", Value::needed},
    {"--tun-nocsum", "--tun-nocsum", Value::none},
    {"--tun-csum", "--tun-csum", Value::none},
    {"--tun-remcsum", "--tun-remcsum", Value::none},
    {"-w", "--weight", Value::needed},
    {"-x", "--u-threshold", Value::needed},
    {"-y", "--l-threshold", Value::needed},
    {"-6", "--ipv6", Value::none},
    {"-n", "--numeric", Value::none},
};

IpvsadmLine read_line(std::string_view text, uint32_t number) {
  IpvsadmLine line{number, {}};
  const std::vector<std::string_view> words = config::split_words(text);
  for (size_t i = 0; i < words.size(); ++i) {
    if (i == 0 && (words[i] == "ipvsadm" || words[i].ends_with("/ipvsadm"))) continue;
    if (words[i].starts_with('#')) break;
    const size_t equals = words[i].starts_with("--") ? words[i].find('=') : std::string_view::npos;
    const std::string_view name = words[i].substr(0, equals);
    const auto row =
        std::ranges::find_if(kOptions, [&](const OptionRow& o) { return o.name == name || o.long_name == name; });
    IpvsadmOption option{row == std::end(kOptions) ? words[i] : row->name, {}};
    if (row != std::end(kOptions) && equals != std::string_view::npos) {
      option.value = words[i].substr(equals + 1);
    } else if (row != std::end(kOptions) && row->value != Value::none && i + 1 < words.size()) {
      const bool is_option = words[i + 1].starts_with('-');
      if (row->value == Value::needed || !is_option) option.value = words[++i];
    }
    line.options.push_back(option);
  }
  return line;
}

}  // namespace

std::vector<IpvsadmLine> read_ipvsadm(std::string_view text) {
  std::vector<IpvsadmLine> lines;
  for (uint32_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    if (one.ends_with('\r')) one.remove_suffix(1);
    IpvsadmLine line = read_line(one, number);
    if (!line.options.empty()) lines.push_back(std::move(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace millrace::importing
