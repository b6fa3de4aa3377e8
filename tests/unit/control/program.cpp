#include "tests/unit/control/program.h"

namespace millrace::control {

Said millctl(const TempDir& dir, const std::vector<std::string>& arguments) {
  Process process(dir, MILLCTL_PATH, arguments);
  Said said;
  said.exit = process.wait();
  said.out = process.out();
  said.err = process.err();
  return said;
}

}  // namespace millrace::control
