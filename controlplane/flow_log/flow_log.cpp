#include "controlplane/flow_log/flow_log.h"

#include <algorithm>

#include "controlplane/link/directory.h"

namespace millrace::control {

bool FlowLog::configure(const config::FlowLogConfig& config, std::string& problem) {
  const bool is_open = sink_ && config.output == config_.output;
  config_ = config;
  lines_left_ = std::min<double>(lines_left_, config.lines_a_second);
  return is_open || reopen(problem);
}

bool FlowLog::reopen(std::string& problem) {
  if (sink_) lost_before_ += sink_->close();
  sink_.reset();
  if (config_.output.empty()) return true;
  sink_ = FlowSink::open(config_.output, problem);
  return sink_ != nullptr;
}

void FlowLog::drain(const std::shared_ptr<const Segment>& segment, const ClockPair& now) {
  if (segment != segment_) join(segment);
  earn(now.monotonic_ms);
  services_.clear();
  const uint64_t written = counts_.written;
  for (size_t worker = 0; worker < rings_.size(); ++worker) {
    FlowRecord flow;
    for (unsigned taken = 0; taken < kFlowsPerTurn && rings_[worker].try_receive(flow); ++taken)
      if (sink_) log(flow, static_cast<WorkerIndex>(worker), now);
  }
  if (counts_.written != written) sink_->flush();
}

FlowCounts FlowLog::counts() const {
  FlowCounts counts = counts_;
  counts.lost = lost_before_ + (sink_ ? sink_->lost() : 0);
  return counts;
}

// Records of a dataplane that has ended meanwhile are not read any more: its segment goes with it.
void FlowLog::join(const std::shared_ptr<const Segment>& segment) {
  segment_ = segment;
  rings_.clear();
  if (!segment) return;
  const std::span<std::byte> memory = segment->ring(SectionKind::flow_rings);
  for (uint32_t worker = 0; worker < segment->worker_count(); ++worker) {
    const std::span<std::byte> own = memory.subspan(worker * kFlowRingBytes, kFlowRingBytes);
    const std::optional<FlowRing> ring = FlowRing::join(own.data(), own.size(), kFlowRingSlots);
    if (!ring) return rings_.clear();
    rings_.push_back(*ring);
  }
}

void FlowLog::log(const FlowRecord& flow, WorkerIndex worker, const ClockPair& now) {
  if (!is_valid_flow(flow)) {
    ++counts_.malformed;
  } else if (lines_left_ < 1) {
    ++counts_.over_rate;
  } else {
    lines_left_ -= 1;
    ++counts_.written;
    sink_->write(flow_line(flow, name_of(flow.service), worker, now));
  }
}

const std::string& FlowLog::name_of(ServiceSlot slot) {
  const auto [found, is_new] = services_.try_emplace(raw(slot));
  if (!is_new) return found->second;
  if (std::optional<ServiceRow> row = read_service(*segment_, slot)) found->second = std::move(row->name);
  return found->second;
}

void FlowLog::earn(uint64_t now_ms) {
  const double rate = config_.lines_a_second;
  lines_left_ = std::min(rate, lines_left_ + rate * static_cast<double>(now_ms - earned_ms_) / 1000);
  earned_ms_ = now_ms;
}

}  // namespace millrace::control
