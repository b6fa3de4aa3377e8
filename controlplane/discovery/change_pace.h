// change_pace.h: how often sources that are told of changes are asked, whatever their registries do.
#pragma once

#include <chrono>

namespace millrace::control {

// From one question to the next, where something has changed.
inline constexpr std::chrono::milliseconds kAskEvery{100};
// The same, where a watch or a connection broke off.
inline constexpr std::chrono::milliseconds kAskAgainAfterLoss{500};

}  // namespace millrace::control
