// admission_test.cpp: each rule of a static_list, for backends that were found.
#include "controlplane/discovery/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/limits.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using config::BackendConfig;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Admitted {
  config::Config config = sample_config();
  config::ServiceConfig& web = config.services[0];
  std::set<std::string> refused;

  Admitted() { web.discovery.source = config::ExecDiscovery{{"true"}}; }
  std::vector<BackendConfig> admit(const std::vector<BackendConfig>& found) {
    return Admission(config).admit(web, found, refused);
  }
};

BackendConfig backend(const std::string& at) { return {.endpoint = endpoint(at)}; }

TEST(Admission_admit, keeps_what_is_right) {
  Admitted it;
  const BackendConfig one{.endpoint = endpoint("10.0.0.1:80"), .weight = 3, .priority = 1, .connections_max = 7};
  EXPECT_THAT(it.admit({one}), ElementsAre(one));
  EXPECT_THAT(it.refused, IsEmpty());
}

TEST(Admission_admit, bind_of_a_service) {
  Admitted it;
  EXPECT_THAT(it.admit({backend("203.0.113.10:80"), backend("203.0.113.10:53")}),
              ElementsAre(backend("203.0.113.10:53")))
      << "dns has that port of UDP";
  EXPECT_THAT(it.refused, ElementsAre("203.0.113.10:80 is a bind of a service: packets would go in circles"));
}

TEST(Admission_admit, snat_range) {
  Admitted it;
  EXPECT_THAT(it.admit({backend("10.9.0.4:80"), backend("10.9.0.4:1024")}), ElementsAre(backend("10.9.0.4:80")));
  EXPECT_THAT(it.refused, ElementsAre("10.9.0.4:1024 lies inside the SNAT pool lan"));
}

TEST(Admission_admit, family_without_source_addresses) {
  Admitted it;
  EXPECT_THAT(it.admit({backend("[fd00::1]:80")}), IsEmpty());
  EXPECT_THAT(it.refused, ElementsAre("[fd00::1]:80 needs an IPv6 address, and the SNAT pool lan has none"));
  it.web.mode = Mode::nat;
  EXPECT_EQ(it.admit({backend("[fd00::1]:80")}).size(), 1u) << "which takes no source";
}

TEST(Admission_admit, direct_modes_keep_ports_and_count_nothing) {
  Admitted it;
  it.web.mode = Mode::dsr;
  BackendConfig limited = backend("10.0.0.3:80");
  limited.connections_max = 5;
  EXPECT_THAT(it.admit({backend("10.0.0.1:80"), backend("10.0.0.2:81"), limited}), ElementsAre(backend("10.0.0.1:80")));
  EXPECT_THAT(it.refused,
              ElementsAre(HasSubstr("10.0.0.2:81 has another port"), HasSubstr("10.0.0.3:80 has max_conn")));
}

TEST(Admission_admit, proxy_protocol_is_the_services_own) {
  Admitted it;
  BackendConfig with_header = backend("10.0.0.2:80");
  with_header.proxy_protocol = ProxyProtocol::v2;
  EXPECT_THAT(it.admit({with_header}), IsEmpty());
  EXPECT_THAT(it.refused, ElementsAre(HasSubstr("are not proxied")));
  it.web.mode = Mode::proxy;
  it.web.proxy_protocol = ProxyProtocol::v1;
  const std::vector<BackendConfig> admitted = it.admit({backend("10.0.0.1:80"), with_header});
  ASSERT_EQ(admitted.size(), 2u);
  EXPECT_EQ(admitted[0].proxy_protocol, ProxyProtocol::v1);
  EXPECT_EQ(admitted[1].proxy_protocol, ProxyProtocol::v2);
}

BackendConfig named(const std::string& at, const std::string& host) { return {.endpoint = endpoint(at), .host = host}; }

TEST(Admission_admit, server_names) {
  Admitted it;
  EXPECT_EQ(it.admit({named("10.0.0.1:80", "a b")})[0].host, "") << "nobody asks for it";
  it.web.host_matching = HostMatching::exact;
  const std::vector<BackendConfig> admitted =
      it.admit({named("10.0.0.1:80", "WWW.example.com"), named("10.0.0.2:80", "a b"), backend("10.0.0.3:80")});
  ASSERT_EQ(admitted.size(), 2u);
  EXPECT_EQ(admitted[0].host, "www.example.com");
  EXPECT_THAT(it.refused, ElementsAre(HasSubstr("10.0.0.2:80 has the server name \"a b\": a name has letters")));
}

TEST(Admission_admit, server_names_are_bounded) {
  Admitted it;
  it.web.host_matching = HostMatching::regexp;
  std::vector<BackendConfig> found;
  for (unsigned i = 0; i < kHostPatternMax + 2; ++i)
    found.push_back(
        named("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":80", "^h" + std::to_string(i)));
  EXPECT_EQ(it.admit(found).size(), kHostPatternMax);
  EXPECT_EQ(it.refused.size(), 2u);
}

TEST(Admission_admit, backends_of_a_service_are_bounded) {
  Admitted it;
  std::vector<BackendConfig> found;
  for (unsigned i = 0; i < kBackendPerServiceMax + 3; ++i)
    found.push_back(backend("10.1.0.1:" + std::to_string(1000 + i)));
  EXPECT_EQ(it.admit(found).size(), kBackendPerServiceMax);
  EXPECT_THAT(it.refused, ElementsAre(HasSubstr("3 of them are over the limits")));
}

TEST(Admission_admit, backends_of_all_services_are_bounded) {
  Admitted it;
  config::ServiceConfig& fixed = it.config.services[1];
  fixed.backends.assign(kBackendMax - 1, backend("10.0.0.3:53"));
  EXPECT_THAT(it.admit({backend("10.0.0.1:80"), backend("10.0.0.2:80")}), ElementsAre(backend("10.0.0.1:80")));
  EXPECT_THAT(it.refused, ElementsAre(HasSubstr("1 of them are over the limits")));
}

}  // namespace
}  // namespace millrace::control
