// layout_list.h: writes down the layout of everything that crosses the shared segment, one line a fact.
#pragma once

#include <string>

namespace millrace {

// Sizes, offsets, gaps, enum values and limits, as the compiler sees them now.
std::string layout_list();

}  // namespace millrace
