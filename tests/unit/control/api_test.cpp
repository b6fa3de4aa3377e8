// api_test.cpp: the API over its real socket, malformed requests included, and the daemon behind it: overrides and
// reloads as the dataplane sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <nlohmann/json.hpp>

#include "controlplane/api/http_server.h"
#include "controlplane/api/target.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

TEST(parse_target, decodes) {
  const std::optional<Target> target = parse_target("/v1/services/a%20b/backends/%5Bfd00::1%5D:80?x=1&y=%26");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (std::vector<std::string>{"v1", "services", "a b", "backends", "[fd00::1]:80"}));
  EXPECT_EQ(target->query.at("y"), "&");
  EXPECT_EQ(parse_target("/v1/status?")->query.size(), 0u);
}

TEST(parse_target, refuses) {
  for (const char* text : {"", "v1", "*", "/%", "/%4", "/%zz", "/%00", "/a?x=1&x=2", "/a?%g=1"})
    EXPECT_FALSE(parse_target(text)) << text;
}

TEST_F(Api, status_without_a_dataplane) {
  const Reply reply = get("/v1/status");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.head, HasSubstr("application/json"));
  EXPECT_EQ(reply.body["dataplane"]["connected"], false);
  EXPECT_EQ(reply.body["services"]["total"], 2);
  EXPECT_FALSE(reply.body.contains("connections"));
  EXPECT_EQ(get("/v1/connections").body["connected"], false);
  EXPECT_EQ(get("/v1/counters").body["connected"], false);
}

TEST_F(Api, status_with_a_dataplane) {
  running.start_dataplane();
  running.with([&] {
    auto& worker = running.fake->section<WorkerCounters>(SectionKind::worker_counters)[1];
    worker.connections_opened.set(10);
    worker.connections_closed.set(3);
    worker.dropped[0].set(4);
    worker.dropped[static_cast<size_t>(DropReason::blocked)].set(2);
    running.fake->header().blocked_in_xdp.store(30);
  });
  const Reply reply = get("/v1/status");
  EXPECT_EQ(reply.body["dataplane"]["state"], "running");
  EXPECT_EQ(reply.body["dataplane"]["pid"], getpid());
  EXPECT_EQ(reply.body["config"]["state"], "applied");
  EXPECT_EQ(reply.body["config"]["generation_applied"], 1);
  EXPECT_EQ(reply.body["connections"]["used"], 7);
  EXPECT_EQ(reply.body["connections"]["capacity"], 2048);
  EXPECT_EQ(reply.body["drops_total"], 36);
  EXPECT_EQ(reply.body["blocklist"], Json({{"prefixes", 0}, {"packets", 32}, {"packets_in_xdp", 30}}));
  const Json counters = get("/v1/counters").body;
  EXPECT_EQ(counters["blocked_in_xdp"], 30);
  EXPECT_EQ(counters["drops"][static_cast<size_t>(DropReason::blocked)]["packets"], 32);
  EXPECT_TRUE(running.until([&] { return running.daemon->rates().rates().size() == 2; }));
  EXPECT_EQ(get("/v1/status").body["workers"].size(), 2u);
}

