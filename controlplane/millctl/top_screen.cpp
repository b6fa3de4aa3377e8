#include "controlplane/millctl/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

constexpr char kKeys[] =
    "q quit   j/k move   n/a/c/b sort by name, active, connections, bytes   / filter   d drain   e enable";
constexpr char kEscape = 27;
constexpr char kBackspace = 8;
constexpr char kDelete = 127;

double growth(uint64_t before, uint64_t now, double seconds) {
  return now > before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

uint64_t bytes_of(const Json& row) { return number(row, "forward_bytes") + number(row, "reverse_bytes"); }

std::string name_of(const Json& row) { return field(row, "service") + " " + field(row, "backend"); }

// Lines of at most so many columns, and at most so many lines.
std::string cut(const std::string& text, const Size& size) {
  std::string shown;
  unsigned lines = 0;
  for (size_t start = 0; start <= text.size() && lines < size.rows; ++lines) {
    const size_t end = std::min(text.find('\n', start), text.size());
    shown += (lines == 0 ? "" : "\n") + text.substr(start, std::min<size_t>(end - start, size.columns));
    start = end + 1;
  }
  return shown;
}

// Names and causes come from elsewhere and must not steer the terminal.
std::string harmless(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == kDelete) c = '?';
  return text;
}

}  // namespace

void TopScreen::take(Seen seen) {
  backends_before_ = std::move(seen_.backends);
  seconds_between_ = seen.at_s - seen_.at_s;
  seen_ = std::move(seen);
}

std::vector<TopScreen::Row> TopScreen::rows() const {
  std::map<std::string, const Json*> before;
  for (const Json& row : part(backends_before_, "backends")) before[name_of(row)] = &row;
  std::vector<Row> all;
  for (const Json& row : part(seen_.backends, "backends")) {
    if (!filter_.empty() && name_of(row).find(filter_) == std::string::npos) continue;
    Row shown{field(row, "service"),
              field(row, "backend"),
              field(row, "health"),
              field(row, "admin"),
              field(row, "weight"),
              number(row, "active"),
              0,
              0,
              harmless(row.contains("cause") ? field(row, "cause") : "")};
    if (const auto was = before.find(name_of(row)); was != before.end()) {
      shown.connections_per_s =
          growth(number(*was->second, "connections"), number(row, "connections"), seconds_between_);
      shown.bytes_per_s = growth(bytes_of(*was->second), bytes_of(row), seconds_between_);
    }
    all.push_back(std::move(shown));
  }
  const auto by = [&](auto field) { std::ranges::stable_sort(all, std::ranges::greater{}, field); };
  if (sort_ == Sort::active) by(&Row::active);
  if (sort_ == Sort::connections) by(&Row::connections_per_s);
  if (sort_ == Sort::bytes) by(&Row::bytes_per_s);
  return all;
}

std::string TopScreen::head() const {
  if (!seen_.problem.empty()) return "millrace: " + harmless(seen_.problem) + "\n\n";
  const Json& status = seen_.status;
  const Json& rates = part(status, "rates");
  std::string text =
      fmt::format("millrace {}   dataplane {}   services {}/{} up   backends {}/{} up   connections {}/{}\n",
                  field(status, "version"), field(part(status, "dataplane"), "state"),
                  field(part(status, "services"), "up"), field(part(status, "services"), "total"),
                  field(part(status, "backends"), "up"), field(part(status, "backends"), "total"),
                  field(part(status, "connections"), "used"), field(part(status, "connections"), "capacity"));
  text += fmt::format("{}packet/s in   {}bit/s in   {}bit/s out   {}conn/s   {}drop/s\n",
                      format_rate(real(rates, "rx_packets_per_s")), format_rate(real(rates, "rx_bits_per_s")),
                      format_rate(real(rates, "tx_bits_per_s")), format_rate(real(rates, "connections_per_s")),
                      format_rate(real(rates, "drops_per_s")));
  for (const Json& worker : part(status, "workers"))
    text += fmt::format("worker {} {:3.0f}%   ", field(worker, "worker"), 100 * real(worker, "busy_ratio"));
  text += "\n\n";
  Table services({{"SERVICE"}, {"STATE"}, {"UP", Align::right}, {"ACTIVE", Align::right}, {"MODE"}, {"BALANCE"}});
  for (const Json& row : part(seen_.services, "services")) {
    if (!filter_.empty() && field(row, "service").find(filter_) == std::string::npos) continue;
    services.add({field(row, "service"), field(row, "up") == "true" ? "up" : "down",
                  fmt::format("{}/{}", field(part(row, "backends"), "up"), field(part(row, "backends"), "total")),
                  field(row, "active"), field(row, "mode"), field(row, "balance")});
  }
  return text + services.text() + "\n";
}

