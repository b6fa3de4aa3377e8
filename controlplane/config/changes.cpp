#include "controlplane/config/changes.h"

#include <unistd.h>

#include <cerrno>

#include "controlplane/config/document.h"
#include "controlplane/config/error_text.h"
#include "controlplane/config/text_file.h"
#include "controlplane/config/tunables.h"
#include "controlplane/config/whole_file.h"

namespace millrace::config {

namespace {

constexpr char kHead[] =
    "# What REST changed over the configuration file. millraced writes this file whole at each change; remove it, or\n"
    "# DELETE /v1/changes, to go back to the file.\n";
constexpr char kRemedy[] = "mend it, or remove the file to go back to what the configuration file says";

toml::table to_table(const Changes& changes) {
  toml::array removed;
  toml::table servers;
  for (const auto& [name, server] : changes.servers) {
    if (server)
      servers.insert(name, *server);
    else
      removed.push_back(name);
  }
  toml::table root;
  if (!removed.empty()) root.insert("removed", std::move(removed));
  if (!servers.empty()) root.insert("servers", std::move(servers));
  if (!changes.tuned.empty()) root.insert("tuned", changes.tuned);
  return root;
}

// The other half of to_table; false: not of its making.
bool take_table(const toml::table& root, Changes& changes) {
  for (const auto& [key, node] : root) {
    if (key == "removed" && node.is_array()) {
      for (const toml::node& name : *node.as_array()) {
        if (!name.is_string()) return false;
        changes.servers[name.as_string()->get()] = std::nullopt;
      }
    } else if (key == "servers" && node.is_table()) {
      for (const auto& [name, server] : *node.as_table()) {
        if (!server.is_table()) return false;
        changes.servers[std::string(name.str())] = *server.as_table();
      }
    } else if (key == "tuned" && node.is_table()) {
      for (const auto& [name, value] : *node.as_table()) {
        if (find_tunable(name.str()) == nullptr) return false;
        changes.tuned.insert(name, value);
      }
    } else {
      return false;
    }
  }
  return true;
}

// May be there for nothing but what was tuned in it.
bool is_made(std::string_view table) { return table != "dataplane" && table != "flow_log"; }

// A file's configuration with what its changes_file holds over it.
LoadResult with_changes(LoadResult loaded) {
  if (!loaded.config) return loaded;
  ChangesFile file = read_changes(loaded.config->api.changes_file);
  if (!file.changes) return {std::nullopt, {std::move(file.error)}};
  if (file.changes->empty()) return loaded;
  return parse_config(loaded.config->document->text, loaded.config->file, &*file.changes);
}

}  // namespace

void Changes::apply(toml::table& root) const {
  for (const auto& [name, value] : tuned) {
    const Tunable* tunable = find_tunable(name.str());
    if (tunable == nullptr) continue;
    if (!root.contains(tunable->table()) && is_made(tunable->table())) root.insert(tunable->table(), toml::table{});
    toml::table* table = root[tunable->table()].as_table();
    if (table != nullptr) table->insert_or_assign(tunable->key(), value);  // otherwise the readers say so
  }
  if (servers.empty()) return;
  if (!root.contains("servers")) root.insert("servers", toml::table{});
  toml::table* all = root["servers"].as_table();
  if (all == nullptr) return;  // the readers say so
  for (const auto& [name, server] : servers) {
    if (server)
      all->insert_or_assign(name, *server);
    else
      all->erase(name);
  }
}

toml::table Changes::tuned_in(std::string_view table) const {
  toml::table in_table;
  for (const auto& [name, value] : tuned) {
    const Tunable* tunable = find_tunable(name.str());
    if (tunable != nullptr && tunable->table() == table) in_table.insert(tunable->key(), value);
  }
  return in_table;
}

std::string format_changes(const Changes& changes) { return kHead + to_toml(to_table(changes)); }

ChangesFile read_changes(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return {Changes{}, {}};
  const TextFile file = read_text_file(path);
  if (!file.text) return {std::nullopt, {path, 0, 0, "", file.problem, kRemedy}};
  return parse_changes(*file.text, path);
}

ChangesFile parse_changes(const std::string& text, const std::string& path) {
  try {
    Changes changes;
    if (take_table(toml::parse(std::string_view(text)), changes)) return {std::move(changes), {}};
    return {std::nullopt,
            {path, 0, 0, "",
             "holds something else than `removed`, [servers.NAME] and, in [tuned], settings of millctl tune", kRemedy}};
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return {std::nullopt,
            {path, static_cast<uint32_t>(at.line), static_cast<uint32_t>(at.column), "",
             "not TOML: " + escape(error.description()), kRemedy}};
  }
}

bool write_changes(const std::string& path, const Changes& changes, std::string& problem) {
  if (write_whole_file(path, format_changes(changes), problem)) return true;
  problem += "; set [api] changes_file to a path that can";
  return false;
}

LoadResult load_changed_config(const std::string& path) { return with_changes(load_config(path)); }

LoadResult parse_changed_config(const std::string& text, const std::string& name) {
  return with_changes(parse_config(text, name));
}

}  // namespace millrace::config
