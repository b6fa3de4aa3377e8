// etcd_test.cpp: etcd's gateway as it was recorded, and gateways that err. Real ones: tests/registries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/discovery/etcd_message.h"
#include "controlplane/discovery/etcd_source.h"
#include "tests/unit/registries/follower.h"
#include "tests/unit/registries/recorded_api.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Keys "w/a" and "w/b" with "10.0.0.1:80" and "10.0.0.2:80".
constexpr char kA[] = R"({"key":"dy9h","mod_revision":"3","value":"MTAuMC4wLjE6ODA="})";
constexpr char kB[] = R"({"key":"dy9i","mod_revision":"4","value":"MTAuMC4wLjI6ODA="})";

std::string range(const std::string& pairs) {
  return R"({"header":{"cluster_id":"1","revision":"4"},"kvs":[)" + pairs + R"(],"count":"2"})";
}
std::string told(const std::string& events) {
  return R"({"result":{"header":{"revision":"5"},"events":[)" + events + "]}}";
}
const std::string kCreated = R"({"result":{"header":{"revision":"4"},"created":true}})";

std::unique_ptr<Source> source_at(const std::vector<std::string>& urls, const std::string& user = "") {
  return std::make_unique<EtcdSource>(
      config::EtcdDiscovery{.endpoints = urls, .prefix = "w/", .username = user, .password = user});
}

