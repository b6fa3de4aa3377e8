// kubernetes_test.cpp: EndpointSlices as an API server lists and watches them, and servers that err.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "controlplane/discovery/kubernetes_source.h"
#include "tests/unit/registries/follower.h"
#include "tests/unit/registries/recorded_api.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

std::string slice(const std::string& name, const std::string& endpoints,
                  const std::string& ports = R"([{"name":"http","port":8080,"protocol":"TCP"}])",
                  const std::string& type = "IPv4") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"shop"},"addressType":")" + type + R"(","endpoints":[)" +
         endpoints + R"(],"ports":)" + ports + "}";
}
std::string endpoint_of(const std::string& address, const std::string& conditions = R"({"ready":true})") {
  return R"({"addresses":[")" + address + R"("],"conditions":)" + conditions + "}";
}
std::string page(const std::string& items, const std::string& next = "", const std::string& version = "10") {
  return R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":")" + version + R"(","continue":")" + next +
         R"("},"items":[)" + items + "]}";
}
std::string event(const char* type, const std::string& object) {
  return std::string(R"({"type":")") + type + R"(","object":)" + object + "}";
}
const std::string kOne = slice("a", endpoint_of("10.0.0.1"));
const std::string kTwo = slice("b", endpoint_of("10.0.0.2"));
const std::string kTooOld =
    event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"})");

std::unique_ptr<Source> source_at(const std::string& url, const std::string& port = "",
                                  const std::string& token_path = "") {
  return std::make_unique<KubernetesSource>(config::KubernetesDiscovery{
      .api_url = url, .namespace_name = "shop", .service = "web", .port = port, .token_path = token_path});
}

