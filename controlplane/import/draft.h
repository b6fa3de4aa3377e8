// draft.h: services as the importers understand them, before it is known whether our configuration can say so.
// Route:  import_* > Draft > settle_services > write_toml
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/import/imported.h"
#include "millrace/addr.h"
#include "millrace/limits.h"
#include "millrace/messages.h"

namespace millrace::importing {

inline constexpr size_t kDraftBindMax = 65'536;      // A group may be the address of any number of services.
inline constexpr size_t kLookMax = 4 * kBackendMax;  // A list of servers may belong to any number of services.

struct DraftBind {
  uint32_t line = 0;
  Endpoint endpoint;
};

struct DraftBackend {
  uint32_t line = 0;
  Endpoint endpoint;
  uint64_t weight = 1;
  uint32_t priority = 0;
  uint64_t connections_max = 0;                        // 0: no limit
  ProxyProtocol proxy_protocol = ProxyProtocol::none;  // of mode proxy
  std::string host;                                    // sni=
  std::string comment;                                 // behind it in the list
};

struct DraftCheck {
  uint32_t line = 0;
  std::string kind;  // "ping" …
  uint64_t interval_ms = 2000;
  uint64_t timeout_ms = 0;  // 0: as long as the interval
  uint64_t fails = 1;
  uint64_t passes = 1;
  uint16_t port = 0;  // 0: the backend's
  bool initially_down = false;
  std::vector<std::pair<std::string, std::string>> keys;  // of its kind: key, value in TOML

  bool asks_alike(const DraftCheck& other) const;
};

struct DraftNames {
  bool regexp = false;
  std::string_view unexpected = "default";
  uint64_t read_timeout_ms = 5000;
};

struct DraftService {
  uint32_t line = 0;
  std::string name;    // any text; settle_services makes a name of it
  std::string origin;  // "virtual_server 10.0.0.1 80", for the comment
  std::vector<DraftBind> binds;
  Proto proto = Proto::tcp;
  Mode mode = Mode::fullnat;
  std::string_view balance;   // empty: the mode's own
  uint32_t balance_line = 0;  // where it says so
  uint16_t gue_port = 0;      // of mode tunnel; 0: IP in IP
  // 0: not said.
  uint64_t client_idle_ms = 0;
  uint64_t backend_idle_ms = 0;
  uint64_t connect_timeout_ms = 0;
  uint64_t connections_max = 0;
  uint64_t slow_start_ms = 0;
  uint64_t connection_rate = 0;
  uint16_t udp_requests_max = 0;
  bool access_denies = false;             // whom no rule names
  std::vector<std::string> access_rules;  // as in the file
  std::optional<DraftNames> names;
  std::optional<DraftCheck> check;
  std::vector<DraftBackend> backends;
  std::vector<std::string> comments;
};

struct Draft {
  Complaints complaints;
  std::vector<DraftService> services;
  size_t binds = 0;
  size_t backends = 0;
  size_t access_rules = 0;
  size_t looked_at = 0;  // servers, each time that somebody refers to them

  // False when there is no room; says so the first time.
  bool add_bind(DraftService& service, DraftBind bind);
  bool add_backend(DraftService& service, DraftBackend backend);
  // Before `count` servers are looked at on behalf of another service.
  bool may_look_at(size_t count, uint32_t line);

 private:
  bool full_ = false;
  bool complain_full(uint32_t line);
};

void import_keepalived(std::string_view text, Draft& draft);
void import_ipvsadm(std::string_view text, Draft& draft);
void import_haproxy(std::string_view text, Draft& draft);

// Drops, clamps and complains until our loader has nothing to say; `snat` as in Source.
void settle_services(Draft& draft, const std::vector<std::string>& snat);

std::string write_toml(const Source& source, const Draft& draft);

// A string in TOML; of any bytes that are printable ASCII. ${ does not become a variable.
std::string toml_string(std::string_view text);
bool is_printable(std::string_view text);
// "2s", "1500ms".
std::string duration_text(uint64_t ms);

// An address as these files write it, without brackets or with them; nothing after complaining.
std::optional<IpAddr> read_address(std::string_view text, uint32_t line, Complaints& complaints);
std::optional<uint16_t> read_port(std::string_view text, uint32_t line, Complaints& complaints);

// What our loader says against it, and what to do.
template <typename Parsed>
void complain_parsed(const Parsed& parsed, uint32_t line, Complaints& complaints) {
  complaints.add(line, parsed.problem, parsed.remedy);
}

}  // namespace millrace::importing