TEST(etcd_message, requests) {
  EXPECT_EQ(etcd_range("w/", 9), R"({"key":"dy8=","limit":"9","range_end":"dzA="})");
  EXPECT_EQ(etcd_range("w\xff\xff", 9), R"({"key":"d///","limit":"9","range_end":"eA=="})");
  EXPECT_EQ(etcd_range("\xff", 9), R"({"key":"/w==","limit":"9","range_end":"AA=="})");
  EXPECT_EQ(etcd_watch("w/", 5), R"({"create_request":{"key":"dy8=","range_end":"dzA=","start_revision":"5"}})");
}

TEST(etcd_message, answers_that_are_none) {
  for (const char* body :
       {"", "[]", "{}", R"({"header":{"revision":"x"}})", R"({"header":[]})",
        R"({"header":{"revision":"4"},"kvs":[{"key":"*"}]})", R"({"header":{"revision":"4"},"kvs":[7]})",
        R"({"header":{"revision":"4"},"kvs":[{"key":"dy9h","value":"MTA"}]})"})
    EXPECT_NE(parse_etcd_range(body).problem, "") << body;
  for (const char* line : {"", "[]", R"({"error":{"message":"no"}})", R"({"result":{"events":[7]}})",
                           R"({"result":{"events":[{"type":"PUT"}]}})", R"({"result":{"canceled":true}})"})
    EXPECT_NE(parse_etcd_watch(line).problem, "") << line;
  EXPECT_THAT(parse_etcd_watch(R"({"result":{"canceled":true,"compact_revision":"7"}})").problem,
              HasSubstr("before revision 7 is compacted"));
}

TEST(EtcdSource, range_and_then_what_its_watch_tells) {
  const std::string gone = std::string(R"({"type":"DELETE","kv":{"key":"dy9h","mod_revision":"5"}})");
  RecordedApi api({ok(range(kA)), watch({kCreated, told(R"({"kv":)" + std::string(kB) + "}"), told(gone)})});
  Follower follower(source_at({api.url()}));
  EXPECT_TRUE(follower.finds({"10.0.0.2:80"}));
  EXPECT_EQ(endpoints(follower.answers.front()), std::vector<std::string>{"10.0.0.1:80"});
  EXPECT_EQ(api.requests().size(), 2u) << "what the watch tells needs no range";
  EXPECT_THAT(api.requests()[0], HasSubstr("POST /v3/kv/range HTTP/1.1\r\n"));
  EXPECT_THAT(api.requests()[1], HasSubstr(R"("start_revision":"5")"));
}

TEST(EtcdSource, watch_that_is_cancelled_or_ends_or_errs_is_a_reason_to_ask_again) {
  for (const RecordedApi::Answering& end :
       {watch({kCreated, R"({"result":{"canceled":true,"compact_revision":"9"}})"}), watch({kCreated}, true),
        watch({"rubbish"}), watch({told(R"({"kv":{"key":"?"}})")}), status("503 No", "no"),
        says("HTTP/1.1 200 OK\r\n")}) {
    RecordedApi api({ok(range(kA)), end, ok(range(kB)), watch({kCreated})});
    Follower follower(source_at({api.url()}));
    EXPECT_TRUE(follower.finds({"10.0.0.2:80"}));
    EXPECT_GE(api.requests().size(), 3u);
  }
}

TEST(EtcdSource, next_endpoint_where_one_is_gone) {
  std::string gone;
  {
    RecordedApi nobody({ok("")});
    gone = nobody.url();
  }
  RecordedApi api({ok(range(kA)), watch({kCreated})});
  Follower follower(source_at({gone, api.url(), gone}));
  EXPECT_TRUE(follower.finds({"10.0.0.1:80"}));
  EXPECT_EQ(follower.answers.size(), 1u) << "no question has failed";
  EXPECT_TRUE(Follower(source_at({gone})).fails("Connection refused"));
}

TEST(EtcdSource, login_and_a_token_that_has_expired) {
  const auto expired = status("401 Unauthorized", R"({"error":"etcdserver: invalid auth token","code":16})");
  RecordedApi api({ok(R"({"token":"t1"})"), ok(range(kA)), watch({}, true), expired, ok(R"({"token":"t2"})"),
                   ok(range(kB)), watch({kCreated})});
  Follower follower(source_at({api.url()}, "joe"));
  EXPECT_TRUE(follower.finds({"10.0.0.2:80"}));
  EXPECT_EQ(follower.answers.size(), 2u);
  const std::vector<std::string> requests = api.requests();
  EXPECT_THAT(requests[0], HasSubstr("POST /v3/auth/authenticate"));
  EXPECT_THAT(requests[1], HasSubstr("Authorization: t1\r\n"));
  EXPECT_THAT(requests[5], HasSubstr("Authorization: t2\r\n"));
}

TEST(EtcdSource, login_that_is_refused) {
  RecordedApi api({status("400 Bad Request", R"({"error":"etcdserver: authentication failed"})")});
  Follower follower(source_at({api.url()}, "joe"));
  EXPECT_TRUE(follower.fails("it refuses etcd_username and etcd_password"));
  EXPECT_THAT(follower.answers.back().problem, Not(HasSubstr("joe")));
}

TEST(EtcdSource, broken_answers) {
  for (const std::string& answer : {http_ok("<html>"), http_ok(range(kA) + "}"), http_ok(R"({"header":{}})"),
                                    std::string("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), std::string()}) {
    RecordedApi api({says(answer)});
    Follower follower(source_at({api.url()}));
    EXPECT_TRUE(follower.fails("/v3/kv/range: ")) << answer;
  }
  RecordedApi more({ok(R"({"header":{"revision":"4"},"more":true})")});
  EXPECT_TRUE(Follower(source_at({more.url()})).fails("w/ has more than 16384 keys"));
}

TEST(EtcdSource, bad_entries_are_left_out) {
  RecordedApi api({ok(range(std::string(kA) + R"(,{"key":"dy9j","value":"e30="})")), watch({kCreated})});
  Follower follower(source_at({api.url()}));
  EXPECT_TRUE(follower.finds({"10.0.0.1:80"}));
  EXPECT_THAT(follower.answers.back().left_out, ElementsAre("\"w/c\": it has no host"));
}

TEST(EtcdSource, silent_server_is_a_failure_in_time) {
  RecordedApi api({watch({})});
  Follower follower(source_at({api.url()}), std::chrono::milliseconds(50), std::chrono::milliseconds(200));
  EXPECT_TRUE(follower.fails("no answer in time"));
}

}  // namespace
}  // namespace millrace::control
