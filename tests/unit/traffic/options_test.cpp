#include "perf/traffic/options.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace millrace::traffic {
namespace {

std::optional<Options> parse(std::initializer_list<const char*> words) {
  std::vector<std::string> texts = {"traffic", "--device", "memif:/run/m.sock"};
  texts.insert(texts.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

// What is wrong, and what would be right.
void expect_refused(std::initializer_list<const char*> words, const std::string& part) {
  try {
    parse(words);
    ADD_FAILURE() << "taken: " << part;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(ParseOptions, Defaults) {
  const std::optional<Options> options = parse({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->mix, Mix::established);
  EXPECT_EQ(options->proto, Proto::udp);
  EXPECT_EQ(options->rate, 0);
  EXPECT_EQ(options->frame_bytes, std::vector<uint16_t>{64});
  EXPECT_EQ(options->peer_macs, (std::vector<MacAddr>{{{0x02, 'm', 'i', 'l', 'l', 0}}}));
  EXPECT_EQ(format_endpoint(options->vip), "203.0.113.10:80");
}

TEST(ParseOptions, FramesHaveRoomForTheirHeaders) {
  EXPECT_EQ(parse({"--ipv6", "--tcp"})->frame_bytes, std::vector<uint16_t>{84});
  EXPECT_EQ(parse({"--frame", "1518"})->frame_bytes, std::vector<uint16_t>{1518});
  EXPECT_EQ(parse({"--frame", "imix"})->frame_bytes.size(), 12u);
}

TEST(ParseOptions, OtherMixesAreTcp) {
  EXPECT_EQ(parse({"--mix", "connections"})->proto, Proto::tcp);
  EXPECT_EQ(parse({"--mix", "syn", "--flows", "0"})->proto, Proto::tcp);
}

TEST(ParseOptions, TwoDevices) {
  const auto options =
      parse({"--device", "pci:0000:3b:00.0", "--peer-mac", "02:00:00:00:00:01", "--peer-mac", "02:00:00:00:00:02"});
  EXPECT_EQ(options->devices.size(), 2u);
  EXPECT_EQ(options->peer_macs[1].bytes[5], 2);
}

TEST(ParseOptions, RefusesNonsense) {
  expect_refused({"--rate", "fast"}, "max");
  expect_refused({"--rate", "0"}, "max");
  expect_refused({"--rate", "-5"}, "max");
  expect_refused({"--rate", "nan"}, "max");
  expect_refused({"--frame", "63"}, "1518");
  expect_refused({"--frame", "64x"}, "1518");
  expect_refused({"--flows", "0"}, "4194304");
  expect_refused({"--flows", "5000000"}, "4194304");
  expect_refused({"--vip", "203.0.113.10"}, "203.0.113.10:80");
  expect_refused({"--vip", "203.0.113.10:80", "--ipv6"}, "IPv6");
  expect_refused({"--backends", "10.72.16.1:80*0"}, "10.72.16.1:80*16");
  expect_refused({"--backends", "10.72.16.1:80*16x"}, "10.72.16.1:80*16");
  expect_refused({"--backends", "10.72.16.250:80*16"}, "last byte");
  expect_refused({"--clients", "198.18.0.0"}, "198.18.0.0/15");
  expect_refused({"--clients", "198.18.0.0/33"}, "198.18.0.0/15");
  expect_refused({"--clients", "198.18.0.0/32", "--flows", "40000"}, "32768");
  expect_refused({"--peer-mac", "02:00"}, "02:6d:69:6c:6c:00");
  expect_refused({"--device", "memif:/a", "--device", "memif:/b"}, "once or twice");
  expect_refused({"--peer", "reflector", "--mix", "syn"}, "established");
  expect_refused({"--search", "--mix", "syn"}, "established");
  expect_refused({"--search", "--rate", "5"}, "--rate");
  expect_refused({"--search", "--count", "5"}, "--count");
}

}  // namespace
}  // namespace millrace::traffic
