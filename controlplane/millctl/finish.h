// finish.h: how an answer ends: printed, as JSON or for people, or complained about, with its exit code.
#pragma once

#include <string>

#include "controlplane/millctl/client.h"
#include "controlplane/millctl/commands.h"

namespace millrace::millctl {

void print(const std::string& text);     // on stdout
void complain(const std::string& text);  // on stderr
std::string to_text(const Json& body);

Exit finish(const Options& options, const Answer& answer, std::string (*show)(const Json&));

}  // namespace millrace::millctl
