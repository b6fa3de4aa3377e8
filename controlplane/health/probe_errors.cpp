#include "controlplane/health/probe_errors.h"

#include <fmt/format.h>

namespace millrace::control {
namespace {

bool is_local(const boost::system::error_code& error) {
  namespace errc = boost::system::errc;
  return error == errc::too_many_files_open || error == errc::too_many_files_open_in_system ||
         error == errc::no_buffer_space || error == errc::not_enough_memory || error == errc::address_not_available ||
         error == errc::address_family_not_supported || error == errc::resource_unavailable_try_again;
}

}  // namespace

ProbeResult failed_by(const boost::system::error_code& error) {
  return {is_local(error) ? ProbeOutcome::not_run : ProbeOutcome::failed, error.message()};
}

ProbeResult timed_out(std::chrono::milliseconds timeout) {
  return {ProbeOutcome::failed, fmt::format("no answer within {} ms", timeout.count())};
}

}  // namespace millrace::control
