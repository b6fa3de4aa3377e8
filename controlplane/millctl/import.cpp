// import.cpp: millctl import: another balancer's file on stdout as ours, on stderr what was left out.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "controlplane/config/config.h"
#include "controlplane/import/imported.h"
#include "controlplane/millctl/commands.h"
#include "controlplane/millctl/show.h"

namespace millrace::millctl {
namespace {

using importing::Imported;
using importing::Kind;

constexpr char kKinds[] = "keepalived, ipvsadm or haproxy";

void complain(const std::string& text) { std::fputs(("millctl: " + text + "\n").c_str(), stderr); }

struct Read {
  std::string text;
  std::string problem;  // empty: it was read
};

Read read_input(const std::string& file) {
  const bool is_stdin = file == "-";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(is_stdin ? nullptr : std::fopen(file.c_str(), "rb"),
                                                               [](std::FILE* f) { return f ? std::fclose(f) : 0; });
  std::FILE* input = is_stdin ? stdin : opened.get();
  if (input == nullptr) return {{}, std::string("cannot be read: ") + std::strerror(errno)};
  Read read;
  read.text.resize(importing::kImportBytesMax + 1);
  read.text.resize(std::fread(read.text.data(), 1, read.text.size(), input));
  if (std::ferror(input) != 0) return {{}, std::string("cannot be read: ") + std::strerror(errno)};
  if (read.text.size() > importing::kImportBytesMax) return {{}, "has more than 1 MiB"};
  return read;
}

// What our own loader says against the addresses of --snat; empty: nothing.
std::string refuse_sources(const std::vector<std::string>& addresses) {
  if (addresses.empty()) return {};
  std::string toml =
      "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"p\"\ndevice = \"null\"\n[snat.import]\n";
  toml += "addresses = [";
  for (const std::string& address : addresses) {
    if (address.find_first_not_of("0123456789abcdefABCDEF.:/-") != std::string::npos)
      return "--snat: \"" + address + "\" is no address (write 10.0.0.10, 10.0.0.10-10.0.0.13 or a prefix)";
    toml += "\"" + address + "\", ";
  }
  const config::LoadResult loaded = config::parse_config(toml + "]\n", "--snat");
  if (loaded.config) return {};
  return "--snat: " + loaded.errors.front().problem + " (" + loaded.errors.front().remedy + ")";
}

Json to_json(const Imported& imported, const std::string& name, Kind kind) {
  Json left_out = Json::array();
  for (const importing::Complaint& complaint : imported.left_out)
    left_out.push_back(
        {{"file", name}, {"line", complaint.line}, {"what", complaint.what}, {"instead", complaint.instead}});
  return {{"kind", importing::kind_name(kind)},
          {"toml", imported.toml},
          {"services", imported.services},
          {"left_out", std::move(left_out)}};
}

Exit fail(const Options& options, Exit exit, const std::string& problem) {
  if (options.json)
    std::fputs((Json{{"error", problem}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n").c_str(), stdout);
  complain(problem);
  return exit;
}

}  // namespace

Exit run_import(const Options& options, const ImportOptions& which) {
  if (which.words.size() > 2) return fail(options, Exit::usage, "one file at a time (write KIND FILE, or FILE)");
  const bool named = which.words.size() == 2;
  const std::string& file = which.words.back();
  const std::string name = file == "-" ? "stdin" : file;
  std::optional<Kind> kind;
  if (named) {
    kind = importing::kind_by_name(which.words.front());
    if (!kind)
      return fail(options, Exit::usage,
                  fmt::format("\"{}\" is nothing that can be imported (write {})", which.words.front(), kKinds));
  }
  if (const std::string problem = refuse_sources(which.snat); !problem.empty())
    return fail(options, Exit::usage, problem);
  const Read read = read_input(file);
  if (!read.problem.empty()) return fail(options, Exit::refused, name + " " + read.problem);
  if (!kind) kind = importing::guess_kind(read.text);
  if (!kind)
    return fail(options, Exit::refused,
                fmt::format("{} does not show what it is (write millctl import KIND {}, with {})", name, file, kKinds));

  const Imported imported = importing::import_text({*kind, name, read.text, which.snat});
  if (!imported.refusals.empty()) {
    for (const std::string& refusal : imported.refusals) std::fputs((refusal + "\n").c_str(), stderr);
    return fail(options, Exit::bug, "our own loader refuses the result: a bug of the importer, please report it");
  }
  if (options.json)
    std::fputs((to_json(imported, name, *kind).dump(2, ' ', false, Json::error_handler_t::replace) + "\n").c_str(),
               stdout);
  else
    std::fputs(imported.toml.c_str(), stdout);
  for (const importing::Complaint& complaint : imported.left_out)
    std::fputs(fmt::format("{}:{}: {} ({})\n", name, complaint.line, complaint.what, complaint.instead).c_str(),
               stderr);
  complain(fmt::format("{} services from {}, {} complaints", imported.services, name, imported.left_out.size()));
  return imported.left_out.empty() ? Exit::done : Exit::left_out;
}

}  // namespace millrace::millctl
