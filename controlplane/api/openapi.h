// openapi.h: the API described by itself, as OpenAPI 3.0: paths and parameters from the route table, bodies and answers
// from api_shapes.cpp.
// Thread: the event loop.      Tests: tests/unit/control/openapi_test.cpp
#pragma once

#include "controlplane/api/route_table.h"
#include "controlplane/api/views.h"

namespace millrace::control {

Json openapi_document(const RouteTable& routes);

// What an operation takes and answers: names of shapes. Empty: nothing that has one.
struct OperationShape {
  std::string_view method;
  std::string_view path;
  std::string_view answer;
  std::string_view body{};
  const char* example{};    // of a body that the sample of the tests takes
  std::string_view type{};  // of an answer that is no JSON
  unsigned status = 200;
};
// Null: the operation is not described.
const OperationShape* find_shape(std::string_view method, std::string_view path);

// Each shape by its name. "field": "string" | "integer" | "number" | "boolean" | "any" | "a|b|c" for one of these words |
// "Name" for another shape | ["x"] for a list of x | {"*": x} for a map to x | {…} for an object. A "?" after a field's
// name: it may be missing; "x?" for a value: it may be null.
Json api_shapes();

// The JSON schema of what stands in api_shapes().
Json to_schema(const Json& shape);

ApiReply get_openapi(Daemon& daemon, const Call& call);

}  // namespace millrace::control
