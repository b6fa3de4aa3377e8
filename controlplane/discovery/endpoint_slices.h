// endpoint_slices.h: what the API of Kubernetes says about EndpointSlices (discovery.k8s.io/v1): a page of a list, a line of
// a watch.
// Thread: any; pure.
// Bound:  JSON kJsonDepthMax deep, kEntryMax endpoints a slice; the text is bounded by whoever read it.
// Fails:  `problem` says what was wrong; never throws.
// Tests:  tests/unit/control/kubernetes_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/values.h"

namespace millrace::control {

// The backends of one slice: endpoints that are ready, by the first of their addresses.
struct EndpointSlice {
  std::string name;
  std::vector<config::Parsed<config::BackendConfig>> entries;
};

struct SlicePage {
  std::vector<EndpointSlice> slices;
  std::string resource_version;
  std::string next_page;  // to be asked for with this; empty: there is none
  std::string problem;
};

struct SliceEvent {
  enum class Kind {
    stored,  // added or modified
    deleted,
    bookmark,  // nothing has happened up to now
    gone,      // the watch is too old: list again
  };
  Kind kind = Kind::gone;
  EndpointSlice slice;
  std::string problem;  // not empty: it says nothing
};

// `port`: a name or a number; empty: the slice has one.
SlicePage parse_slice_page(std::string_view body, const std::string& port);
SliceEvent parse_slice_event(std::string_view line, const std::string& port);

}  // namespace millrace::control
