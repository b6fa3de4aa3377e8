// show.h: the API's answers as text for people.
// Fails:  never on a field that is missing: an older or newer millraced shows less.
// Tests:  tests/unit/control/millctl_test.cpp
#pragma once

#include <string>

#include "controlplane/millctl/client.h"

namespace millrace::millctl {

std::string show_status(const Json& body);
std::string show_services(const Json& body);
std::string show_backends(const Json& body);
std::string show_backend(const Json& body);
std::string show_connections(const Json& body);
std::string show_connections_verbose(const Json& body);  // with both halves of proxied ones
std::string show_drops(const Json& body);
std::string show_counters(const Json& body);
std::string show_stages(const Json& body);
std::string show_snat(const Json& body);
std::string show_steering(const Json& body);
std::string show_change(const Json& body);  // null: gobetween's way to say that it is done
std::string show_changes(const Json& body);
std::string show_settings(const Json& body);
std::string show_reload(const Json& body);
std::string show_plan(const Json& body);
std::string show_applied(const Json& body);  // by apply or rollback
std::string show_confirmed(const Json& body);
std::string show_history(const Json& body);
std::string show_history_entry(const Json& body);

std::string as_text(const Json& value);
// A field as text, "-" where it is missing.
std::string field(const Json& object, const char* key);
// A field that is an object or a list; an empty object where it is missing.
const Json& part(const Json& object, const char* key);
uint64_t number(const Json& object, const char* key);
double real(const Json& object, const char* key);

}  // namespace millrace::millctl