TEST_F(Api, views_carry_live_numbers) {
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(5, "web");
    running.fake->set_backend(9, 5, endpoint("10.0.0.1:80"));
    running.fake->set_backend(10, 5, endpoint("10.0.0.77:80"), 2);
    running.fake->backend_counters(0, 9).connections.set(12);
    running.fake->backend_counters(1, 10).active.set(1);
    for (int i = 0; i < 99; ++i) running.fake->backend_handshakes(i % 2, 9).add(100);
    running.fake->backend_handshakes(0, 9).add(1'000'000);
  });
  const Json backends = get("/v1/backends?service=web").body["backends"];
  ASSERT_EQ(backends.size(), 3u);
  EXPECT_EQ(backends[0]["backend"], "10.0.0.1:80");
  EXPECT_EQ(backends[0]["connections"], 12);
  EXPECT_EQ(backends[0]["weight"], 5);
  EXPECT_FALSE(backends[1].contains("connections"));
  EXPECT_NEAR(backends[0]["connect_p50_us"], 100, 20);
  EXPECT_NEAR(backends[0]["connect_p99_us"], 100, 20);
  EXPECT_FALSE(backends[2].contains("connect_p50_us"));
  EXPECT_FALSE(backends[0].contains("breaker")) << "nobody watches";
  EXPECT_EQ(backends[2]["backend"], "10.0.0.77:80");
  EXPECT_EQ(backends[2]["health"], "gone");
  EXPECT_EQ(backends[2]["active"], 1);
  const Json services = get("/v1/services").body["services"];
  EXPECT_EQ(services[0]["service"], "web");
  EXPECT_EQ(services[0]["snat"], "lan");
  EXPECT_EQ(services[0]["backends"]["up"], 2);
  const Json counters = get("/v1/counters").body;
  EXPECT_EQ(counters["workers"].size(), 2u);
  EXPECT_EQ(counters["drops"].size(), kDropReasonCount);
}

TEST_F(Api, proxied_services_and_connections) {
  write_file(running.file,
             sample_toml(running.dir,
                         "[servers.tls]\nbind = \"203.0.113.10:443\"\nmode = \"proxy\"\n"
                         "[servers.tls.sni]\nhostname_matching_strategy = \"exact\"\n"
                         "unexpected_hostname_strategy = \"any\"\nread_timeout = \"2s\"\n"
                         "[servers.tls.discovery]\nkind = \"static\"\n"
                         "static_list = [\"10.0.0.4:443 sni=a.example proxy_protocol=2\", \"10.0.0.5:443\"]\n"
                         "[servers.flood]\nbind = \"203.0.113.10:81\"\nsyn_proxy = \"auto\"\n"
                         "[servers.flood.access]\ndefault = \"deny\"\nrules = [\"allow 10.0.0.0/8\"]\n"
                         "[servers.flood.discovery]\nkind = \"static\"\nstatic_list = [\"10.0.0.6:80\"]\n"));
  running.start_dataplane();
  EXPECT_EQ(post("/v1/reload", "").status, 200);
  running.with([&] {
    running.fake->set_service(5, "tls");
    auto& counters = running.fake->section<ServiceCounters>(SectionKind::service_counters)[5];
    counters.refused.set(7);
    counters.syn_floods.set(2);
    counters.denied.set(5);
    counters.evicted.set(6);
    ConnEntry& entry = running.fake->section<ConnEntry>(SectionKind::slab)[3];
    entry.state = ConnState::hello;
    entry.family = Family::ipv4;
    entry.proto = Proto::tcp;
    entry.mode = Mode::proxy;
    entry.spliced = 1;
    entry.service = ServiceSlot{5};
    entry.backend = kNoBackend;
    entry.client_port = Be16::from_host(4000);
    Splice& splice = running.fake->section<Splice>(SectionKind::splices)[3];
    splice.forward_window_shift = -2;
    splice.mss = 1460;
    splice.client_has = kSpliceTimestamps | kSpliceSack;
    splice.backend_has = kSpliceSack;
    splice.client_window_scale = kNoWindowScale;
    entry.generation.store(2);
  });
  const Json services = get("/v1/services").body["services"];
  EXPECT_EQ(services[0]["syn_proxy"], "off");
  EXPECT_FALSE(services[1].contains("syn_proxy")) << "UDP";
  EXPECT_EQ(services[2]["mode"], "proxy");
  EXPECT_EQ(services[2]["refused"], 7);
  EXPECT_EQ(services[2]["syn_floods"], 2);
  EXPECT_EQ(services[2]["denied"], 5);
  EXPECT_EQ(services[2]["evicted"], 6);
  EXPECT_FALSE(services[2].contains("access")) << "it has no rules";
  EXPECT_FALSE(services[2].contains("syn_proxy")) << "the mode says it";
  EXPECT_EQ(services[3]["syn_proxy"], "auto");
  EXPECT_EQ(services[3]["access"], Json({{"default", "deny"}, {"rules", 1}}));
  const Json backends = get("/v1/backends?service=tls").body["backends"];
  EXPECT_EQ(backends[0]["sni"], "a.example");
  EXPECT_EQ(backends[0]["proxy_protocol"], 2);
  EXPECT_FALSE(backends[1].contains("sni") || backends[1].contains("proxy_protocol"));
  const Json rows = get("/v1/connections?service=tls").body["connections"];
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["state"], "hello");
  EXPECT_FALSE(rows[0].contains("backend") || rows[0].contains("snat")) << "none is chosen yet";
  const Json& splice = rows[0]["splice"];
  EXPECT_EQ(splice["state"], "hello");
  EXPECT_EQ(splice["forward_window_shift"], -2);
  EXPECT_EQ(splice["mss"], 1460);
  EXPECT_EQ(splice["timestamps"], false);
  EXPECT_EQ(splice["sack"], true);
  EXPECT_EQ(splice["client"]["timestamps"], true);
  EXPECT_FALSE(splice.contains("client_window_scale"));
  for (const char* field : {"forward_seq_delta", "reverse_seq_delta", "forward_ts_delta", "reverse_ts_delta", "tries",
                            "reverse_window_shift"})
    EXPECT_EQ(splice[field], 0) << field;
}

