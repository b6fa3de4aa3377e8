// newcomers.h: packets of clients that have no connection, from the port to the port: each costs the worker a decision.
#pragma once

#include <functional>

#include "perf/micro/bed.h"
#include "perf/micro/measure.h"

namespace millrace::perf {

inline constexpr uint32_t kNewcomers = 262'144;
inline constexpr uint32_t kNewcomersSmoke = 2048;
inline constexpr uint32_t kNewcomersPerSlice = 1024;  // room of the smallest table

// Plays a deck that opens nothing on and on, in turns with swapping the MACs of `compared`; `check` is told how many
// packets the worker took.
Report play_flood(Bed& bed, const FrameDeck& deck, const FrameDeck& compared,
                  const std::function<void(uint64_t)>& check);

// Plays a deck whose packets open one connection each, of the plan's connections from `options.flows` on. A slice opens
// some and closes them outside of the timing; exits unless all of them were opened. `before_slice`, outside of the
// timing as well, is told whether the deck begins anew.
Report play_openings(Bed& bed, const BedOptions& options, const FrameDeck& deck,
                     const std::function<void(bool)>& before_slice = nullptr);

}  // namespace millrace::perf