std::vector<std::string> backends_of(const std::string& slice_text, const std::string& port = "") {
  std::vector<std::string> texts;
  for (const EndpointSlice& found : parse_slice_page(page(slice_text), port).slices)
    for (const auto& entry : found.entries)
      texts.push_back(entry.value ? format_endpoint(entry.value->endpoint) : entry.problem);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(endpoint_slices, endpoints_that_are_ready) {
  EXPECT_EQ(backends_of(slice("a", endpoint_of("10.0.0.1") + "," + endpoint_of("10.0.0.2", R"({"ready":false})") + "," +
                                       endpoint_of("10.0.0.3", R"({"ready":false,"serving":true,"terminating":true})") +
                                       "," + endpoint_of("10.0.0.4", "{}") + "," + endpoint_of("10.0.0.5", "null"))),
            (Texts{"10.0.0.1:8080", "10.0.0.4:8080", "10.0.0.5:8080"}));
  EXPECT_EQ(backends_of(slice("a", endpoint_of("fd72::1"), R"([{"port":80}])", "IPv6")), Texts{"[fd72::1]:80"});
  EXPECT_EQ(backends_of(slice("a", R"({"addresses":["10.0.0.1","10.0.0.9"]})")), Texts{"10.0.0.1:8080"});
}

TEST(endpoint_slices, ports_by_name_and_by_number) {
  const std::string two =
      slice("a", endpoint_of("10.0.0.1"), R"([{"name":"http","port":80},{"name":"tls","port":443}])");
  EXPECT_EQ(backends_of(two, "tls"), Texts{"10.0.0.1:443"});
  EXPECT_EQ(backends_of(two, "80"), Texts{"10.0.0.1:80"});
  EXPECT_EQ(backends_of(two), Texts{"has 2 ports: name one by kubernetes_port"});
  EXPECT_EQ(backends_of(two, "grpc"), Texts{"has no port \"grpc\""});
  EXPECT_EQ(backends_of(slice("a", endpoint_of("10.0.0.1"), "null")), Texts{"has no port"});
}

TEST(endpoint_slices, mistakes) {
  EXPECT_EQ(backends_of(slice("a", R"({"addresses":[]})")), Texts{"it has an endpoint without an address"});
  EXPECT_EQ(backends_of(slice("a", endpoint_of("web.example.com"), "[{\"port\":80}]", "FQDN")),
            Texts{"has names in place of addresses"});
  for (const char* body : {"", "[]", "{}", R"({"metadata":{"resourceVersion":"1"},"items":7})"})
    EXPECT_NE(parse_slice_page(body, "").problem, "") << body;
  for (const char* line :
       {"", "{}", R"({"type":"ADDED"})", R"({"type":"ADDED","object":{}})", R"({"type":"X","object":{}})"})
    EXPECT_NE(parse_slice_event(line, "").problem, "") << line;
}

TEST(KubernetesSource, pages_and_then_what_the_watch_tells) {
  RecordedApi api({ok(page(kOne, "next/1")), ok(page(kTwo, "", "11")),
                   watch({event("BOOKMARK", R"({"metadata":{"resourceVersion":"12"}})"),
                          event("MODIFIED", slice("a", endpoint_of("10.0.0.3"))), event("DELETED", kTwo),
                          event("ADDED", slice("c", endpoint_of("10.0.0.4")))})});
  Follower follower(source_at(api.url()));
  EXPECT_TRUE(follower.finds({"10.0.0.3:8080", "10.0.0.4:8080"}));
  EXPECT_EQ(endpoints(follower.answers.front()), (Texts{"10.0.0.1:8080", "10.0.0.2:8080"}));
  const std::vector<std::string> requests = api.requests();
  ASSERT_EQ(requests.size(), 3u);
  const std::string path =
      "GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector="
      "kubernetes.io%2Fservice-name%3Dweb&";
  EXPECT_THAT(requests[0], HasSubstr(path + "limit=500 HTTP/1.1"));
  EXPECT_THAT(requests[1], HasSubstr(path + "limit=500&continue=next%2F1 HTTP/1.1"));
  EXPECT_THAT(requests[2], HasSubstr(path + "watch=1&allowWatchBookmarks=true&resourceVersion=11 HTTP/1.1"));
}

TEST(KubernetesSource, watch_that_is_too_old_or_ends_or_errs_is_a_reason_to_list_again) {
  for (const RecordedApi::Answering& end :
       {watch({kTooOld}), watch({}, true), status("410 Gone", "too old"), watch({"{\"type\":"}),
        says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{\"type\":\"ADDED\"")}) {
    RecordedApi api({ok(page(kOne)), end, ok(page(kTwo)), watch({})});
    Follower follower(source_at(api.url()));
    EXPECT_TRUE(follower.finds({"10.0.0.2:8080"}));
    EXPECT_EQ(follower.answers.size(), 2u) << "no question has failed";
  }
}

TEST(KubernetesSource, token_is_read_anew_for_each_list) {
  const std::string path = testing::TempDir() + "millrace_token_" + std::to_string(getpid());
  std::ofstream(path) << "first\n";
  RecordedApi api({ok(page(kOne)), watch({}, true), ok(page(kTwo)), watch({})});
  Follower follower(source_at(api.url(), "", path));
  EXPECT_TRUE(follower.finds({"10.0.0.1:8080"}));
  std::ofstream(path) << "second\n";
  EXPECT_TRUE(follower.finds({"10.0.0.2:8080"}));
  EXPECT_THAT(api.requests()[0], HasSubstr("Authorization: Bearer first\r\n"));
  EXPECT_THAT(api.requests()[2], HasSubstr("Authorization: Bearer second\r\n"));
  std::remove(path.c_str());
}

TEST(KubernetesSource, failures) {
  RecordedApi forbidden({status("403 Forbidden", R"({"message":"endpointslices is forbidden"})")});
  EXPECT_TRUE(Follower(source_at(forbidden.url())).fails("it answers with status 403"));
  RecordedApi gone({ok(page(kOne, "more")), status("410 Gone", "{}")});
  EXPECT_TRUE(Follower(source_at(gone.url())).fails("its list has changed too much"));
  RecordedApi other({ok("<html>")});
  EXPECT_TRUE(Follower(source_at(other.url())).fails("it is no JSON"));
  RecordedApi circle({ok(page(kOne, "again"))});
  Follower round(source_at(circle.url()), std::chrono::milliseconds(50), std::chrono::milliseconds(300));
  EXPECT_TRUE(round.fails("no answer in time"));
  EXPECT_TRUE(Follower(source_at(circle.url(), "", "/no/such/token")).fails("/no/such/token cannot be read"));
  RecordedApi silent({watch({})});
  Follower slow(source_at(silent.url()), std::chrono::milliseconds(50), std::chrono::milliseconds(200));
  EXPECT_TRUE(slow.fails("no answer in time"));
}

TEST(KubernetesSource, cluster_of_this_pod) {
  unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_TRUE(Follower(source_at("")).fails("this host is no pod of a cluster: set kubernetes_api_url"));
}

}  // namespace
}  // namespace millrace::control
