// ipvsadm.cpp: from the rules of ipvsadm-save to services.
// Route:  import_ipvsadm > read_ipvsadm > add_service | add_server, then apply_scheduler
#include <algorithm>
#include <map>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"
#include "controlplane/import/ipvs_terms.h"
#include "controlplane/import/ipvsadm_lexer.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr char kNumeric[] = "names are not looked up: save with ipvsadm-save -n and import again";

struct Rule {
  DraftService service;
  IpvsScheduler scheduler;
  bool mode_known = false;  // of the first real server
};

class Reader {
 public:
  explicit Reader(Draft& draft) : draft_(draft), complaints_(draft.complaints) {}

  void read(const IpvsadmLine& line) {
    const std::string_view command = line.options.front().name;
    if (command == "-A")
      add_service(line);
    else if (command == "-a")
      add_server(line);
    else
      complaints_.add(line.line, quote(command) + " is no rule of a saved table",
                      "import what ipvsadm-save -n prints: lines with -A and -a");
  }

  void finish() {
    for (Rule& rule : rules_) {
      apply_scheduler(rule.scheduler, rule.service, complaints_);
      rule.service.comments.push_back(
          "IPVS checks no backends: every one counts as up. A [servers.NAME.healthcheck] changes that.");
      draft_.services.push_back(std::move(rule.service));
    }
  }

 private:
  static constexpr size_t kLeftOut = SIZE_MAX;

  std::optional<Endpoint> read_endpoint(std::string_view text, uint32_t line) {
    const std::optional<Endpoint> endpoint = parse_endpoint(text);
    if (endpoint) return endpoint;
    if (const size_t colon = text.rfind(':'); colon != std::string_view::npos && text.substr(colon) == ":0")
      complaints_.add(line, quote(text) + " stands for every port of an address", "write a service for each port");
    else
      complaints_.add(line, quote(text) + " is not an address and port", kNumeric);
    return std::nullopt;
  }

  static std::optional<IpvsadmOption> virtual_of(const IpvsadmLine& line) {
    for (const IpvsadmOption& option : line.options)
      if (option.name == "-t" || option.name == "-u" || option.name == "-f" || option.name == "--sctp-service")
        return option;
    return std::nullopt;
  }

  void add_service(const IpvsadmLine& line) {
    const std::optional<IpvsadmOption> address = virtual_of(line);
    if (!address) return complaints_.add(line.line, "a service without an address", "give it -t or -u");
    const std::string key = std::string(address->name) + " " + std::string(address->value);
    size_t& index = by_address_[key];
    index = kLeftOut;
    if (address->name == "-f")
      return complaints_.add(line.line, "a service of firewall mark " + quote(address->value),
                             "write the addresses and ports that the mark is set for as bind");
    if (address->name == "--sctp-service")
      return complaints_.add(line.line, "a service of SCTP", "TCP and UDP are known");
    const std::optional<Endpoint> endpoint = read_endpoint(address->value, line.line);
    if (!endpoint) return;
    Rule rule;
    rule.service.line = line.line;
    rule.service.proto = address->name == "-t" ? Proto::tcp : Proto::udp;
    rule.service.origin = "ipvsadm -A " + key;
    rule.service.name = (address->name == "-t" ? "tcp-" : "udp-") + std::string(address->value);
    std::erase_if(rule.service.name, [](char c) { return c == '[' || c == ']'; });
    std::ranges::replace(rule.service.name, ':', '-');
    std::ranges::replace(rule.service.name, '.', '-');
    rule.scheduler.line = line.line;
    draft_.add_bind(rule.service, {line.line, *endpoint});
    for (const IpvsadmOption& option : line.options) read_service_option(option, rule, line.line);
    index = rules_.size();
    rules_.push_back(std::move(rule));
  }

