#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {

std::string show_settings(const Json& body) {
  Table table({{"NAME"}, {"VALUE"}, {"RANGE"}, {"FROM"}, {"ABOUT"}});
  for (const Json& setting : part(body, "settings")) {
    const bool is_tuned = field(setting, "tuned") == "true";
    table.add({field(setting, "name"), field(setting, "value"), field(setting, "range"),
               is_tuned                   ? "tuned"
               : setting.contains("file") ? "file"
                                          : "default",
               field(setting, "about")});
  }
  return table.text();
}

}  // namespace millrace::millctl
