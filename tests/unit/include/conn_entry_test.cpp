#include "millrace/conn_entry.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

// What the reader sees of an entry with this generation and state.
bool readable(uint32_t generation, ConnState state) {
  ConnEntry entry{}, copy{};
  entry.generation.store(generation);
  entry.state = state;
  return read_conn(entry, copy);
}

TEST(read_conn, takes_a_published_entry_in_any_state_but_free) {
  EXPECT_FALSE(readable(0, ConnState::free)) << "never used";
  EXPECT_FALSE(readable(2, ConnState::free)) << "closed";
  for (unsigned state = 1; state < kConnStateCount; ++state)
    EXPECT_TRUE(readable(2, static_cast<ConnState>(state))) << state;
}

TEST(read_conn, refuses_an_entry_in_writing) {
  EXPECT_FALSE(readable(1, ConnState::established));
  EXPECT_FALSE(readable(0xffff'ffff, ConnState::established)) << "also where the generation wraps";
  EXPECT_TRUE(readable(0xffff'fffe, ConnState::established));
  EXPECT_TRUE(readable(0, ConnState::established));
}

TEST(read_conn, copies_every_byte) {
  ConnEntry entry{}, copy{};
  auto* bytes = reinterpret_cast<unsigned char*>(&entry);
  for (size_t i = 0; i < sizeof entry; ++i) bytes[i] = static_cast<unsigned char>(i + 1);
  entry.generation.store(0x1000);
  ASSERT_TRUE(read_conn(entry, copy));
  EXPECT_EQ(std::memcmp(static_cast<const void*>(&copy), static_cast<const void*>(&entry), sizeof entry), 0);
}

TEST(ConnEntry_layout, keeps_an_ipv4_connection_in_one_cache_line) {
  EXPECT_LE(offsetof(ConnEntry, backend4) + sizeof(Be32), 64u);
  EXPECT_EQ(alignof(ConnEntry), 64u);
}

}  // namespace
}  // namespace millrace
