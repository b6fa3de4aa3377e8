// veth_pair.h: two network namespaces of the test's own, joined by a veth pair: "here", where the test's thread lives
// as long as the object, with interface `here`, and "there" with interface `there`. Needs root. Addresses: 10.77.0.1/24
// and fd77::1/64 here, .2 and ::2 there; offloads off, duplicate address detection off.
#pragma once

#include <functional>
#include <string>

namespace millrace {

class VethPair {
 public:
  VethPair();   // throws std::runtime_error
  ~VethPair();  // back to the namespace from before; the kernel removes the two
  VethPair(const VethPair&) = delete;
  VethPair& operator=(const VethPair&) = delete;

  static constexpr char kHere[] = "here";
  static constexpr char kThere[] = "there";

  // A shell command that must succeed.
  void run(const std::string& command) const;
  void run_there(const std::string& command) const;
  // Runs with this thread inside "there": for sockets, which stay there.
  void in_there(const std::function<void()>& what) const;

 private:
  int before_ = -1;
  int here_ = -1;
  int there_ = -1;
};

// Makes the kernel tell of some 20,000 new neighbours of `here`, 10.77.1.1 and up, at once.
void flood_neighbours(const VethPair& net);

// A frame as it stands on the wire, by raw socket on an interface of the thread's namespace.
class RawSocket {
 public:
  explicit RawSocket(const std::string& interface);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void send(const std::string& frame) const;
  // The next frame for which `wanted` holds, within the time; empty when none came.
  std::string receive(int timeout_ms, const std::function<bool(const std::string&)>& wanted) const;

 private:
  int fd_;
};

}  // namespace millrace
