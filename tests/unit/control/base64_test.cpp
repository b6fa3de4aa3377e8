// base64_test.cpp: the test vectors of RFC 4648, section 10, and what is no base64.
#include "controlplane/net/base64.h"

#include <gtest/gtest.h>

namespace millrace::control {
namespace {

TEST(base64, both_ways) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  const std::string every("\0\xff\x80", 3);
  EXPECT_EQ(from_base64(to_base64(every)), every);
}

TEST(from_base64, refuses_what_is_none) {
  for (const char* text : {"Zg", "Zg=", "Zg==\n", "Z===", "====", "Zm9v!", "Zm9vYg==Zm9v", "Zm 9v"})
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace millrace::control
