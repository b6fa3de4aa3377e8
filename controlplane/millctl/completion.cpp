#include "controlplane/millctl/completion.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "controlplane/config/tunables.h"
#include "controlplane/millctl/finish.h"

namespace millrace::millctl {
namespace {

// A word that may follow.
struct Word {
  std::string text;
  std::string meaning;
};

// One command, and what may follow it.
struct Place {
  std::string path;  // " backend add"; empty: millctl itself
  std::vector<Word> words;
  bool goes_on = false;  // a word may be the beginning of NAME=VALUE: no space after it
};

// Words of a command that are neither commands nor options.
std::vector<Word> names_of(const std::string& path) {
  std::vector<Word> names;
  if (path == " tune")
    for (const config::Tunable& tunable : config::tunables())
      names.push_back({std::string(tunable.name), std::string(tunable.about)});
  return names;
}

void collect(const CLI::App& app, const std::string& path, const std::vector<Word>& inherited,
             std::vector<Place>& places) {
  Place place{path, names_of(path)};
  place.goes_on = !place.words.empty();
  std::vector<const CLI::App*> commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) place.words.push_back({command->get_name(), command->get_description()});
  std::vector<Word> options;
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; }))
    for (const std::string& name : option->get_lnames()) options.push_back({"--" + name, option->get_description()});
  place.words.insert(place.words.end(), options.begin(), options.end());
  for (const Word& word : inherited)
    if (word.text != "--help") place.words.push_back(word);
  places.push_back(std::move(place));
  // Options of millctl itself may stand behind a command.
  for (const CLI::App* command : commands)
    collect(*command, path + " " + command->get_name(), path.empty() ? options : inherited, places);
}

// In single quotes, for each of the shells.
std::string in_quotes(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) safe += c == '\'' ? std::string("’") : std::string(1, c);
  return safe + "'";
}

// `case` patterns that take a known command for a step of the path.
std::string steps(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places)
    if (!place.path.empty()) text += fmt::format("{}\"{}\"", text.empty() ? "" : " | ", place.path);
  return text;
}

std::string bash_script(const std::vector<Place>& places) {
  std::string cases;
  for (const Place& place : places) {
    std::string words;
    for (const Word& word : place.words) words += (words.empty() ? "" : " ") + word.text;
    // Outside of a completion, as in a test, there is nothing to set.
    const char* const more = place.goes_on ? "; compopt -o nospace 2> /dev/null" : "";
    cases += fmt::format("    \"{}\") words={}{} ;;\n", place.path, in_quotes(words), more);
  }
  return fmt::format(R"(# Completion of millctl in bash, made by `millctl completion bash`.
_millctl() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} at='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at ${{COMP_WORDS[i]}}" in
      {}) at="$at ${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$at" in
{}  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F _millctl millctl
)",
                     steps(places), cases);
}

std::string zsh_script(const std::vector<Place>& places) {
  std::string cases;
  for (const Place& place : places) {
    std::string words;
    for (const Word& word : place.words) words += "\n      " + in_quotes(word.text + ":" + word.meaning);
    cases += fmt::format("    \"{}\") choices=({}\n    ) ;;\n", place.path, words);
  }
  return fmt::format(R"(#compdef millctl
# Completion of millctl in zsh, made by `millctl completion zsh`.
_millctl() {{
  local at='' word
  local -a choices
  for word in ${{words[2,CURRENT-1]}}; do
    case "$at $word" in
      {}) at="$at $word" ;;
    esac
  done
  case "$at" in
{}  esac
  _describe 'millctl' choices || _files
}}
if [ "$funcstack[1]" = _millctl ]; then _millctl "$@"; else compdef _millctl millctl; fi
)",
                     steps(places), cases);
}

// "backend add" is so far: backend and add were seen, and none of the commands of add.
std::string fish_condition(const Place& place) {
  std::string seen;
  for (size_t start = 1; start < place.path.size();) {
    const size_t end = std::min(place.path.find(' ', start), place.path.size());
    seen += fmt::format("__fish_seen_subcommand_from {}; and ", place.path.substr(start, end - start));
    start = end + 1;
  }
  std::string commands;
  for (const Word& word : place.words)
    if (!word.text.starts_with("-") && !place.goes_on) commands += " " + word.text;
  return seen + (commands.empty() ? "true" : "not __fish_seen_subcommand_from" + commands);
}

std::string fish_script(const std::vector<Place>& places) {
  std::string text = "# Completion of millctl in fish, made by `millctl completion fish`.\n";
  for (const Place& place : places) {
    const std::string condition = fish_condition(place);
    for (const Word& word : place.words) {
      const bool is_option = word.text.starts_with("--");
      text += fmt::format("complete -c millctl -n {} {} {} -d {}\n", in_quotes(condition), is_option ? "-l" : "-f -a",
                          is_option ? word.text.substr(2) : word.text, in_quotes(word.meaning));
    }
  }
  return text;
}

}  // namespace

Exit run_completion(const CLI::App& app, Shell shell) {
  std::vector<Place> places;
  collect(app, "", {}, places);
  switch (shell) {
    case Shell::bash:
      print(bash_script(places));
      break;
    case Shell::zsh:
      print(zsh_script(places));
      break;
    case Shell::fish:
      print(fish_script(places));
      break;
  }
  return Exit::done;
}

}  // namespace millrace::millctl
