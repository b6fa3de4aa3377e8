// import_fuzz.cpp: files of other balancers of arbitrary bytes: what is made of them loads, and what is said of them can be
// shown. The first byte chooses the format and whether there are source addresses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/import/imported.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace::importing;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr Kind kKinds[] = {Kind::keepalived, Kind::ipvsadm, Kind::haproxy};
  Source source{kKinds[data[0] % 3], "fuzz", text, {}};
  if (data[0] >= 'a') source.snat = {"10.0.0.200-10.0.0.203"};
  guess_kind(text);
  const Imported imported = import_text(source);
  if (!imported.refusals.empty()) std::abort();
  uint32_t line = 0;
  for (const Complaint& complaint : imported.left_out) {
    if (complaint.what.empty() || complaint.instead.empty() || (complaint.line < line && complaint.line != 0))
      std::abort();
    line = complaint.line;
    for (const unsigned char c : complaint.what + complaint.instead)
      if (c < 0x20 || c >= 0x7f) std::abort();
  }
  return 0;
}
