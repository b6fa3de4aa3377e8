// gobetween_variants_test.cpp: a file with every section that gobetween's sample has, and each of its optional parts switched
// on in turn: accepted with its meaning, or refused with the sentence that the docs promise.
#include <gtest/gtest.h>

#include "controlplane/config/config.h"

namespace millrace::config {
namespace {

struct Variant {
  const char* name;
  const char* at;  // the table that gets `keys`; empty: new tables at the end of the file
  const char* keys;
  const char* refused = nullptr;  // part of the sentence; nullptr: accepted
};

// The sample's values with addresses for its localhost. A key of `keys` takes the place of the sample's.
struct Table {
  const char* name;
  const char* keys;
};
constexpr Table kSample[] = {
    {"dataplane", "workers = \"0\"\nport = [{name = \"front\", device = \"null\"}]\n"},
    {"snat.lan", "addresses = [\"10.99.0.1\"]\n"},
    {"logging", "level = \"info\"\noutput = \"stdout\"\nformat = \"text\"\n"},
    {"profiler", "enabled = false\nbind = \":6060\"\n"},
    {"api", "enabled = true\nbind = \":8888\"\ncors = false\n"},
    {"metrics", "enabled = false\nbind = \":9284\"\n"},
    {"defaults",
     "max_connections = 0\nclient_idle_timeout = \"0\"\nbackend_idle_timeout = \"0\"\n"
     "backend_connection_timeout = \"0\"\n"},
    {"servers", ""},
    {"servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\n"},
    {"servers.sample.discovery",
     "kind = \"static\"\nstatic_list = [\"10.0.0.1:8000 weight=40 priority=1\","
     " \"10.0.0.1:8001 weight=60 priority=1\","
     " \"10.0.0.1:8002 weight=100 priority=0 max_connections=10\"]\n"},
    {"servers.udpsample", "bind = \"203.0.113.10:4000\"\nprotocol = \"udp\"\n"},
    {"servers.udpsample.udp", "max_responses = 1\n"},
    {"servers.udpsample.discovery", "kind = \"static\"\nstatic_list = [\"8.8.8.8:53\", \"8.8.4.4:53\"]\n"},
};

constexpr char kNeedsProxy[] = "mode = \"proxy\"";

constexpr Variant kVariants[] = {
    {"as_it_is", "", ""},
    {"log_levels", "logging", "level = \"debug\"\noutput = \"/var/log/m.log\"\nformat = \"json\"\n"},
    {"log_without_format", "logging", "level = \"error\"\noutput = \"stderr\"\n"},
    {"profiler_on", "profiler", "enabled = true\nbind = \":6060\"\n", "profiler does not exist here"},
    {"api_off", "api", "enabled = false\nbind = \":8888\"\n"},
    {"api_basic_auth", "", "[api.basic_auth]\nlogin = \"admin\"\npassword = \"1111\"\n"},
    {"api_tls", "", "[api.tls]\ncert_path = \"/path/to/cert.pem\"\nkey_path = \"/path/to/key.pem\"\n",
     "could change servers"},
    {"api_tls_and_auth", "",
     "[api.tls]\ncert_path = \"/path/to/cert.pem\"\nkey_path = \"/path/to/key.pem\"\n"
     "[api.basic_auth]\nlogin = \"admin\"\npassword = \"1111\"\n"},
    {"api_cors", "api", "enabled = true\nbind = \":8888\"\ncors = true\n", "any page that a browser"},
    {"metrics_on", "metrics", "enabled = true\nbind = \":9284\"\n"},
    {"defaults_set", "defaults",
     "max_connections = 1000\nclient_idle_timeout = \"10m\"\nbackend_idle_timeout = \"10m\"\n"
     "backend_connection_timeout = \"5s\"\n"},
    {"acme", "", "[acme]\nchallenge = \"http\"\nhttp_bind = \"0.0.0.0:80\"\ncache_dir = \"/tmp\"\n", "acme"},
    {"localhost_bind", "servers.sample", "protocol = \"tcp\"\nbind = \"localhost:3000\"\n", "loopback"},
    {"loopback_bind", "servers.sample", "protocol = \"tcp\"\nbind = \"127.0.0.1:3000\"\n", "loopback"},
    {"loopback_backend", "servers.sample.discovery", "kind = \"static\"\nstatic_list = [\"127.0.0.1:8000\"]\n",
     "loopback"},
    {"balance_weight", "servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"weight\"\n"},
    {"balance_leastconn", "servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"leastconn\"\n"},
    {"balance_roundrobin", "servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"roundrobin\"\n"},
    {"balance_iphash", "servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"iphash\"\n"},
    {"balance_iphash1", "servers.sample", "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"iphash1\"\n"},
    {"balance_leastbandwidth", "servers.sample",
     "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nbalance = \"leastbandwidth\"\n"},
    {"limits_of_a_server", "servers.sample",
     "protocol = \"tcp\"\nbind = \"0.0.0.0:3000\"\nmax_connections = 0\nclient_idle_timeout = \"10m\"\n"
     "backend_idle_timeout = \"10m\"\nbackend_connection_timeout = \"5s\"\n"},
    {"protocol_tls", "servers.sample", "protocol = \"tls\"\nbind = \"0.0.0.0:3000\"\n", "the backends end it"},
    {"tls", "", "[servers.sample.tls]\ncert_path = \"/c\"\nkey_path = \"/k\"\nmin_version = \"tls1\"\n",
     "docs/tls.md shows how backends end TLS"},
    {"backends_tls", "", "[servers.sample.backends_tls]\nignore_verify = false\nmin_version = \"tls1\"\n",
     "speak TLS with each other"},
    {"sni", "",
     "[servers.sample.sni]\nread_timeout = \"2s\"\nhostname_matching_strategy = \"exact\"\n"
     "unexpected_hostname_strategy = \"default\"\n",
     kNeedsProxy},
    {"udp_transparent", "servers.udpsample.udp", "max_requests = 0\nmax_responses = 0\ntransparent = true\n"},
    {"udp_max_requests", "servers.udpsample.udp", "max_requests = 5\nmax_responses = 3\n"},
    {"access", "",
     "[servers.sample.access]\ndefault = \"allow\"\nrules = [\"deny 127.0.0.1\", \"deny 192.168.0.1\","
     " \"allow 192.168.0.1/24\"]\n"},
    {"proxy_protocol", "", "[servers.sample.proxy_protocol]\nversion = \"1\"\n", kNeedsProxy},
    {"check_none", "", "[servers.sample.healthcheck]\nkind = \"none\"\ninterval = \"0\"\n"},
    {"check_ping", "",
     "[servers.sample.healthcheck]\nkind = \"ping\"\ninterval = \"2s\"\ntimeout = \"0s\"\nfails = 5\n"
     "passes = 2\ninitial_status = \"healthy\"\n"},
    {"check_ping_of_udp", "", "[servers.udpsample.healthcheck]\nkind = \"ping\"\ninterval = \"2s\"\n", "udp"},
    {"check_unhealthy_at_first", "",
     "[servers.sample.healthcheck]\nkind = \"ping\"\ninterval = \"2s\"\ninitial_status = \"unhealthy\"\n"},
    {"check_probe_udp", "",
     "[servers.udpsample.healthcheck]\nkind = \"probe\"\ninterval = \"2s\"\ntimeout = \"1s\"\nprobe_protocol = "
     "\"udp\"\n"
     "probe_strategy = \"starts_with\"\nprobe_send = 'PING\\xFF\\n'\nprobe_recv = 'PONG\\xAA\\n'\nprobe_recv_len = "
     "0\n"},
    {"check_probe_tcp", "",
     "[servers.sample.healthcheck]\nkind = \"probe\"\ninterval = \"2s\"\ntimeout = \"1s\"\nprobe_protocol = \"tcp\"\n"
     "probe_send = 'PING\\n'\nprobe_recv = 'PONG'\n"},
    {"check_probe_tls", "",
     "[servers.sample.healthcheck]\nkind = \"probe\"\ninterval = \"2s\"\ntimeout = \"1s\"\nprobe_protocol = \"tls\"\n"
     "probe_send = 'PING\\n'\nprobe_recv = 'PONG'\n"},
    {"check_probe_regexp", "",
     "[servers.sample.healthcheck]\nkind = \"probe\"\ninterval = \"2s\"\ntimeout = \"1s\"\nprobe_protocol = \"tcp\"\n"
     "probe_strategy = \"regexp\"\nprobe_send = 'PING\\n'\nprobe_recv = '^PON[A-Z]'\nprobe_recv_len = 4\n"},
    {"check_exec", "",
     "[servers.sample.healthcheck]\nkind = \"exec\"\ninterval = \"2s\"\ntimeout = \"1s\"\n"
     "exec_command = \"/path/to/healthcheck.sh\"\nexec_expected_positive_output = \"1\"\n"
     "exec_expected_negative_output = \"0\"\n"},
    {"static_with_policy", "servers.sample.discovery",
     "kind = \"static\"\nfailpolicy = \"keeplast\"\ninterval = \"0s\"\ntimeout = \"5s\"\nstatic_list = "
     "[\"10.0.0.1:8000\"]\n"},
    {"static_sni_without_table", "servers.sample.discovery",
     "kind = \"static\"\nstatic_list = [\"10.0.0.1:8001 sni=www.foo.com\"]\n", "sni"},
    {"srv", "servers.sample.discovery",
     "kind = \"srv\"\ninterval = \"10s\"\nsrv_lookup_server = \"192.0.2.53:53\"\nsrv_lookup_pattern = "
     "\"some.service.\"\n"
     "srv_dns_protocol = \"udp\"\n"},
    {"docker", "servers.sample.discovery",
     "kind = \"docker\"\ninterval = \"10s\"\ndocker_endpoint = \"http://192.0.2.1:2375\"\n"
     "docker_container_private_port = 80\ndocker_container_label = \"proxied=true\"\n"},
    {"json", "servers.sample.discovery",
     "kind = \"json\"\ninterval = \"10s\"\njson_endpoint = \"http://some.url.com\"\njson_host_pattern = \"host\"\n"
     "json_port_pattern = \"port\"\njson_weight_pattern = \"weight\"\njson_priority_pattern = \"priority\"\n"
     "json_sni_pattern = \"sni\"\njson_max_connections_pattern = \"0\"\n"},
    {"json_by_itself", "servers.sample.discovery",
     "kind = \"json\"\ninterval = \"10s\"\njson_endpoint = \"http://some.url.com\"\n"},
    {"exec", "servers.sample.discovery",
     "kind = \"exec\"\ninterval = \"10s\"\nexec_command = [\"/path/to/script\", \"arg1\", \"arg2\"]\n"},
    {"plaintext", "servers.sample.discovery",
     "kind = \"plaintext\"\ninterval = \"10s\"\nplaintext_endpoint = \"http://some.url.com\"\nplaintext_regex_pattern "
     "= \"\"\n"},
    {"plaintext_setempty", "servers.sample.discovery",
     "kind = \"plaintext\"\nfailpolicy = \"setempty\"\ninterval = \"10s\"\ntimeout = \"5s\"\n"
     "plaintext_endpoint = \"http://some.url.com\"\n"},
    {"consul", "servers.sample.discovery",
     "kind = \"consul\"\ninterval = \"10s\"\nconsul_host = \"192.0.2.1:8500\"\nconsul_service_name = \"myservice\"\n"
     "consul_service_tag = \"\"\nconsul_service_passing_only = true\nconsul_service_datacenter = \"\"\n"
     "consul_auth_username = \"\"\nconsul_auth_password = \"\"\nconsul_acl_token = \"\"\n"},
    {"consul_tls", "servers.sample.discovery",
     "kind = \"consul\"\ninterval = \"10s\"\nconsul_host = \"192.0.2.1:8500\"\nconsul_service_name = \"myservice\"\n"
     "consul_tls_enabled = true\nconsul_tls_cert_path = \"/c\"\nconsul_tls_key_path = \"/k\"\nconsul_tls_cacert_path = "
     "\"/a\"\n"},
    {"lxd", "servers.sample.discovery",
     "kind = \"lxd\"\ninterval = \"10s\"\nlxd_server_address = \"unix:///var/lib/lxd/unix.socket\"\nlxd_container_port "
     "= 80\n"},
};

std::string file_of(const Variant& variant) {
  std::string text;
  for (const Table& table : kSample) {
    const bool replaced = std::string(table.name) == variant.at;
    text += "[" + std::string(table.name) + "]\n" + (replaced ? variant.keys : table.keys);
  }
  return text + (*variant.at == '\0' ? variant.keys : "");
}

class GobetweenVariant : public testing::TestWithParam<Variant> {};

TEST_P(GobetweenVariant, is_accepted_or_refused_as_documented) {
  const Variant& variant = GetParam();
  const LoadResult result = parse_config(file_of(variant), "gobetween.toml");
  std::string errors;
  for (const ConfigError& error : result.errors) errors += format_error(error) + "\n";
  if (variant.refused == nullptr) {
    EXPECT_TRUE(result.config) << errors;
  } else {
    EXPECT_FALSE(result.config);
    EXPECT_NE(errors.find(variant.refused), std::string::npos) << errors;
  }
}

INSTANTIATE_TEST_SUITE_P(Sample, GobetweenVariant, testing::ValuesIn(kVariants),
                         [](const auto& variant) { return std::string(variant.param.name); });

}  // namespace
}  // namespace millrace::config
