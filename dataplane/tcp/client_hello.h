// client_hello.h: reads the server name (SNI) that a TLS client asks for from the first bytes of its stream (RFC 8446
// sections 4.1.2 and 5.1, RFC 6066 section 3). Nothing is decrypted: of an encrypted hello (ECH) it is the outer name.
// Thread: any; pure.
// Holds:  a verdict but `more` is final: more bytes of the stream never change it. So nothing is said about a hello
//         before all of it is there, whatever its beginning says.
// Bound:  kHelloBytesMax bytes are looked at, each at most three times a call; only a name is copied.
// Fails:  by verdict; nothing is read outside of the stream.
// Tests:  tests/unit/tcp/client_hello_test.cpp, tests/fuzz/client_hello_fuzz.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace {

// Several times what browsers send, with key shares for post-quantum exchange. Less would refuse clients with large
// tickets, more would let each client that never finishes make us hold more.
inline constexpr size_t kHelloBytesMax = 16 * 1024;  // of the stream, record headers included
inline constexpr size_t kServerNameBytesMax = 255;   // a DNS name (RFC 1035 section 2.3.4)

enum class HelloVerdict : uint8_t {
  more,       // good so far, but not whole
  named,      // a hello with a name
  unnamed,    // a hello without one, or with one that DNS could not hold: an address, other characters, too long
  not_tls,    // another protocol; so is a hello in the form of SSL 2.0
  malformed,  // begins as TLS and breaks its rules
  too_long,   // would end beyond kHelloBytesMax
};

struct HelloName {
  HelloVerdict verdict{};
  // more: with fewer bytes than these, counted from the start of the stream, the verdict stays `more`. At most
  // kHelloBytesMax, and more than the stream had.
  size_t bytes_wanted = 0;
  // named: in lower case, without a final dot. Points into `storage`.
  std::string_view name;
};

// `stream`: what the client has sent so far, from its first byte. What follows the hello is not looked at.
HelloName read_client_hello(std::span<const uint8_t> stream, std::span<char, kServerNameBytesMax> storage);

}  // namespace millrace
