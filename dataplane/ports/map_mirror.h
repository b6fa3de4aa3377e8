// map_mirror.h: one map of the XDP program and our copy of it, so that only what differs is written.
// Thread: main lcore.
// Tests:  tests/unit/ports/{af_xdp,xdp_blocklist}_test.cpp
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace millrace {

template <typename Value>
struct ByBytes {
  bool operator()(const Value& left, const Value& right) const { return std::memcmp(&left, &right, sizeof left) < 0; }
};

inline bool equal_bytes(const auto& left, const auto& right) { return std::memcmp(&left, &right, sizeof left) == 0; }

template <typename Key, typename Value>
class MapMirror {
 public:
  using Rows = std::map<Key, Value, ByBytes<Key>>;

  // Reads what is there: a take-over finds the entries of the dataplane that died.
  void open(int fd, const char* name) {
    fd_ = fd;
    name_ = name;
    Key key{};
    for (bool more = bpf_map_get_next_key(fd_, nullptr, &key) == 0; more;) {
      Value value{};
      if (bpf_map_lookup_elem(fd_, &key, &value) == 0) rows_.emplace(key, value);
      Key next{};
      more = bpf_map_get_next_key(fd_, &key, &next) == 0;
      key = next;
    }
  }

  // Adds or changes. On failure the map is as before the call.
  bool put(const Rows& wanted, std::string& error) {
    Rows changed;  // with their old values; what was not there is in `added`
    std::vector<Key> added;
    for (const auto& [key, value] : wanted) {
      const auto row = rows_.find(key);
      if (row != rows_.end() && equal_bytes(row->second, value)) continue;
      if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) != 0) {
        error = std::string("the XDP program's map ") + name_ + " refuses an entry: " + std::strerror(errno);
        for (const Key& gone : added) erase(gone);
        for (const auto& [old_key, old_value] : changed) write(old_key, old_value);
        return false;
      }
      if (row == rows_.end())
        added.push_back(key);
      else
        changed.emplace(key, row->second);
      rows_[key] = value;
    }
    return true;
  }

  void remove_others(const Rows& wanted) {
    std::vector<Key> gone;
    for (const auto& [key, value] : rows_)
      if (!wanted.contains(key)) gone.push_back(key);
    for (const Key& key : gone) erase(key);
  }

  const Rows& rows() const { return rows_; }

 private:
  void erase(const Key& key) {
    bpf_map_delete_elem(fd_, &key);
    rows_.erase(key);
  }
  void write(const Key& key, const Value& value) {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) == 0) rows_[key] = value;
  }

  int fd_ = -1;
  const char* name_ = "";
  Rows rows_;
};

}  // namespace millrace
