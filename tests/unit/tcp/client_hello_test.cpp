#include "dataplane/tcp/client_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/tcp/recorded_hellos.h"

namespace millrace {
namespace {

using Bytes = std::vector<uint8_t>;
using enum HelloVerdict;

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}
Bytes text(std::string_view characters) { return {characters.begin(), characters.end()}; }
Bytes be(size_t value, unsigned width) {
  Bytes bytes;
  for (unsigned i = width; i-- > 0;) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return bytes;
}
Bytes vector8(const Bytes& content) { return be(content.size(), 1) + content; }
Bytes vector16(const Bytes& content) { return be(content.size(), 2) + content; }

Bytes extension(uint16_t type, const Bytes& content) { return be(type, 2) + vector16(content); }
Bytes name_entry(std::string_view name, uint8_t type = 0) { return Bytes{type} + vector16(text(name)); }
Bytes server_name(const Bytes& entries) { return extension(0, vector16(entries)); }
Bytes server_name(std::string_view name) { return server_name(name_entry(name)); }

// A ClientHello in its parts, each of them with its length.
struct Hello {
  Bytes session_id = vector8(Bytes(32, 0x5e));
  Bytes cipher_suites = vector16({0x13, 0x01, 0x13, 0x02});
  Bytes compression = vector8({0});
  Bytes extensions = vector16({});

  static Hello with(const Bytes& content) { return {.extensions = vector16(content)}; }
  Bytes message(uint8_t type = 1) const {
    const Bytes body = Bytes{3, 3} + Bytes(32, 0x7a) + session_id + cipher_suites + compression + extensions;
    return Bytes{type} + be(body.size(), 3) + body;
  }
};

Bytes record(const Bytes& content, uint8_t type = 22, uint8_t major = 3) {
  return Bytes{type, major, 1} + vector16(content);
}

// `message` cut into records of `bytes` each.
Bytes cut(const Bytes& message, size_t bytes) {
  Bytes stream;
  for (size_t at = 0; at < message.size(); at += bytes) {
    const size_t end = std::min(at + bytes, message.size());
    stream =
        stream + record({message.begin() + static_cast<ptrdiff_t>(at), message.begin() + static_cast<ptrdiff_t>(end)});
  }
  return stream;
}

struct Answer {
  HelloVerdict verdict;
  std::string name;
  size_t bytes_wanted = 0;
  bool operator==(const Answer&) const = default;
};
void PrintTo(const Answer& answer, std::ostream* out) {
  *out << "verdict " << static_cast<unsigned>(answer.verdict) << " name \"" << answer.name << "\" wanted "
       << answer.bytes_wanted;
}

// The first `bytes` of the stream, in memory that ends behind them.
Answer read(std::span<const uint8_t> stream, size_t bytes) {
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes]);
  std::copy_n(stream.begin(), bytes, memory.get());
  std::array<char, kServerNameBytesMax> storage;
  const HelloName found = read_client_hello({memory.get(), bytes}, storage);
  EXPECT_EQ(found.verdict == named, !found.name.empty());
  EXPECT_EQ(found.verdict == more, found.bytes_wanted != 0);
  EXPECT_TRUE(found.name.empty() || found.name.data() == storage.data());
  return {found.verdict, std::string(found.name), found.bytes_wanted};
}
Answer read(std::span<const uint8_t> stream) { return read(stream, stream.size()); }
Answer read(const Hello& hello) { return read(record(hello.message())); }
Answer read_extensions(const Bytes& content) { return read(Hello::with(content)); }
Answer read_name(std::string_view name) { return read_extensions(server_name(name)); }

// Every beginning of the stream wants more, and says truly how much, until the verdict at `decided_bytes`.
void expect_more_until(size_t decided_bytes, std::span<const uint8_t> stream, const Answer& decided) {
  size_t wanted = 0;
  for (size_t bytes = 0; bytes < decided_bytes; ++bytes) {
    const Answer answer = read(stream, bytes);
    ASSERT_EQ(answer.verdict, more) << bytes;
    ASSERT_GT(answer.bytes_wanted, bytes);
    ASSERT_LE(answer.bytes_wanted, decided_bytes);
    ASSERT_TRUE(bytes >= wanted || answer.bytes_wanted == wanted) << "nothing new at " << bytes;
    wanted = answer.bytes_wanted;
  }
  EXPECT_EQ(wanted, decided_bytes);
  for (size_t bytes = decided_bytes; bytes <= stream.size(); ++bytes) ASSERT_EQ(read(stream, bytes), decided) << bytes;
}
void expect_more_until_whole(std::span<const uint8_t> stream, const Answer& whole) {
  expect_more_until(stream.size(), stream, whole);
}

