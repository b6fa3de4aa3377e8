// load.cpp: from a file in TOML or JSON to a checked Config.
// Route:  load_config > parse_config > replace_variables > read_toml | read_json > read_*_table > validate_draft
#include <cctype>
#include <cstdlib>

#include "controlplane/config/document.h"
#include "controlplane/config/env_text.h"
#include "controlplane/config/json_text.h"
#include "controlplane/config/tables.h"
#include "controlplane/config/text_file.h"
#include "controlplane/config/toml_depth.h"
#include "controlplane/config/tunables.h"

namespace millrace::config {

namespace {

LoadResult refuse_file(const std::string& path, std::string problem, std::string remedy) {
  return {std::nullopt, {{path, 0, 0, "", std::move(problem), std::move(remedy)}}};
}

// Where what belongs to a configuration is kept: beside its file. One from elsewhere ("consul://host/key") has a place of its
// own where daemons keep things.
std::string kept_at(const std::string& name, const char* suffix) {
  if (name.find("://") == std::string::npos) return name + suffix;
  std::string flat;
  for (const char c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    if (plain || !flat.ends_with('-')) flat.push_back(plain ? c : '-');
  }
  return "/var/lib/millrace/" + flat + suffix;
}

// What was tuned in [dataplane] where the file has none: with the table there would be no automatic ports.
void read_tuned(const TableReader& root, const Changes& changes, Config& config) {
  if (root.has("dataplane")) return;
  const toml::table tuned = changes.tuned_in("dataplane");
  TableReader table(tuned, Origin{{}, "dataplane"}, root.errors());
  read_worker_settings(table, config);
}

void read_root(TableReader& root, const Changes& changes, Draft& draft) {
  const auto read = [&root](std::string_view key, auto&& reader) {
    if (std::optional<TableReader> table = root.read_table(key)) reader(*table);
  };
  Config& config = draft.config;
  read("dataplane", [&](TableReader& table) {
    read_dataplane_table(table, config);
    draft.dataplane_proxy = table.origin_of("proxy");
  });
  draft.pools_complete = !root.has("snat");
  read("snat", [&](TableReader& table) {
    draft.pools_complete = true;
    read_snat_table(table, draft);
  });
  ConnectionOptions defaults;
  read("defaults", [&](TableReader& table) {
    read_connection_options(table, defaults);
    table.finish();
  });
  read("servers", [&](TableReader& table) { read_servers_table(table, defaults, draft); });
  if (!root.has("dataplane")) choose_ports(config, interface_towards, root.errors());
  read("blocklist", [&](TableReader& table) { read_blocklist_table(table, config); });
  read("timeouts", [&](TableReader& table) { read_timeouts_table(table, config.settings); });
  read("logging", [&](TableReader& table) { read_logging_table(table, config.logging); });
  read("flow_log", [&](TableReader& table) { read_flow_log_table(table, config.flow_log); });
  read_tuned(root, changes, config);
  config.settings.flow_log = config.flow_log.output.empty() ? 0 : 1;
  read("metrics", [&](TableReader& table) { read_metrics_table(table, config.metrics); });
  read("api", [&](TableReader& table) { read_api_table(table, config.api); });
  refuse_global_tables(root);
  root.finish();
}

// What the file says by itself.
void note_file(const toml::table& tree, Document& document) {
  if (const toml::table* servers = tree["servers"].as_table())
    for (const auto& [name, server] : *servers) document.in_file.emplace(name.str());
  for (const Tunable& tunable : tunables())
    if (const toml::node* said = tree[tunable.table()][tunable.key()].node())
      document.settings_in_file.insert(tunable.name, *said);
}

void note_positions(const toml::table& table, const std::string& path, const ErrorList& errors, Reading& reading) {
  for (const auto& [key, value] : table) {
    const std::string key_path = join_key(path, key.str());
    const toml::source_position at = key.source().begin;
    const Position seen{static_cast<uint32_t>(at.line), static_cast<uint32_t>(at.column)};
    reading.positions.emplace(key_path, at ? seen : errors.position_of(key_path));
    if (path.empty() && value.is_table()) note_positions(*value.as_table(), key_path, errors, reading);
  }
}

// With its changes over the file's tree.
void read_changed(toml::table tree, Document& document, Draft& draft, ErrorList& errors) {
  document.changes.apply(tree);
  document.root = std::move(tree);
  TableReader root(document.root, Origin{}, errors);
  read_root(root, document.changes, draft);
  validate_draft(draft, errors);
}

void read_tree(toml::table tree, Document& document, Draft& draft, ErrorList& errors) {
  note_file(tree, document);
  const auto reading = std::make_shared<Reading>();
  note_positions(tree, "", errors, *reading);
  reading->file = std::make_shared<const toml::table>(tree);
  read_changed(std::move(tree), document, draft, errors);
  reading->services = draft.config.services;
  reading->origins = draft.services;
  document.reading = reading;
}

const toml::table* find_server(const Changes& changes, const std::string& name) {
  const auto found = changes.servers.find(name);
  return found == changes.servers.end() || !found->second ? nullptr : &*found->second;
}

// Said by the file both times, or by both changes in the same words.
bool is_same_server(const Document& before, const Changes& changes, const std::string& name) {
  if (!before.changes.servers.contains(name) && !changes.servers.contains(name)) return true;
  const toml::table* was = find_server(before.changes, name);
  const toml::table* is = find_server(changes, name);
  return was != nullptr && is != nullptr && *was == *is;
}

Draft begin_draft(const std::string& name) {
  Draft draft;
  draft.config.file = name;
  draft.config.api.changes_file = kept_at(name, ".changes");
  draft.config.api.history_dir = kept_at(name, ".history");
  return draft;
}

LoadResult end_draft(Draft draft, std::shared_ptr<Document> document, ErrorList& errors) {
  if (!errors.empty()) return {std::nullopt, errors.take()};
  draft.config.document = std::move(document);
  return {std::move(draft.config), {}};
}

void read_json(const std::string& text, Document& document, Draft& draft, ErrorList& errors) {
  JsonText json = parse_json(text);
  if (!json.root)
    return errors.add({json.failed_at, ""}, json.problem, "write one JSON object, or TOML, which begins with no brace");
  errors.know_positions(json.positions);
  read_tree(std::move(*json.root), document, draft, errors);
}

void read_toml(const std::string& text, Document& document, Draft& draft, ErrorList& errors) {
  if (const std::optional<Position> deep = find_deep_line(text))
    return errors.add({*deep, ""}, "the keys of this line have more than " + std::to_string(kKeyDotsMax) + " dots",
                      "no key of ours nests so deep");
  try {
    read_tree(toml::parse(std::string_view(text)), document, draft, errors);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    errors.add({{static_cast<uint32_t>(at.line), static_cast<uint32_t>(at.column)}, ""},
               "not TOML: " + escape(error.description()), "see https://toml.io for the syntax");
  }
}

}  // namespace

LoadResult parse_config(const std::string& text, const std::string& name, const Changes* changes) {
  ErrorList errors(name);
  Draft draft = begin_draft(name);
  const std::string whole = replace_variables(
      text, [](const std::string& variable) { return std::getenv(variable.c_str()); }, errors);
  if (!errors.empty()) return {std::nullopt, errors.take()};
  auto document = std::make_shared<Document>();
  document->text = text;
  if (changes != nullptr) document->changes = *changes;
  if (looks_like_json(whole))
    read_json(whole, *document, draft, errors);
  else
    read_toml(whole, *document, draft, errors);
  return end_draft(std::move(draft), std::move(document), errors);
}

LoadResult change_config(const Config& config, const Changes& changes) {
  const Document& before = *config.document;
  Draft draft = begin_draft(config.file);
  draft.before = before.reading;
  for (size_t s = 0; s < before.reading->services.size(); ++s) {
    const std::string& name = before.reading->services[s].name;
    if (is_same_server(before, changes, name)) draft.known.emplace(name, s);
  }
  auto document = std::make_shared<Document>();
  document->text = before.text;
  document->changes = changes;
  document->in_file = before.in_file;
  document->settings_in_file = before.settings_in_file;
  ErrorList errors(config.file);
  errors.know_positions(before.reading->positions);
  read_changed(*before.reading->file, *document, draft, errors);
  // The tree knows no places: what is wrong, and where, the text tells.
  if (!errors.empty()) return parse_config(before.text, config.file, &changes);
  document->reading = std::make_shared<const Reading>(
      Reading{before.reading->file, before.reading->positions, draft.config.services, std::move(draft.services)});
  return end_draft(std::move(draft), std::move(document), errors);
}

LoadResult load_config(const std::string& path) {
  const TextFile file = read_text_file(path);
  if (!file.text) return refuse_file(path, file.problem, "name a configuration file that this user may read");
  return parse_config(*file.text, path);
}

}  // namespace millrace::config
