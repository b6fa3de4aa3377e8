#include "controlplane/api/views.h"
#include "millrace/stage.h"

namespace millrace::control {
namespace {

// Null where no packet was timed.
Json per_packet(uint64_t cycles, uint64_t packets, double ns_per_cycle) {
  if (packets == 0) return nullptr;
  return static_cast<double>(cycles) / static_cast<double>(packets) * ns_per_cycle;
}

Json worker_row(size_t worker, const StagesLive& stages, uint64_t tsc_hz) {
  const double cycle_ns = 1e9 / static_cast<double>(tsc_hz);
  uint64_t cycles = 0;
  for (const StageLive& stage : stages) cycles += stage.cycles;
  // Every packet of a timed turn was polled; what only passes through to or from the kernel skips some stages.
  const uint64_t packets = stages[static_cast<size_t>(Stage::poll)].packets;
  Json rows = Json::array();
  for (uint32_t i = 0; i < kStageCount; ++i) {
    const double share = cycles == 0 ? 0 : static_cast<double>(stages[i].cycles) / static_cast<double>(cycles);
    rows.push_back({{"stage", kStageNames[i]},
                    {"sentence", kStageSentences[i]},
                    {"cycles", stages[i].cycles},
                    {"packets", stages[i].packets},
                    {"cycles_per_packet", per_packet(stages[i].cycles, stages[i].packets, 1)},
                    {"ns_per_packet", per_packet(stages[i].cycles, stages[i].packets, cycle_ns)},
                    {"share", share}});
  }
  return {{"worker", worker},
          {"cycles", cycles},
          {"packets", packets},
          {"cycles_per_packet", per_packet(cycles, packets, 1)},
          {"ns_per_packet", per_packet(cycles, packets, cycle_ns)},
          {"stages", std::move(rows)}};
}

}  // namespace

Json stages_view(const std::vector<StagesLive>& workers, uint64_t tsc_hz, std::optional<uint32_t> worker) {
  Json rows = Json::array();
  for (size_t index = 0; index < workers.size(); ++index)
    if (!worker || *worker == index) rows.push_back(worker_row(index, workers[index], tsc_hz));
  return {{"connected", true}, {"tsc_hz", tsc_hz}, {"workers", std::move(rows)}};
}

}  // namespace millrace::control