TEST(read_client_hello, reads_what_openssl_sends) {
  expect_more_until_whole(kOpensslNamed, {named, "www.example.org"});
  expect_more_until_whole(kOpensslUnnamed, {unnamed, ""});
}

TEST(read_client_hello, finds_the_name_among_other_extensions) {
  const Bytes before = extension(0x0a0a, {}) + extension(0x002b, {2, 3, 4});
  const Bytes behind = extension(0x0033, Bytes(300, 0xab)) + extension(0x0015, Bytes(100, 0));
  EXPECT_EQ(read_name("a.example"), (Answer{named, "a.example"}));
  EXPECT_EQ(read_extensions(before + server_name("a.example") + behind), (Answer{named, "a.example"}));
  EXPECT_EQ(read_extensions(server_name("a.example") + behind), (Answer{named, "a.example"}));
  EXPECT_EQ(read_extensions(before + server_name("a.example")), (Answer{named, "a.example"}));
  // An encrypted hello (ECH) shows an outer name.
  EXPECT_EQ(read_extensions(extension(0xfe0d, Bytes(200, 0xec)) + server_name("outer.example")),
            (Answer{named, "outer.example"}));
}

TEST(read_client_hello, is_unnamed_without_the_extension) {
  EXPECT_EQ(read_extensions({}), (Answer{unnamed, ""}));
  EXPECT_EQ(read_extensions(extension(0x002b, {2, 3, 4})), (Answer{unnamed, ""}));
  EXPECT_EQ(read(Hello{.extensions = {}}), (Answer{unnamed, ""})) << "TLS 1.2 and before: no extensions at all";
}

TEST(read_client_hello, takes_every_size_that_a_field_may_have) {
  const Bytes named_extension = vector16(server_name("a.example"));
  for (size_t bytes = 0; bytes <= 32; ++bytes)
    EXPECT_EQ(read(Hello{.session_id = vector8(Bytes(bytes, 1)), .extensions = named_extension}).verdict, named);
  for (size_t bytes = 2; bytes <= 600; bytes += 2)
    EXPECT_EQ(read(Hello{.cipher_suites = vector16(Bytes(bytes, 1)), .extensions = named_extension}).verdict, named);
  for (size_t bytes = 1; bytes <= 255; ++bytes)
    EXPECT_EQ(read(Hello{.compression = vector8(Bytes(bytes, 1)), .extensions = named_extension}).verdict, named);
}

TEST(read_client_hello, gives_names_in_one_form) {
  for (const auto& [sent, name] :
       std::initializer_list<std::pair<std::string, std::string>>{{"a", "a"},
                                                                  {"WWW.Example.ORG", "www.example.org"},
                                                                  {"AZaz09-_.example", "azaz09-_.example"},
                                                                  {"a.example.", "a.example"},
                                                                  {"xn--bcher-kva.example", "xn--bcher-kva.example"},
                                                                  {"_srv._tcp.example", "_srv._tcp.example"},
                                                                  {"1.2.3.4.example", "1.2.3.4.example"},
                                                                  {"1.2.3.4a", "1.2.3.4a"},
                                                                  {"-", "-"}})
    EXPECT_EQ(read_name(sent), (Answer{named, name})) << sent;
  EXPECT_EQ(read_name(std::string(255, 'n')), (Answer{named, std::string(255, 'n')}));
  EXPECT_EQ(read_name(std::string(254, 'N') + "."), (Answer{named, std::string(254, 'n')}));
}