// The marked row is always among the shown ones.
std::string TopScreen::table(const std::vector<Row>& all, size_t lines_max) const {
  Table table({{" "},
               {"SERVICE"},
               {"BACKEND"},
               {"HEALTH"},
               {"ADMIN"},
               {"WEIGHT", Align::right},
               {"ACTIVE", Align::right},
               {"CONN/S", Align::right},
               {"BYTES/S", Align::right},
               {"CAUSE"}});
  const size_t marked = std::min(selected_, all.empty() ? 0 : all.size() - 1);
  const size_t shown_max = std::max<size_t>(lines_max, 2) - 1;
  const size_t first = marked < shown_max ? 0 : marked - shown_max + 1;
  for (size_t i = first; i < std::min(all.size(), first + shown_max); ++i) {
    const Row& row = all[i];
    table.add({i == marked ? ">" : " ", row.service, row.backend, row.health, row.admin, row.weight,
               std::to_string(row.active), fmt::format("{:.0f}", row.connections_per_s),
               format_bytes(static_cast<uint64_t>(row.bytes_per_s)), row.cause});
  }
  return table.text();
}

std::string TopScreen::text(const Size& of) const {
  // A line that reaches the last column is one that terminals treat each in its own way.
  const Size size{of.rows, of.columns > 1 ? of.columns - 1 : 1};
  std::string last = message_.empty() ? kKeys : harmless(message_);
  if (filtering_) last = "filter: " + filter_ + "_   (Enter keeps it, Escape drops it)";
  if (asked_)
    last = fmt::format("{} {} of {}? y/n", asked_->admin == "drain" ? "drain" : "enable", asked_->backend,
                       asked_->service);
  if (size.rows < 2) return last.substr(0, size.columns);
  // Where services alone fill the screen, backends still get a half.
  const unsigned below = size.rows - 1;
  const std::string above = cut(head(), {std::max(1u, below / 2), size.columns});
  const auto above_lines = static_cast<unsigned>(std::ranges::count(above, '\n')) + 1;
  const unsigned left = below > above_lines ? below - above_lines : 0;
  const std::string backends = cut(table(rows(), left), {left, size.columns});
  std::string all = above + (left == 0 ? "" : "\n" + backends);
  return cut(all, {below, size.columns}) + "\n" + last.substr(0, size.columns);
}

std::optional<Order> TopScreen::confirm(char key) {
  const std::optional<Order> order = std::exchange(asked_, std::nullopt);
  if (key == 'y' || key == 'Y') return order;
  message_ = "nothing was changed";
  return std::nullopt;
}

void TopScreen::edit_filter(char key) {
  if (key == '\n' || key == '\r') {
    filtering_ = false;
  } else if (key == kEscape) {
    filtering_ = false;
    filter_.clear();
  } else if (key == kBackspace || key == kDelete) {
    if (!filter_.empty()) filter_.pop_back();
  } else if (static_cast<unsigned char>(key) > ' ') {
    filter_ += key;
  }
  selected_ = 0;
}

void TopScreen::move(int lines) {
  const size_t count = rows().size();
  if (lines < 0 && selected_ > 0) --selected_;
  if (lines > 0 && selected_ + 1 < count) ++selected_;
}

std::optional<Order> TopScreen::press(char key) {
  if (asked_) return confirm(key);
  if (filtering_) {
    edit_filter(key);
    return std::nullopt;
  }
  message_.clear();
  static const std::map<char, Sort> kSorts = {
      {'n', Sort::name}, {'a', Sort::active}, {'c', Sort::connections}, {'b', Sort::bytes}};
  if (const auto sort = kSorts.find(key); sort != kSorts.end()) sort_ = sort->second;
  if (key == 'q') ended_ = true;
  if (key == '/') filtering_ = true;
  if (key == 'j') move(1);
  if (key == 'k') move(-1);
  const std::vector<Row> all = rows();
  if ((key == 'd' || key == 'e') && selected_ < all.size())
    asked_ = Order{all[selected_].service, all[selected_].backend, key == 'd' ? "drain" : "enabled"};
  return std::nullopt;
}

}  // namespace millrace::millctl
