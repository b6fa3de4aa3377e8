#include "dataplane/pick/host_table.h"
namespace millrace {
const PickTable* HostTable::find(std::string_view, Family) const { return nullptr; }
}  // namespace millrace