TEST(read_client_hello, is_unnamed_by_what_dns_could_not_hold) {
  for (const std::string_view sent : {"192.0.2.1",
                                      "192.0.2.1.",
                                      "1",
                                      "a.1",
                                      "2001:db8::1",
                                      "[::1]",
                                      ".",
                                      "..",
                                      ".a",
                                      "a..",
                                      "a..b",
                                      "a b",
                                      "a/b",
                                      "a\n",
                                      "b\xc3\xbc"
                                      "cher.example",
                                      "*.example",
                                      "a:443",
                                      "@",
                                      "[",
                                      "`",
                                      "{"})
    EXPECT_EQ(read_name(sent), (Answer{unnamed, ""})) << sent;
  EXPECT_EQ(read_name(std::string_view("a\0b", 3)), (Answer{unnamed, ""}));
  EXPECT_EQ(read_name(std::string_view("\0", 1)), (Answer{unnamed, ""}));
  EXPECT_EQ(read_name(std::string(256, 'n')), (Answer{unnamed, ""}));
  EXPECT_EQ(read_name(std::string(255, 'n') + "."), (Answer{unnamed, ""}));
  EXPECT_EQ(read_name(std::string(5000, 'n')), (Answer{unnamed, ""}));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    EXPECT_EQ(read_name(std::string("x") + c + "x").verdict, good || c == '.' ? named : unnamed) << byte;
  }
}

TEST(read_client_hello, passes_over_names_of_other_types) {
  EXPECT_EQ(read_extensions(
                server_name(name_entry("x", 7) + name_entry("a.example") + name_entry("zz", 9) + name_entry("", 9))),
            (Answer{named, "a.example"}));
  EXPECT_EQ(read_extensions(server_name(name_entry("a.example", 1))), (Answer{unnamed, ""}));
}

TEST(read_client_hello, refuses_two_names) {
  EXPECT_EQ(read_extensions(server_name(name_entry("a.example") + name_entry("b.example"))).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name(name_entry("a.example") + name_entry("a.example"))).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name(name_entry("10.0.0.1") + name_entry("a.example"))).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name("a.example") + server_name("b.example")).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name("10.0.0.1") + extension(9, {}) + server_name("b.example")).verdict, malformed);
}

TEST(read_client_hello, refuses_wrong_lengths_of_the_name) {
  const Bytes entry = name_entry("a.example");
  EXPECT_EQ(read_extensions(extension(0, {})).verdict, malformed) << "only a server answers with an empty one";
  EXPECT_EQ(read_extensions(extension(0, {0})).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name(Bytes{})).verdict, malformed) << "the list has at least one name";
  EXPECT_EQ(read_name("").verdict, malformed) << "a name has at least one byte";
  EXPECT_EQ(read_extensions(extension(0, be(entry.size() - 1, 2) + entry)).verdict, malformed);
  EXPECT_EQ(read_extensions(extension(0, be(entry.size() + 1, 2) + entry)).verdict, malformed);
  EXPECT_EQ(read_extensions(extension(0, vector16(entry) + Bytes{0})).verdict, malformed);
  // A list that ends within an entry, at each of its bytes.
  for (size_t bytes = 1; bytes < entry.size(); ++bytes)
    EXPECT_EQ(read_extensions(server_name({entry.begin(), entry.begin() + static_cast<ptrdiff_t>(bytes)})).verdict,
              malformed);
  // The name may not reach into the next extension.
  EXPECT_EQ(
      read_extensions(extension(0, vector16(Bytes{0} + be(20, 2) + text("a"))) + extension(9, Bytes(40, 'a'))).verdict,
      malformed);
}

TEST(read_client_hello, refuses_wrong_lengths_of_the_hello) {
  const Bytes good = vector16(server_name("a.example"));
  EXPECT_EQ(read(Hello{.session_id = vector8(Bytes(33, 1)), .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.session_id = {255}, .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.cipher_suites = vector16({}), .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.cipher_suites = vector16(Bytes(3, 1)), .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.cipher_suites = be(0xfffe, 2), .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.compression = vector8({}), .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.compression = {255}, .extensions = good}).verdict, malformed);
  EXPECT_EQ(read(Hello{.extensions = {0}}).verdict, malformed) << "half a length";
  EXPECT_EQ(read(Hello{.extensions = be(1, 2)}).verdict, malformed);
  EXPECT_EQ(read(Hello{.extensions = good + Bytes{0}}).verdict, malformed) << "bytes behind the extensions";
  EXPECT_EQ(read_extensions({0}).verdict, malformed);
  EXPECT_EQ(read_extensions(be(9, 2) + be(1, 2)).verdict, malformed) << "an extension longer than what is left";
  EXPECT_EQ(read_extensions(server_name("a.example") + be(9, 2) + be(5, 2) + Bytes(4, 0)).verdict, malformed);
  EXPECT_EQ(read_extensions(server_name("a.example") + Bytes(3, 9)).verdict, malformed);
}

