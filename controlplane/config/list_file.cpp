#include "controlplane/config/list_file.h"

#include <algorithm>

#include "controlplane/config/text_file.h"

namespace millrace::config {

namespace {

// Without what follows a #, and without blanks around it.
std::string_view strip(std::string_view line) {
  line = line.substr(0, line.find('#'));
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

void read_list_file(const Text& path, ErrorList& errors, std::string_view item,
                    const std::function<std::optional<LineProblem>(std::string_view)>& take) {
  const TextFile file = read_regular_file(path.text);
  if (!file.text)
    return errors.add(path.origin, quote(path.text) + " " + file.problem,
                      "name a file with one " + std::string(item) + " a line, which both processes may read");
  unsigned wrong = 0;
  uint32_t number = 0;
  for (std::string_view rest = *file.text; !rest.empty() && wrong < kFileErrorsMax;) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = strip(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.empty()) continue;
    if (std::optional<LineProblem> refused = take(line)) {
      ++wrong;
      errors.add(path.origin, "line " + std::to_string(number) + " of " + quote(path.text) + ": " + refused->problem,
                 std::move(refused->remedy));
    }
  }
}

}  // namespace millrace::config
