// metrics_test.cpp: the page that Prometheus reads: its format, its values, its speed, and its port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "controlplane/api/http_server.h"
#include "controlplane/api/tcp_listener.h"
#include "controlplane/api/unix_listener.h"
#include "controlplane/link/bandwidth.h"
#include "controlplane/metrics/metrics_page.h"
#include "controlplane/metrics/metrics_routes.h"
#include "controlplane/metrics/text_format.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/running_daemon.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(make_labels, escapes_what_the_format_asks_for) {
  EXPECT_EQ(make_labels({}), "");
  EXPECT_EQ(make_labels({{"a", "x"}, {"b", "q\"\\\n"}}), R"({a="x",b="q\"\\\n"})");
}

TEST(TextFormat, writes_families_and_samples) {
  TextFormat text;
  text.family("one_total", "counter", "How many");
  text.sample("", uint64_t{18446744073709551615u});
  text.sample("{a=\"b\"}", 0.25);
  EXPECT_EQ(text.take(),
            "# HELP one_total How many\n# TYPE one_total counter\none_total 18446744073709551615\n"
            "one_total{a=\"b\"} 0.25\n");
}

// Of a histogram.
bool is_part(const std::string& name, const std::string& family) {
  return name == family + "_bucket" || name == family + "_sum" || name == family + "_count";
}

// By name and labels; fails on what the format does not allow.
std::map<std::string, std::string> read_page(const std::string& page) {
  std::map<std::string, std::string> samples;
  std::set<std::string> families;
  std::string family;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " comes twice";
    }
    if (line.starts_with("#")) continue;
    const size_t value = line.rfind(' ');
    const std::string name = line.substr(0, line.find_first_of("{ "));
    EXPECT_TRUE(name == family || is_part(name, family)) << line;
    EXPECT_TRUE(samples.emplace(line.substr(0, value), line.substr(value + 1)).second) << line << " comes twice";
  }
  return samples;
}

std::string whole_page(const Daemon& daemon, size_t piece_bytes = kPieceBytes) {
  MetricsPage page(daemon);
  std::string text;
  for (std::string piece = page.next_piece(piece_bytes); !piece.empty(); piece = page.next_piece(piece_bytes))
    text += piece;
  return text;
}

struct Metrics : testing::Test {
  RunningDaemon running;

  std::map<std::string, std::string> page() {
    std::string text;
    running.with([&] { text = whole_page(*running.daemon); });
    return read_page(text);
  }
};

TEST_F(Metrics, without_a_dataplane_say_that_and_what_is_configured) {
  const auto samples = page();
  EXPECT_EQ(samples.at("millrace_dataplane_up"), "0");
  EXPECT_EQ(samples.at("millrace_backend_weight{service=\"web\",backend=\"10.0.0.1:80\"}"), "5");
  EXPECT_EQ(samples.at("gobetween_server_count{server=\"web\"}"), "2");
  EXPECT_FALSE(samples.contains("millrace_connections"));
}