// The message says that it ends earlier than its fields do: at no place can that be a hello, but before the extensions.
TEST(read_client_hello, refuses_a_hello_that_ends_early) {
  const Bytes message = Hello::with(server_name("a.example")).message();
  const size_t extensions_at = Hello{.extensions = {}}.message().size();
  for (size_t bytes = 4; bytes < message.size(); ++bytes) {
    const HelloVerdict verdict = bytes == extensions_at ? unnamed : malformed;
    Bytes shorter = message;
    shorter[3] = static_cast<uint8_t>(bytes - 4);
    EXPECT_EQ(read(record(shorter)).verdict, verdict) << bytes << ", and the record goes on";
    shorter.resize(bytes);
    EXPECT_EQ(read(record(shorter)).verdict, verdict) << bytes;
  }
}

TEST(read_client_hello, reads_across_records_of_every_size) {
  for (const std::string name : {"www.example.org", "192.0.2.1"}) {
    const Bytes message = Hello::with(extension(9, {1, 2, 3}) + server_name(name) + extension(8, {4})).message();
    const Answer whole = read(record(message));
    for (size_t bytes = 1; bytes <= message.size(); ++bytes) {
      SCOPED_TRACE(bytes);
      expect_more_until_whole(cut(message, bytes), whole);
    }
  }
  const Bytes openssl(std::begin(kOpensslNamed) + 5, std::end(kOpensslNamed));
  for (size_t bytes = 1; bytes <= openssl.size(); ++bytes)
    EXPECT_EQ(read(cut(openssl, bytes)), (Answer{named, "www.example.org"})) << bytes;
}

TEST(read_client_hello, does_not_look_behind_the_hello) {
  const Bytes message = Hello::with(server_name("a.example")).message();
  const Answer whole = {named, "a.example"};
  EXPECT_EQ(read(record(message) + record({1}, 20) + record(Bytes(50, 0xee), 23)), whole) << "early data";
  EXPECT_EQ(read(record(message) + text("GET / HTTP/1.0")), whole);
  EXPECT_EQ(read(record(message + Bytes{1, 2, 3})), whole) << "the record goes on";
  EXPECT_EQ(read(record(message) + Bytes(3 * kHelloBytesMax, 0)), whole);
}

TEST(read_client_hello, knows_other_protocols_by_their_first_bytes) {
  for (unsigned byte = 0; byte < 256; ++byte)
    EXPECT_EQ(read(Bytes{static_cast<uint8_t>(byte)}).verdict, byte == 22 ? more : not_tls) << byte;
  EXPECT_EQ(read(text("GET / HTTP/1.1\r\n\r\n")).verdict, not_tls);
  EXPECT_EQ(read(text("SSH-2.0-client\r\n")).verdict, not_tls);
  EXPECT_EQ(read(Bytes{0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10}).verdict, not_tls) << "a hello of SSL 2.0";
  const Bytes message = Hello::with(server_name("a.example")).message();
  for (const uint8_t type : {20, 21, 23, 24}) EXPECT_EQ(read(record(message, type)).verdict, not_tls);
  for (const uint8_t major : {0, 1, 2, 4, 254}) EXPECT_EQ(read(record(message, 22, major)).verdict, not_tls);
}