TEST_F(Api, refusals_say_what_would_be_right) {
  EXPECT_EQ(get("/v1/nothing").status, 404);
  EXPECT_EQ(get("/v1/services/web/nothing").status, 404);
  const Reply wrong_method = post("/v1/status", "");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_THAT(wrong_method.head, HasSubstr("Allow: GET"));
  EXPECT_EQ(get("/v1/reload").status, 405);
  EXPECT_EQ(get("/v1/status?x=1").status, 400);
  EXPECT_EQ(get("/v1/%zz").status, 400);
  for (const char* query :
       {"limit=0", "limit=x", "limit=10001", "limit=-1", "count=2", "client=nobody", "backend=10.0.0.1", "other=1"})
    EXPECT_EQ(get(std::string("/v1/connections?") + query).status, 400) << query;
  const Reply service = get("/v1/backends?service=none");
  EXPECT_EQ(service.status, 404);
  EXPECT_EQ(service.body["remedy"], "known services: web, dns");
  EXPECT_EQ(get("/v1/connections?service=none").status, 404);
}

TEST_F(Api, malformed_http) {
  EXPECT_EQ(raw("nonsense\r\n\r\n").status, 400);
  EXPECT_EQ(raw(std::string("\0\1\2\3\r\n\r\n", 8)).status, 400);
  EXPECT_EQ(raw("GET /v1/status HTTP/9.9\r\n\r\n").status, 400);
  EXPECT_EQ(raw("GET /v1/status HTTP/1.1\r\nContent-Length: x\r\n\r\n").status, 400);
  EXPECT_EQ(raw("GET /v1/status HTTP/1.1\r\nA: " + std::string(kApiHeaderBytesMax, 'a') + "\r\n\r\n").status, 431);
  EXPECT_EQ(post("/v1/reload", std::string(kApiBodyBytesMax + 1, 'x')).status, 413);
  EXPECT_EQ(raw("POST /v1/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n").status, 413);
  RawClient half(running.socket);
  half.send("GET /v1/st");
  half.end();
  EXPECT_EQ(half.receive_all(), "");
  EXPECT_EQ(get("/v1/version").status, 200) << "the server goes on";
}