TEST_F(Metrics, of_a_dataplane_are_those_of_its_counters) {
  running.start_dataplane();
  uint32_t slot = 0;
  running.with([&] {
    auto& worker = running.fake->section<WorkerCounters>(SectionKind::worker_counters)[1];
    worker.connections_opened.set(10);
    worker.connections_closed.set(3);
    worker.held.set(2);
    worker.dropped[static_cast<size_t>(DropReason::land)].set(4);
    running.fake->set_service(7, "web");
    slot = 9;
    running.fake->set_backend(static_cast<uint16_t>(slot), 7, endpoint("10.0.0.1:80"));
    BackendCounters& backend = running.fake->backend_counters(1, static_cast<uint16_t>(slot));
    backend.connections.set(100);
    backend.active.set(7);
    backend.forward_bytes.set(1000);
    backend.reverse_bytes.set(5000);
    backend.connect_failures.set(6);
    for (const uint32_t us : {200u, 300u, 5'000'000u}) running.fake->backend_handshakes(0, 9).add(us);
    running.fake->backend_handshakes(1, 9).add(200);
    running.fake->service_lifetimes(1, 7).add(0);
    running.fake->service_lifetimes(1, 7).add(100);
  });
  const auto samples = page();
  EXPECT_EQ(samples.at("millrace_dataplane_up"), "1");
  EXPECT_EQ(samples.at("millrace_connections"), "7");
  EXPECT_EQ(samples.at("millrace_worker_connections_opened_total{worker=\"1\"}"), "10");
  EXPECT_EQ(samples.at("millrace_worker_held{worker=\"1\"}"), "2") << "a gauge";
  EXPECT_EQ(samples.at("millrace_dropped_packets_total{worker=\"1\",reason=\"land\"}"), "4");
  EXPECT_EQ(samples.at("millrace_backend_connections_total{service=\"web\",backend=\"10.0.0.1:80\"}"), "100");
  EXPECT_EQ(samples.at("millrace_backend_reverse_bytes_total{service=\"web\",backend=\"10.0.0.1:80\"}"), "5000");
  EXPECT_EQ(samples.at("gobetween_backend_active_connections{server=\"web\",host=\"10.0.0.1\",port=\"80\"}"), "7");
  EXPECT_EQ(samples.at("gobetween_backend_refused_connections{server=\"web\",host=\"10.0.0.1\",port=\"80\"}"), "6");
  EXPECT_EQ(samples.at("gobetween_server_rx_total{server=\"web\"}"), "1000");
  const std::string latency = "millrace_backend_connect_latency_seconds";
  const std::string of = "{service=\"web\",backend=\"10.0.0.1:80\"";
  EXPECT_EQ(samples.at(latency + "_bucket" + of + ",le=\"0.000256\"}"), "2");
  EXPECT_EQ(samples.at(latency + "_bucket" + of + ",le=\"0.001024\"}"), "3");
  EXPECT_EQ(samples.at(latency + "_bucket" + of + ",le=\"4.194304\"}"), "3");
  EXPECT_EQ(samples.at(latency + "_bucket" + of + ",le=\"+Inf\"}"), "4");
  EXPECT_EQ(samples.at(latency + "_count" + of + "}"), "4");
  EXPECT_EQ(samples.at(latency + "_sum" + of + "}"), "5.0007");
  const std::string duration = "millrace_service_connection_duration_seconds";
  EXPECT_EQ(samples.at(duration + "_bucket{service=\"web\",le=\"0.001\"}"), "1");
  EXPECT_EQ(samples.at(duration + "_bucket{service=\"web\",le=\"0.256\"}"), "2");
  EXPECT_EQ(samples.at(duration + "_sum{service=\"web\"}"), "0.1");
  EXPECT_FALSE(samples.contains("millrace_backend_ejected" + of + "}")) << "nobody watches";
  EXPECT_EQ(samples.at("gobetween_server_tx_total{server=\"web\"}"), "5000");
}

// Wherever a piece ends: behind a family's head as well as behind each of its rows.
TEST_F(Metrics, are_the_same_in_pieces_of_any_size) {
  std::string whole, in_rows;
  running.with([&] {
    whole = whole_page(*running.daemon);
    in_rows = whole_page(*running.daemon, 1);
  });
  EXPECT_EQ(in_rows, whole);
  EXPECT_FALSE(read_page(in_rows).empty());
}

TEST_F(Metrics, of_the_dashboard_exist) {
  std::ifstream file(MR_SOURCE_DIR "/docs/grafana/millrace.json");
  const std::string dashboard(std::istreambuf_iterator<char>(file), {});
  running.start_dataplane();
  std::string text;
  running.with([&] { text = whole_page(*running.daemon); });
  const std::regex name("millrace_[a-z_]+");
  const std::string bucket = "_bucket";  // of a histogram, which has the name without it
  std::set<std::string> names;
  for (std::sregex_iterator one(dashboard.begin(), dashboard.end(), name); one != std::sregex_iterator(); ++one)
    names.insert(one->str().ends_with(bucket) ? one->str().substr(0, one->str().size() - bucket.size()) : one->str());
  EXPECT_GT(names.size(), 20u);
  for (const std::string& one : names) EXPECT_THAT(text, HasSubstr("# TYPE " + one + " "));
}