  void read_service_option(const IpvsadmOption& option, Rule& rule, uint32_t line) {
    if (option.name == "-s") {
      rule.scheduler.name = option.value;
    } else if (option.name == "-p") {
      rule.scheduler.persistent = true;
    } else if (option.name == "-b") {
      rule.scheduler.hashes_ports = option.value.find("-port") != std::string_view::npos;
    } else if (option.name == "-o") {
      rule.service.udp_requests_max = rule.service.proto == Proto::udp ? 1 : 0;
    } else if (option.name == "-M") {
      complaints_.add(line, "the netmask of persistence, " + quote(option.value),
                      "each address is a client of its own");
    } else if (option.name == "--pe") {
      complaints_.add(line, "the persistence engine " + quote(option.value), "datagrams are not looked into");
    } else if (option.name != "-A" && option.name != "-t" && option.name != "-u" && option.name != "-6" &&
               option.name != "-n") {
      complaints_.add(line, quote(option.name) + " is no option of a service", "look whether it matters");
    }
  }

  void add_server(const IpvsadmLine& line) {
    const std::optional<IpvsadmOption> address = virtual_of(line);
    const auto real = std::ranges::find(line.options, "-r", &IpvsadmOption::name);
    if (!address || real == line.options.end())
      return complaints_.add(line.line, "a real server without -r or without its service", "give it both");
    const auto found = by_address_.find(std::string(address->name) + " " + std::string(address->value));
    if (found == by_address_.end())
      return complaints_.add(line.line, "a real server of " + quote(address->value) + ", which no line above adds",
                             "import the whole of what ipvsadm-save -n prints");
    if (found->second == kLeftOut) return;  // its service was complained about
    Rule& rule = rules_[found->second];
    const std::optional<Endpoint> endpoint = read_endpoint(real->value, line.line);
    if (!endpoint) return;
    DraftBackend backend{.line = line.line, .endpoint = *endpoint};
    Mode mode = Mode::dsr;  // what -a without -g, -i and -m means
    uint16_t gue_port = 0;
    for (const IpvsadmOption& option : line.options)
      if (!read_server_option(option, backend, mode, gue_port, line.line)) return;
    if (rule.mode_known && (rule.service.mode != mode || rule.service.gue_port != gue_port))
      return complaints_.add(line.line, "another way of forwarding than the service's first backend has",
                             "the backends of a service share one mode: write a second service");
    rule.mode_known = true;
    rule.service.mode = mode;
    rule.service.gue_port = gue_port;
    draft_.add_backend(rule.service, std::move(backend));
  }

  // False: the server is left out.
  bool read_server_option(const IpvsadmOption& option, DraftBackend& backend, Mode& mode, uint16_t& gue_port,
                          uint32_t line) {
    const auto number = [&](uint64_t& to) {
      if (const std::optional<uint64_t> parsed = config::parse_decimal(option.value, UINT32_MAX))
        to = *parsed;
      else
        complaints_.add(line, quote(option.value) + " of " + std::string(option.name) + " is no number", "write one");
    };
    if (option.name == "-w") {
      number(backend.weight);
    } else if (option.name == "-x") {
      number(backend.connections_max);
    } else if (option.name == "-y" && option.value != "0") {
      complaints_.add(line, "the lower threshold " + quote(option.value),
                      "a backend is used again as soon as it is below max_connections");
    } else if (option.name == "-g" || option.name == "-i" || option.name == "-m") {
      mode = option.name == "-g" ? Mode::dsr : option.name == "-i" ? Mode::tunnel : Mode::nat;
    } else if (option.name == "--tun-type" && option.value != "ipip" && option.value != "gue") {
      complaints_.add(line, "a tunnel of type " + quote(option.value), "let the backend take IP in IP, or GUE");
      return false;
    } else if (option.name == "--tun-port") {
      gue_port = static_cast<uint16_t>(config::parse_decimal(option.value, UINT16_MAX).value_or(0));
    } else if (option.name == "--tun-remcsum") {
      complaints_.add(line, "remote checksum offload", "headers of GUE have no options here");
    }
    return true;
  }

  Draft& draft_;
  Complaints& complaints_;
  std::vector<Rule> rules_;
  std::map<std::string, size_t, std::less<>> by_address_;  // index of rules_, or kLeftOut
};

}  // namespace

void import_ipvsadm(std::string_view text, Draft& draft) {
  Reader reader(draft);
  for (const IpvsadmLine& line : read_ipvsadm(text)) reader.read(line);
  reader.finish();
}

}  // namespace millrace::importing
