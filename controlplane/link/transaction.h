// transaction.h: a desired state as the messages that carry it.
// Thread: any; pure.      Tests: tests/unit/control/state_test.cpp
#pragma once

#include <string>
#include <vector>

#include "controlplane/state/desired_state.h"
#include "millrace/messages.h"

namespace millrace::control {

// begin … commit, without sequence numbers. 256 bytes a message.
std::vector<Command> make_transaction(const DesiredState& state, Generation generation);
std::vector<Command> make_set_backends(const std::vector<SetBackendCommand>& changes, Generation generation);

// What a message is about, in words, for a rejection: "backend 10.0.0.1:80 of service web".
std::string describe_command(const Command& command, const DesiredState& state);

std::string reject_sentence(RejectReason reason);
std::string reject_name(RejectReason reason);

}  // namespace millrace::control