// 1,000 services of 20 backends; under sanitizers everything is some ten times slower.
TEST_F(Metrics, of_20000_backends_take_less_than_200_ms) {
  running.start_dataplane();
  std::string services;
  for (int service = 0; service < 1000; ++service) {
    services += "[servers.s" + std::to_string(service) + "]\nbind = \"203.0.113.10:" + std::to_string(2000 + service) +
                "\"\n[servers.s" + std::to_string(service) + ".discovery]\nkind = \"static\"\nstatic_list = [";
    for (int backend = 0; backend < 20; ++backend)
      services += "\"10.1." + std::to_string(service % 250) + "." + std::to_string(backend + 1) + ":" +
                  std::to_string(80 + service / 250) + "\",";
    services += "]\n";
  }
  write_file(running.file, sample_toml(running.dir, services));
  bool accepted = false;
  running.with([&] {
    boost::asio::co_spawn(
        running.daemon->executor(), running.daemon->reload(),
        [&](std::exception_ptr, const std::optional<ReloadReport>& report) { accepted = report && report->accepted; });
  });
  ASSERT_TRUE(running.until([&] { return accepted; }));
  running.with([&] {
    uint16_t slot = 0;
    for (uint16_t service = 0; service < 1000; ++service) {
      const DesiredService& desired = running.daemon->desired().services[service];
      running.fake->set_service(service, desired.name);
      for (const DesiredBackend& backend : desired.backends) {
        running.fake->backend_handshakes(0, slot).add(200);
        running.fake->backend_handshakes(1, slot).add(20'000);
        running.fake->set_backend(slot++, service, backend.endpoint);
      }
    }
  });
  std::string text;
  std::chrono::nanoseconds took{};
  running.with([&] {
    const auto begin = std::chrono::steady_clock::now();
    text = whole_page(*running.daemon);
    took = std::chrono::steady_clock::now() - begin;
  });
  EXPECT_GT(std::ranges::count(text, '\n'), 300'000);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  std::printf("%zu bytes in %ld ms\n", text.size(), static_cast<long>(ms));
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(ms, 20'000) << "not optimized, so that this says little";
#else
  EXPECT_LT(ms, 200);
#endif
}

TEST_F(Metrics, have_one_path) {
  const auto ask = [&](const std::string& method, const std::string& target) {
    ApiReply reply;
    boost::asio::io_context loop;
    running.with([&] {
      boost::asio::co_spawn(loop, route_metrics(*running.daemon, {method, target, ""}),
                            [&](std::exception_ptr, ApiReply got) { reply = std::move(got); });
      loop.run();
    });
    return reply;
  };
  const ApiReply page = ask("GET", "/metrics");
  ASSERT_TRUE(page.stream);
  EXPECT_TRUE(page.stream->has_end());
  EXPECT_THAT(page.stream->content_type(), HasSubstr("text/plain; version=0.0.4"));
  EXPECT_EQ(ask("GET", "/").status, 404u);
  EXPECT_EQ(ask("POST", "/metrics").status, 405u);
  EXPECT_EQ(ask("GET", "/metrics/%").status, 400u);
}

// Of a body in chunks; what follows its end is left in `bytes`. Fails on one that is cut off.
std::string take_chunks(std::string& bytes) {
  std::string body;
  while (true) {
    size_t digits = 0;
    const size_t size = bytes.empty() ? 0 : std::stoul(bytes, &digits, 16);
    const size_t begin = digits + 2;
    if (digits == 0 || bytes.size() < begin + size + 2) {
      ADD_FAILURE() << "cut off after " << body.size() << " bytes";
      return body;
    }
    body += bytes.substr(begin, size);
    bytes.erase(0, begin + size + 2);
    if (size == 0) return body;
  }
}

// The port of metrics, as a socket.
struct MetricsPort : Metrics {
  std::string path = running.dir.path("metrics.sock");
  std::unique_ptr<UnixListener> listener;
  bool ended = false;

  MetricsPort() {
    running.with([&] {
      std::string problem;
      listener = UnixListener::open(running.daemon->executor(), path, problem);
      ASSERT_TRUE(listener) << problem;
      boost::asio::co_spawn(
          running.daemon->executor(),
          serve_api(*listener,
                    [this](ApiRequest request) { return route_metrics(*running.daemon, std::move(request)); }),
          [this](std::exception_ptr) { ended = true; });
    });
  }
  ~MetricsPort() override {
    running.with([&] { listener->acceptor().close(); });
    EXPECT_TRUE(running.until([&] { return ended; }));
  }
  std::string ask(const std::string& requests) {
    RawClient client(path);
    client.send(requests);
    client.end();  // as some do who have no more to say
    return client.receive_all();
  }
};

TEST_F(MetricsPort, sends_pieces_whose_end_can_be_told) {
  const std::string get = "GET /metrics HTTP/1.1\r\nHost: m\r\n";
  std::string bytes = ask(get + "\r\n" + get + "Connection: close\r\n\r\n");
  for (const char* const request : {"first", "second"}) {
    SCOPED_TRACE(request);
    const size_t blank = bytes.find("\r\n\r\n");
    ASSERT_NE(blank, std::string::npos);
    EXPECT_THAT(bytes.substr(0, blank), HasSubstr("Transfer-Encoding: chunked"));
    bytes.erase(0, blank + 4);
    EXPECT_EQ(read_page(take_chunks(bytes)).at("millrace_dataplane_up"), "0");
  }
  EXPECT_EQ(bytes, "");
}

TEST_F(MetricsPort, ends_the_connection_of_an_old_client) {
  const std::string bytes = ask("GET /metrics HTTP/1.0\r\n\r\n");
  const size_t blank = bytes.find("\r\n\r\n");
  ASSERT_NE(blank, std::string::npos);
  EXPECT_THAT(bytes.substr(0, blank), Not(HasSubstr("chunked")));
  EXPECT_EQ(read_page(bytes.substr(blank + 4)).at("millrace_dataplane_up"), "0");
}

TEST(BandwidthSampler, says_bytes_a_second) {
  TempDir dir;
  const std::string path = dir.path("segment");
  FakeDataplane fake(path);
  fake.set_service(0, "web");
  fake.set_backend(3, 0, endpoint("10.0.0.1:80"));
  const std::shared_ptr<const Segment> segment = join_segment(path).segment;
  BandwidthSampler sampler;
  fake.backend_counters(0, 3).forward_bytes.set(1000);
  sampler.sample(segment, 1000);
  EXPECT_DOUBLE_EQ(sampler.of(BackendSlot{3}).forward_bytes, 0) << "one reading";
  fake.backend_counters(0, 3).forward_bytes.set(2000);
  fake.backend_counters(1, 3).reverse_bytes.set(500);
  sampler.sample(segment, 3000);
  EXPECT_DOUBLE_EQ(sampler.of(BackendSlot{3}).forward_bytes, 500);
  EXPECT_DOUBLE_EQ(sampler.of(BackendSlot{3}).reverse_bytes, 250);
  fake.backend_counters(0, 3).forward_bytes.set(0);
  sampler.sample(segment, 4000);
  EXPECT_DOUBLE_EQ(sampler.of(BackendSlot{3}).forward_bytes, 0) << "the slot was given to another one";
  sampler.sample(nullptr, 5000);
  EXPECT_DOUBLE_EQ(sampler.of(BackendSlot{3}).forward_bytes, 0);
}

TEST(TcpListener, takes_a_port_and_says_when_it_is_taken) {
  boost::asio::io_context loop;
  std::string problem;
  const auto first = TcpListener::open(loop.get_executor(), endpoint("127.0.0.1:19284"), "[metrics] bind", problem);
  ASSERT_TRUE(first) << problem;
  EXPECT_FALSE(TcpListener::open(loop.get_executor(), endpoint("127.0.0.1:19284"), "[metrics] bind", problem));
  EXPECT_THAT(problem, HasSubstr("127.0.0.1:19284"));
  EXPECT_THAT(problem, HasSubstr("set [metrics] bind"));
}

}  // namespace
}  // namespace millrace::control