TEST(read_client_hello, refuses_what_interrupts_a_hello) {
  const Bytes message = Hello::with(server_name("a.example")).message();
  for (size_t at = 1; at < message.size(); ++at) {
    const auto middle = message.begin() + static_cast<ptrdiff_t>(at);
    const Bytes first = record({message.begin(), middle}), rest = {middle, message.end()};
    ASSERT_EQ(read(first + record(rest)).verdict, named);
    EXPECT_EQ(read(first + record({1}, 20) + record(rest)).verdict, malformed) << "a change of cipher specs";
    EXPECT_EQ(read(first + record({2, 40}, 21)).verdict, malformed) << "an alert";
    EXPECT_EQ(read(first + record(rest, 22, 2)).verdict, malformed);
    EXPECT_EQ(read(first + record({})).verdict, malformed) << "an empty record";
    EXPECT_EQ(read(first + Bytes{22, 3, 3} + be(16'385, 2)).verdict, malformed);
  }
}

TEST(read_client_hello, refuses_bad_first_records) {
  EXPECT_EQ(read(record({})).verdict, malformed);
  EXPECT_EQ(read(Bytes{22, 3, 1} + be(16'385, 2)).verdict, malformed);
  EXPECT_EQ(read(Bytes{22, 3, 1} + be(16'384, 2)), (Answer{more, "", 9}));
  const Hello hello = Hello::with(server_name("a.example"));
  for (const uint8_t type : {0, 2, 4, 11, 20, 255}) EXPECT_EQ(read(record(hello.message(type))).verdict, malformed);
  EXPECT_EQ(read(record({1, 0, 0, 0})).verdict, malformed) << "a hello of no bytes";
}

TEST(read_client_hello, wants_what_the_lengths_say) {
  const Bytes message = Hello::with(server_name("a.example")).message();
  const Bytes stream = record(message);
  EXPECT_EQ(read(stream, 0), (Answer{more, "", 1}));
  for (size_t bytes = 1; bytes < 5; ++bytes) EXPECT_EQ(read(stream, bytes), (Answer{more, "", 5}));
  for (size_t bytes = 5; bytes < 9; ++bytes) EXPECT_EQ(read(stream, bytes), (Answer{more, "", 9}));
  for (size_t bytes = 9; bytes < stream.size(); ++bytes)
    EXPECT_EQ(read(stream, bytes), (Answer{more, "", stream.size()}));
  // In records of 3 bytes: never further than the next header, since what it says is not known.
  const Bytes threes = cut(message, 3);
  EXPECT_EQ(read(threes, 5), (Answer{more, "", 8 + 5}));
  EXPECT_EQ(read(threes, 13), (Answer{more, "", 8 + 6}));
  EXPECT_EQ(read(threes, 14), (Answer{more, "", 16 + 5}));
}

// A hello whose last byte is byte `stream_bytes` of the stream, in records of `record_bytes`.
Bytes hello_of(size_t stream_bytes, size_t record_bytes) {
  const size_t record_count = (stream_bytes + record_bytes + 4) / (record_bytes + 5);
  const size_t fixed_bytes = Hello::with(server_name("a.example") + extension(9, {})).message().size();
  const size_t fill = stream_bytes - 5 * record_count - fixed_bytes;
  return cut(Hello::with(server_name("a.example") + extension(9, Bytes(fill, 0))).message(), record_bytes);
}

TEST(read_client_hello, reads_up_to_the_bound_and_no_further) {
  for (const size_t record_bytes : {size_t{16'384}, size_t{4096}, size_t{120}, size_t{12}}) {
    SCOPED_TRACE(record_bytes);
    const Bytes fits = hello_of(kHelloBytesMax, record_bytes);
    ASSERT_EQ(fits.size(), kHelloBytesMax);
    expect_more_until_whole(fits, {named, "a.example"});
    for (const size_t surplus_bytes : {1, 30}) {
      const Bytes over = hello_of(kHelloBytesMax + surplus_bytes, record_bytes);
      ASSERT_EQ(over.size(), kHelloBytesMax + surplus_bytes);
      // That it is too long shows with the header of some record, at the latest.
      size_t refused_bytes = 0;
      while (read(over, refused_bytes).verdict == more) ++refused_bytes;
      expect_more_until(refused_bytes, over, {too_long, ""});
    }
  }
}

TEST(read_client_hello, refuses_a_long_hello_as_soon_as_it_says_so) {
  const Bytes first = {22, 3, 1, 1, 0, 1};
  EXPECT_EQ(read(first + be(kHelloBytesMax - 8, 3)).verdict, too_long);
  EXPECT_EQ(read(first + be(0x010000, 3)).verdict, too_long);
  EXPECT_EQ(read(first + be(0xffffff, 3)).verdict, too_long);
  EXPECT_EQ(read(Bytes{22, 3, 1, 0x40, 0, 1} + be(kHelloBytesMax - 9, 3)), (Answer{more, "", kHelloBytesMax}));
}

}  // namespace
}  // namespace millrace
