// events_test.cpp: what happens, as a list and as a stream: from a number on, to readers that are slow, gone or too many.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "controlplane/api/event_stream.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

TEST(EventLog, keeps_the_last_ones) {
  EventLog log;
  EXPECT_EQ(log.first_id(), 1u);
  for (uint64_t i = 0; i < kEventsKept + 10; ++i) log.add({.kind = "backend", .what = "up", .count = i});
  EXPECT_EQ(log.first_id(), 11u);
  EXPECT_EQ(log.last_id(), kEventsKept + 10);
  const Json json = Json::parse(log.at(11).json);
  EXPECT_EQ(json["id"], 11);
  EXPECT_EQ(json["count"], 10);
  EXPECT_FALSE(json.contains("cause"));
}

TEST(EventLog, takes_causes_that_are_no_text) {
  EventLog log;
  log.add({.kind = "backend", .what = "down", .cause = "\xff\n\ndata: forged"});
  EXPECT_THAT(log.at(1).json, Not(HasSubstr("\n")));
}

// A client that reads a stream as it comes.
class Reader {
 public:
  explicit Reader(const std::string& socket, const std::string& more_head = "", const std::string& query = "")
      : client_(socket) {
    client_.send("GET /v1/events" + query + " HTTP/1.1\r\nHost: m\r\n" + more_head + "\r\n");
  }
  // Reads on until it has come, or 20 s without anything have passed.
  bool reads(const std::string& wanted) {
    while (text.find(wanted) == std::string::npos) {
      const std::string part = client_.receive_some();
      if (part.empty()) return false;
      text += part;
    }
    return true;
  }
  std::string text;

 private:
  RawClient client_;
};

struct Events : Api {
  void change_weight(int weight) {
    ASSERT_EQ(post("/v1/services/web/backends/10.0.0.1:80", R"({"weight": )" + std::to_string(weight) + "}").status,
              200);
  }
  Json list(const std::string& query = "") { return get("/v1/events?follow=0" + query).body; }
  size_t streams() { return list()["streams"].get<size_t>(); }
};

TEST_F(Events, come_as_they_happen) {
  Reader reader(running.socket);
  ASSERT_TRUE(reader.reads(": events of millraced\n\n"));
  EXPECT_THAT(reader.text, HasSubstr("Content-Type: text/event-stream"));
  change_weight(3);
  ASSERT_TRUE(reader.reads("\"count\":3}\n\n"));
  EXPECT_THAT(reader.text, HasSubstr("id: 1\nevent: backend\ndata: {\"id\":1,"));
  EXPECT_THAT(reader.text, HasSubstr(R"("what":"weight","service":"web","backend":"10.0.0.1:80")"));
  running.start_dataplane();
  EXPECT_TRUE(reader.reads(R"("kind":"dataplane","what":"connected")"));
  EXPECT_TRUE(reader.reads(R"("kind":"config","what":"applied")"));
  running.with([&] { running.fake.reset(); });
  EXPECT_TRUE(reader.reads(R"("kind":"dataplane","what":"lost")"));
}

TEST_F(Events, go_on_after_a_number) {
  for (int i = 1; i <= 3; ++i) change_weight(i);
  Reader again(running.socket, "Last-Event-ID: 1\r\n");
  ASSERT_TRUE(again.reads("\"count\":3}"));
  EXPECT_THAT(again.text, Not(HasSubstr("\"id\":1,")));
  EXPECT_THAT(again.text, HasSubstr("\"id\":2,"));
  Reader all(running.socket, "", "?after=0");
  ASSERT_TRUE(all.reads("\"id\":3,"));
  EXPECT_THAT(all.text, HasSubstr("\"id\":1,"));
  Reader of_before(running.socket, "Last-Event-ID: 500\r\n");
  EXPECT_TRUE(of_before.reads("\"id\":1,")) << "a number of an earlier millraced";
  EXPECT_EQ(get("/v1/events?after=x").status, 400);
  EXPECT_EQ(get("/v1/events?follow=2").status, 400);
}

TEST_F(Events, are_listed) {
  write_file(running.file, "nonsense");
  EXPECT_EQ(post("/v1/reload", "").status, 409);
  change_weight(2);
  Json listed = list();
  ASSERT_EQ(listed["events"].size(), 2u);
  EXPECT_EQ(listed["events"][0]["kind"], "config");
  EXPECT_EQ(listed["events"][0]["what"], "refused");
  EXPECT_THAT(listed["events"][0]["cause"].dump(), HasSubstr("millrace.toml:1"));
  EXPECT_EQ(listed["last_id"], 2);
  listed = list("&after=1");
  ASSERT_EQ(listed["events"].size(), 1u);
  EXPECT_EQ(listed["events"][0]["id"], 2);
}

TEST_F(Events, forgotten_ones_are_counted) {
  running.with([&] {
    for (size_t i = 0; i < kEventsKept + 5; ++i) running.daemon->events()->add({.kind = "limit", .what = "evicted"});
  });
  Reader reader(running.socket, "", "?after=0");
  EXPECT_TRUE(reader.reads("event: lost\ndata: {\"count\":5}\n\nid: 6\n"));
}

TEST_F(Events, a_reader_that_goes_is_forgotten_at_once) {
  {
    Reader reader(running.socket);
    ASSERT_TRUE(reader.reads("events of millraced"));
    EXPECT_EQ(streams(), 1u);
  }
  EXPECT_TRUE(running.until([&] { return running.daemon->events()->listener_count() == 0; }));
}

TEST_F(Events, too_many_readers_are_told) {
  std::vector<std::unique_ptr<Reader>> readers;
  for (size_t i = 0; i < kEventStreamMax; ++i) {
    readers.push_back(std::make_unique<Reader>(running.socket));
    ASSERT_TRUE(readers.back()->reads("events of millraced"));
  }
  const Reply reply = get("/v1/events");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("follow=0"));
  readers.pop_back();
  ASSERT_TRUE(running.until([&] { return running.daemon->events()->listener_count() < kEventStreamMax; }));
  EXPECT_TRUE(Reader(running.socket).reads("events of millraced"));
}

// It holds nothing but a number, and what the kernel took of it.
TEST_F(Events, a_slow_reader_is_cut_off) {
  const Reader slow(running.socket);
  ASSERT_TRUE(running.until([&] { return running.daemon->events()->listener_count() == 1; }));
  const bool cut = running.until([&] {
    EventLog& log = *running.daemon->events();
    for (int i = 0; i < 100; ++i) log.add({.kind = "backend", .what = "down", .cause = std::string(1000, 'x')});
    return log.cut_off() == 1;
  });
  EXPECT_TRUE(cut) << "after kEventsKept that did not fit into its socket, or kStreamSecondsMax";
  EXPECT_TRUE(running.until([&] { return running.daemon->events()->listener_count() == 0; }));
}

}  // namespace
}  // namespace millrace::control
