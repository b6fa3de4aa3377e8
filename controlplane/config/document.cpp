#include "controlplane/config/document.h"

#include <sstream>

namespace millrace::config {

using Json = nlohmann::ordered_json;

namespace {

void hide_secrets(toml::node& node) {
  if (toml::array* array = node.as_array())
    for (toml::node& element : *array) hide_secrets(element);
  toml::table* table = node.as_table();
  if (table == nullptr) return;
  for (auto&& [key, value] : *table) {
    if (value.is_string() && is_secret_key(key.str()))
      value.as_string()->get() = "***";
    else
      hide_secrets(value);
  }
}

}  // namespace

bool is_secret_key(std::string_view name) { return name.ends_with("password") || name.ends_with("token"); }

bool Document::has_server(const std::string& name) const {
  const toml::table* servers = root["servers"].as_table();
  return servers != nullptr && servers->contains(name);
}

Json to_json(const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = to_json(value);
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& value : *array) list.push_back(to_json(value));
    return list;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* truth = node.as_boolean()) return truth->get();
  return nullptr;  // dates: no key of ours is one
}

toml::table without_secrets(toml::table table) {
  hide_secrets(table);
  return table;
}

std::string to_toml(const toml::table& table) {
  std::ostringstream text;
  text << table << '\n';
  return text.str();
}

}  // namespace millrace::config
