// import.cpp: which importer, and the proof that our own loader takes what it made.
#include <algorithm>

#include "controlplane/config/config.h"
#include "controlplane/config/values.h"
#include "controlplane/import/draft.h"

namespace millrace::importing {

namespace {

struct KindRow {
  Kind kind;
  std::string_view name;
  void (*import)(std::string_view text, Draft& draft);
};
constexpr KindRow kKinds[] = {{Kind::keepalived, "keepalived", import_keepalived},
                              {Kind::ipvsadm, "ipvsadm", import_ipvsadm},
                              {Kind::haproxy, "haproxy", import_haproxy}};

struct WordRow {
  std::string_view word;  // at the beginning of a line
  Kind kind;
};
constexpr WordRow kWords[] = {
    {"global_defs", Kind::keepalived},
    {"virtual_server", Kind::keepalived},
    {"virtual_server_group", Kind::keepalived},
    {"vrrp_instance", Kind::keepalived},
    {"vrrp_script", Kind::keepalived},
    {"vrrp_sync_group", Kind::keepalived},
    {"ipvsadm", Kind::ipvsadm},
    {"-A", Kind::ipvsadm},
    {"--add-service", Kind::ipvsadm},
    {"-a", Kind::ipvsadm},
    {"global", Kind::haproxy},
    {"defaults", Kind::haproxy},
    {"listen", Kind::haproxy},
    {"frontend", Kind::haproxy},
    {"backend", Kind::haproxy},
};

// The result goes to whichever host; here it is checked as if there were a port and ports to come from.
constexpr char kStandIn[] =
    "\n[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"import\"\ndevice = \"af_xdp:import\"\n";
constexpr char kStandInPool[] = "[snat.import]\naddresses = \"auto\"\nports = \"61000-65535\"\n";

}  // namespace

std::string_view kind_name(Kind kind) { return std::ranges::find(kKinds, kind, &KindRow::kind)->name; }

std::optional<Kind> kind_by_name(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &KindRow::name);
  if (found == std::end(kKinds)) return std::nullopt;
  return found->kind;
}

std::optional<Kind> guess_kind(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = config::split_words(text.substr(0, end));
    if (!words.empty()) {
      std::string_view word = words.front();
      if (word.ends_with('\r')) word.remove_suffix(1);
      if (word.ends_with('{')) word.remove_suffix(1);
      if (const auto found = std::ranges::find(kWords, word, &WordRow::word); found != std::end(kWords))
        return found->kind;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

Imported import_text(const Source& source) {
  Imported imported;
  Draft draft;
  std::ranges::find(kKinds, source.kind, &KindRow::kind)->import(source.text, draft);
  settle_services(draft, source.snat);
  imported.toml = write_toml(source, draft);
  imported.services = draft.services.size();
  imported.left_out = draft.complaints.take();
  const config::LoadResult loaded = config::parse_config(
      imported.toml + kStandIn + (source.snat.empty() ? kStandInPool : ""), source.name + " as TOML");
  for (const config::ConfigError& error : loaded.errors) imported.refusals.push_back(config::format_error(error));
  return imported;
}

}  // namespace millrace::importing
