#include "controlplane/state/setting_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "controlplane/config/document.h"
#include "controlplane/config/error_text.h"

namespace millrace::control {
namespace {

constexpr size_t kValueBytesMax = 120;  // a line of a terminal
constexpr size_t kNamesMax = 8;         // of a summary

struct Leaf {
  std::string value;
  bool is_secret = false;
  bool operator==(const Leaf&) const = default;
};
using Leaves = std::map<std::string, Leaf>;

bool holds_tables(const toml::array& array) {
  return std::ranges::any_of(array, [](const toml::node& element) { return element.is_table(); });
}

void collect(const toml::node& node, const std::string& key, bool is_secret, Leaves& leaves) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, value] : *table)
      collect(value, config::join_key(key, name.str()), config::is_secret_key(name.str()), leaves);
  } else if (const toml::array* array = node.as_array(); array != nullptr && holds_tables(*array)) {
    for (size_t i = 0; i < array->size(); ++i)
      collect(*array->get(i), fmt::format("{}[{}]", key, i), is_secret, leaves);
  } else {
    leaves[key] = {config::to_json(node).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
                   is_secret};
  }
}

std::string shown(const Leaf& leaf) {
  if (leaf.is_secret) return "***";
  if (leaf.value.size() <= kValueBytesMax) return leaf.value;
  return leaf.value.substr(0, kValueBytesMax) + "…";
}

const toml::table& table_of(const toml::table& root, const std::string& name) {
  static const toml::table kNone;
  const toml::table* table = root[name].as_table();
  return table == nullptr ? kNone : *table;
}

}  // namespace

std::vector<SettingChange> setting_changes(const toml::table& from, const toml::table& to) {
  Leaves was;
  Leaves is;
  collect(from, "", false, was);
  collect(to, "", false, is);
  std::vector<SettingChange> changes;
  for (const auto& [key, leaf] : was) {
    const auto found = is.find(key);
    if (found == is.end())
      changes.push_back({key, shown(leaf), ""});
    else if (found->second != leaf)
      changes.push_back({key, shown(leaf), shown(found->second)});
  }
  for (const auto& [key, leaf] : is)
    if (!was.contains(key)) changes.push_back({key, "", shown(leaf)});
  std::ranges::sort(changes, {}, &SettingChange::key);
  return changes;
}

std::vector<std::string> tuned_changes(const toml::table& from, const toml::table& to) {
  std::vector<std::string> names;
  for (const auto& [name, value] : from)
    if (!to.contains(name)) names.emplace_back(name.str());
  for (const auto& [name, value] : to)
    if (!from.contains(name) || config::to_json(value) != config::to_json(*from.get(name)))
      names.emplace_back(name.str());
  std::ranges::sort(names);
  return names;
}

std::string summarize_changes(const toml::table& from, const toml::table& to) {
  std::vector<std::string> words;
  const toml::table& was = table_of(from, "servers");
  const toml::table& is = table_of(to, "servers");
  for (const auto& [name, server] : was)
    if (!is.contains(name.str())) words.push_back(fmt::format("{} removed", name.str()));
  for (const auto& [name, server] : is) {
    const toml::node* old = was.get(name.str());
    if (old == nullptr)
      words.push_back(fmt::format("{} added", name.str()));
    else if (old->as_table() != nullptr && server.as_table() != nullptr && *old->as_table() != *server.as_table())
      words.push_back(fmt::format("{} changed", name.str()));
  }
  for (const auto& [name, table] : to)
    if (name != "servers" &&
        !(from.contains(name.str()) &&
          setting_changes(toml::table{{"it", *from.get(name.str())}}, toml::table{{"it", table}}).empty()))
      words.push_back(fmt::format("[{}]", name.str()));
  for (const auto& [name, table] : from)
    if (name != "servers" && !to.contains(name.str())) words.push_back(fmt::format("[{}] removed", name.str()));
  const size_t left_out = words.size() > kNamesMax ? words.size() - kNamesMax : 0;
  words.resize(words.size() - left_out);
  std::string text = fmt::format("{}", fmt::join(words, ", "));
  if (left_out > 0) text += fmt::format(" and {} more", left_out);
  return text;
}

}  // namespace millrace::control
