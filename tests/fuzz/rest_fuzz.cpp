// rest_fuzz.cpp: bodies of requests to the API: servers, patches of servers, backends of a static_list, settings. Either a sentence, and
// nothing has changed, or a configuration that is checked as the file is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "controlplane/api/server_body.h"
#include "controlplane/api/setting_body.h"
#include "controlplane/api/static_list.h"
#include "controlplane/config/backend_line.h"
#include "controlplane/config/changes.h"
#include "controlplane/config/config.h"

namespace {

using namespace millrace;
using namespace millrace::control;

constexpr char kFile[] =
    "[[dataplane.port]]\nname = 'a'\ndevice = 'null'\n[snat.lan]\naddresses = ['10.9.0.1']\n"
    "[servers.web]\nbind = '203.0.113.10:80'\n[servers.web.discovery]\nkind = 'static'\n"
    "static_list = ['10.0.0.1:80 weight=5', '10.0.0.2:80']\n";

toml::table web() {
  static const toml::table root = toml::parse(std::string_view(kFile));
  return *root["servers"]["web"].as_table();
}

// As the daemon does it: over the file, then checked with all of it.
bool is_checked(toml::table server) {
  config::Changes changes;
  changes.servers["web"] = std::move(server);
  const config::LoadResult loaded = config::parse_config(kFile, "fuzz.toml", &changes);
  return loaded.config.has_value() == loaded.errors.empty();
}

bool takes_server(const Wanted& wanted) {
  if (!wanted.server) return !wanted.problem.empty();
  return is_checked(*wanted.server);
}

bool takes_backend(const std::string& body, bool adds) {
  BackendWish wish;
  if (const Refusal refusal = read_backend_wish(body, adds, wish); refusal.status != 0)
    return !refusal.error.empty() && !refusal.remedy.empty();
  toml::table server = web();
  const Refusal refusal =
      adds ? add_backend(server, wish) : change_backend(server, *parse_endpoint("10.0.0.1:80"), wish);
  const toml::array& list = *server["discovery"]["static_list"].as_array();
  if (refusal.status != 0) return server == web() && !refusal.error.empty();
  if (list.size() != (adds ? 3u : 2u)) return false;
  for (const toml::node& line : list)
    if (!config::parse_backend(line.as_string()->get(), ProxyProtocol::none).value) return false;
  return is_checked(std::move(server));
}

bool takes_settings(const std::string& body) {
  config::Changes changes;
  std::string what;
  const Refusal refusal = tune(body, changes, what);
  if (refusal.status != 0) return changes.empty() && !refusal.error.empty() && !refusal.remedy.empty();
  const config::ChangesFile kept = config::parse_changes(config::format_changes(changes), "fuzz.changes");
  if (!kept.changes || kept.changes->tuned != changes.tuned) return false;
  const config::LoadResult loaded = config::parse_config(kFile, "fuzz.toml", &changes);
  return loaded.config.has_value() == loaded.errors.empty();
}

}  // namespace

// The first byte, '0' to '4', says who reads the others.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool sound = true;
  switch ((data[0] + 2) % 5) {
    case 0:
      sound = takes_server(read_server(body));
      break;
    case 1:
      sound = takes_server(patch_server(web(), body));
      break;
    case 2:
      sound = takes_backend(body, true);
      break;
    case 3:
      sound = takes_backend(body, false);
      break;
    default:
      sound = takes_settings(body);
  }
  if (!sound) std::abort();
  return 0;
}
