// draft.cpp: room, and the small values that all three formats have.
#include "controlplane/import/draft.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::importing {

using config::quote;

void Complaints::add(uint32_t line, std::string what, std::string instead) {
  if (list_.size() < kComplaintMax)
    list_.push_back({line, config::escape(what), config::escape(instead)});
  else
    ++more_;
}

std::vector<Complaint> Complaints::take() {
  std::ranges::stable_sort(list_, {}, &Complaint::line);
  if (more_ != 0)
    list_.push_back({0, std::to_string(more_) + " more complaints", "import again when these are dealt with"});
  return std::exchange(list_, {});
}

bool DraftCheck::asks_alike(const DraftCheck& other) const {
  return kind == other.kind && interval_ms == other.interval_ms && timeout_ms == other.timeout_ms &&
         fails == other.fails && passes == other.passes && port == other.port &&
         initially_down == other.initially_down && keys == other.keys;
}

bool Draft::complain_full(uint32_t line) {
  if (!full_)
    complaints.add(line, "is more than one configuration holds, and so is what follows",
                   "at most " + std::to_string(kBackendMax) + " backends, " + std::to_string(kBackendPerServiceMax) +
                       " a service, and " + std::to_string(kBindPerServiceMax) + " binds a service");
  full_ = true;
  return false;
}

bool Draft::add_bind(DraftService& service, DraftBind bind) {
  if (service.binds.size() == kBindPerServiceMax || binds == kDraftBindMax) return complain_full(bind.line);
  ++binds;
  service.binds.push_back(bind);
  return true;
}

bool Draft::add_backend(DraftService& service, DraftBackend backend) {
  if (service.backends.size() == kBackendPerServiceMax || backends == kBackendMax) return complain_full(backend.line);
  ++backends;
  service.backends.push_back(std::move(backend));
  return true;
}

bool Draft::may_look_at(size_t count, uint32_t line) {
  if (count > kLookMax - looked_at) return complain_full(line);
  looked_at += count;
  return true;
}

std::optional<IpAddr> read_address(std::string_view text, uint32_t line, Complaints& complaints) {
  std::string_view bare = text;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  if (const std::optional<IpAddr> addr = parse_ip(bare)) return addr;
  if (text.find('$') != std::string_view::npos)
    complaints.add(line, quote(text) + " holds a variable", "write its value and import again");
  else
    complaints.add(line, quote(text) + " is not an IP address",
                   "names are not looked up: write the address and import again, or use discovery kind \"dns\"");
  return std::nullopt;
}

std::optional<uint16_t> read_port(std::string_view text, uint32_t line, Complaints& complaints) {
  const std::optional<uint64_t> port = config::parse_decimal(text, UINT16_MAX);
  if (port && *port != 0) return static_cast<uint16_t>(*port);
  complaints.add(line, quote(text) + " is not a port", "write a number from 1 to 65535 and import again");
  return std::nullopt;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

}  // namespace millrace::importing