TEST_F(Api, keeps_a_connection_open_between_requests) {
  RawClient client(running.socket);
  client.send(
      "GET /v1/version HTTP/1.1\r\nHost: m\r\n\r\nGET /v1/version HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
  const std::string answers = client.receive_all();
  EXPECT_NE(answers.find("HTTP/1.1 200"), answers.rfind("HTTP/1.1 200")) << answers;
}

TEST_F(Api, too_many_connections) {
  std::vector<std::unique_ptr<RawClient>> idle;
  for (unsigned i = 0; i < kApiConnectionMax; ++i) idle.push_back(std::make_unique<RawClient>(running.socket));
  EXPECT_EQ(get("/v1/version").status, 503);
  idle.clear();
  EXPECT_TRUE(running.until([] { return true; }));
  int status = 0;
  for (int tries = 0; tries < 1000 && status != 200; ++tries) status = get("/v1/version").status;
  EXPECT_EQ(status, 200);
}

TEST_F(Api, drain_reaches_the_dataplane_at_once) {
  running.start_dataplane();
  running.with([&] { running.fake->take_commands(); });
  const Reply reply = post("/v1/services/web/backends/10.0.0.2:80", R"({"admin": "drain", "weight": 9})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["admin"], "drain");
  EXPECT_EQ(reply.body["dataplane"], "sent");
  std::vector<Command> sent;
  ASSERT_TRUE(running.until([&] {
    running.fake->turn();
    sent = running.fake->take_commands();
    return !sent.empty();
  }));
  EXPECT_EQ(sent[0].kind, CommandKind::set_backend);
  EXPECT_EQ(sent[0].body.set_backend.fields, kSetAdmin | kSetWeight);
  EXPECT_EQ(sent[0].body.set_backend.admin, Admin::drain);
  EXPECT_EQ(sent[0].body.set_backend.weight, 9);
}

TEST_F(Api, changes_that_cannot_be) {
  const std::string good = "/v1/services/web/backends/10.0.0.1:80";
  for (const char* body : {"", "{}", "[]", "1", "{", R"({"admin": "off"})", R"({"admin": 1})", R"({"weight": 257})",
                           R"({"weight": -1})", R"({"weight": 1.5})", R"({"weight": "1"})", R"({"colour": 1})",
                           R"({"admin": "drain", "x": 1})", "{\"\xff\": 1}"})
    EXPECT_EQ(post(good, body).status, 400) << body;
  const Reply backend = post("/v1/services/web/backends/10.0.0.9:80", R"({"admin": "drain"})");
  EXPECT_EQ(backend.status, 404);
  EXPECT_EQ(backend.body["remedy"], "its backends: 10.0.0.1:80, 10.0.0.2:80");
  EXPECT_EQ(post("/v1/services/none/backends/10.0.0.1:80", R"({"admin": "drain"})").status, 404);
  EXPECT_EQ(get("/v1/backends").body["backends"][0]["admin"], "enabled");
}

TEST_F(Api, reload_applies_the_difference_and_keeps_overrides) {
  running.start_dataplane();
  post("/v1/services/web/backends/10.0.0.2:80", R"({"admin": "drain"})");
  write_file(running.file, sample_toml(running.dir,
                                       "[servers.ssh]\nbind = \"203.0.113.10:22\"\nprotocol = \"tcp\"\n"
                                       "mode = \"nat\"\n[servers.ssh.discovery]\nkind = \"static\"\n"
                                       "static_list = [\"10.0.0.4:22\"]\n"));
  const Reply reply = post("/v1/reload", "");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["dataplane"], "applied");
  running.with([&] { EXPECT_EQ(running.fake->commits, 2u); });
  EXPECT_EQ(get("/v1/services").body["services"].size(), 3u);
  EXPECT_EQ(get("/v1/backends?service=web").body["backends"][1]["admin"], "drain");
}

TEST_F(Api, reload_of_a_bad_file_keeps_the_old) {
  running.start_dataplane();
  write_file(running.file, sample_toml(running.dir, "[servers.ssh]\nbind = \"203.0.113.10:0\"\n"));
  const Reply reply = post("/v1/reload", "");
  EXPECT_EQ(reply.status, 409);
  ASSERT_FALSE(reply.body["errors"].empty());
  EXPECT_THAT(reply.body["errors"][0].get<std::string>(), HasSubstr("millrace.toml:"));
  EXPECT_EQ(get("/v1/services").body["services"].size(), 2u);
  EXPECT_EQ(get("/v1/status").body["last_reload"]["accepted"], false);
  running.with([&] { EXPECT_EQ(running.fake->commits, 1u); });
}

TEST_F(Api, reload_refused_by_the_dataplane_keeps_the_old) {
  running.start_dataplane();
  running.with([&] { running.fake->verdict = FakeDataplane::refuse_unless(2); });
  write_file(running.file, sample_toml(running.dir,
                                       "[servers.ssh]\nbind = \"203.0.113.10:22\"\nprotocol = \"tcp\"\n"
                                       "mode = \"nat\"\n[servers.ssh.discovery]\nkind = \"static\"\n"
                                       "static_list = [\"10.0.0.4:22\"]\n"));
  const Reply reply = post("/v1/reload", "");
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["errors"][0].get<std::string>(), HasSubstr("the new tables do not fit into memory"));
  EXPECT_EQ(get("/v1/services").body["services"].size(), 2u);
  EXPECT_TRUE(running.until([&] { return running.daemon->link().status().sync == SyncState::applied; }));
  running.with([&] { EXPECT_EQ(running.fake->commits, 3u) << "the old configuration is sent again"; });
  EXPECT_EQ(get("/v1/status").body["last_reload"]["accepted"], false);
}

