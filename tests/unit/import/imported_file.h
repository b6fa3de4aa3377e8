// imported_file.h: a text of another balancer, imported and loaded: what tests look at is our configuration as a value.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/import/imported.h"

namespace millrace::importing {

struct ImportedFile {
  std::string toml;
  config::Config config;
  std::vector<std::string> left_out;  // "LINE: WHAT (INSTEAD)"

  const config::ServiceConfig& service(size_t index) const { return config.services.at(index); }
  std::vector<std::string> backends(size_t index) const {
    std::vector<std::string> texts;
    for (const config::BackendConfig& backend : service(index).backends)
      texts.push_back(format_endpoint(backend.endpoint));
    return texts;
  }
  std::vector<std::string> binds(size_t index) const {
    std::vector<std::string> texts;
    for (const Endpoint& bind : service(index).binds) texts.push_back(format_endpoint(bind));
    return texts;
  }
};

inline ImportedFile import_sample(Kind kind, const std::string& text, const std::vector<std::string>& snat = {}) {
  const Imported imported = import_text({kind, "sample", text, snat});
  EXPECT_THAT(imported.refusals, testing::IsEmpty()) << imported.toml;
  ImportedFile file{imported.toml, {}, {}};
  for (const Complaint& complaint : imported.left_out)
    file.left_out.push_back(std::to_string(complaint.line) + ": " + complaint.what + " (" + complaint.instead + ")");
  config::LoadResult loaded = config::parse_config(
      imported.toml + "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"p\"\ndevice = \"af_xdp:eth1\"\n" +
          (snat.empty() ? "[snat.auto]\naddresses = \"auto\"\nports = \"61000-65535\"\n" : ""),
      "sample.toml");
  for (const config::ConfigError& error : loaded.errors) ADD_FAILURE() << config::format_error(error);
  if (loaded.config) file.config = std::move(*loaded.config);
  return file;
}

}  // namespace millrace::importing