TEST_F(Api, one_reload_at_a_time) {
  running.start_dataplane();
  running.with([&] { running.fake->reading = false; });
  write_file(running.file, sample_toml(running.dir) + "[defaults]\nclient_idle_timeout = \"5m\"\n");
  std::future<Reply> first = std::async(std::launch::async, [&] { return post("/v1/reload", ""); });
  ASSERT_TRUE(running.until([&] { return running.daemon->link().status().sync == SyncState::sending; }));
  EXPECT_EQ(post("/v1/reload", "").status, 409);
  running.with([&] { running.fake->reading = true; });
  EXPECT_EQ(first.get().status, 200);
}

TEST_F(Api, reload_says_what_needs_a_restart) {
  std::string text = sample_toml(running.dir);
  text.insert(text.find("segment ="), "connections = 4096\n");
  write_file(running.file, text);
  const Reply reply = post("/v1/reload", "");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["dataplane"], "waiting");
  ASSERT_EQ(reply.body["notices"].size(), 1u);
  EXPECT_THAT(reply.body["notices"][0].get<std::string>(), HasSubstr("restart millrace-dataplane"));
}

struct UnixListener_ : testing::Test {
  TempDir dir;
  std::string path = dir.path("s.sock");
  boost::asio::io_context loop;
  std::string problem;
  std::unique_ptr<UnixListener> open() { return UnixListener::open(loop.get_executor(), path, problem); }
};

TEST_F(UnixListener_, mode_and_removal) {
  std::unique_ptr<UnixListener> listener = open();
  ASSERT_TRUE(listener) << problem;
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  listener.reset();
  EXPECT_NE(stat(path.c_str(), &status), 0);
}

TEST_F(UnixListener_, stale_file_is_replaced) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
  EXPECT_TRUE(open()) << problem;
}

TEST_F(UnixListener_, living_one_and_other_files_are_not) {
  const std::unique_ptr<UnixListener> first = open();
  ASSERT_TRUE(first);
  EXPECT_FALSE(open());
  EXPECT_THAT(problem, HasSubstr("in use by process " + std::to_string(getpid())));
  path = dir.path("file");
  write_file(path, "precious");
  EXPECT_FALSE(open());
  EXPECT_THAT(problem, HasSubstr("is no socket"));
  path = std::string(200, 'x');
  EXPECT_FALSE(open());
  path = dir.path("no/such/dir");
  EXPECT_FALSE(open());
  EXPECT_THAT(problem, HasSubstr("set [api] socket"));
}

}  // namespace
}  // namespace millrace::control
