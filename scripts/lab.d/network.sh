# Part of scripts/lab: namespaces, links, addresses. Uses name, run_dir, roles, backends, in_ns of the caller.

# veths of the packet path carry whole frames with finished checksums, one wire packet each: AF_XDP and af_packet see
# frames as they are, and so does whoever captures.
plain_link() { in_ns "$1" ethtool -K "$2" tx off rx off gro off gso off tso off >/dev/null; }

# join ROLE_A DEV_A ROLE_B DEV_B: one veth pair between two namespaces.
join() {
  ip link add "$2" netns "$name-$1" type veth peer name "$4" netns "$name-$3"
  plain_link "$1" "$2"
  plain_link "$3" "$4"
}

# address ROLE DEV V4 V6: no duplicate address detection, so that the address works at once.
address() {
  in_ns "$1" ip address add "$3" dev "$2"
  in_ns "$1" ip address add "$4" dev "$2" nodad
  in_ns "$1" ip link set "$2" up
}

make_network() {
  local role number
  for role in $roles; do
    ip netns add "$name-$role"
    in_ns "$role" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
      net.ipv6.conf.default.accept_ra=0 net.ipv4.ip_forward=0 net.ipv4.ping_group_range="0 2147483647"
    in_ns "$role" ip link set lo up
  done

  join client eth0 lb front
  address client eth0 203.0.113.2/24 2001:db8:10::2/64
  address lb front 203.0.113.1/24 2001:db8:10::1/64

  in_ns fabric ip link add switch type bridge forward_delay 0
  in_ns fabric ip link set switch up
  join lb back fabric lb
  in_ns fabric ip link set lb master switch up
  address lb back 10.72.0.1/16 fd72::1/64

  number=0
  for role in $backends; do
    number=$((number + 1))
    join "$role" eth0 fabric "$role"
    in_ns fabric ip link set "$role" master switch up
    address "$role" eth0 "10.72.1.$number/16" "fd72::2$number/64"
    in_ns "$role" ip route add default via 10.72.0.1
    in_ns "$role" ip -6 route add default via fd72::1
    # Tests open connections by the ten thousand: let the accept queues take a burst.
    in_ns "$role" sysctl -qw net.core.somaxconn=8192 net.ipv4.tcp_max_syn_backlog=8192
    # A lab restarts its dataplane every minute. The new one's SNAT ports would now and then meet TIME_WAIT of the old
    # one's: the client tries again after 15 ms and gets another backend, and the spread is uneven.
    in_ns "$role" sysctl -qw net.ipv4.tcp_max_tw_buckets=0
  done
  make_direct_way
  in_ns client sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1
}

# The way of answers past lb, and the backends' end of modes dsr and tunnel.
make_direct_way() {
  local role number
  join router fab fabric router
  in_ns fabric ip link set router master switch up
  address router fab 10.72.0.99/16 fd72::99/64
  join router out client direct
  address router out 198.51.100.1/24 2001:db8:98::1/64
  address client direct 198.51.100.2/24 2001:db8:98::2/64
  in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.fab.send_redirects=0
  in_ns router ip route add 203.0.113.2 via 198.51.100.2
  in_ns router ip route add 2001:db8:10::2 via 2001:db8:98::2
  in_ns router ip route add 203.0.113.11 via 10.72.0.1
  in_ns router ip route add 2001:db8:10::11 via fd72::1

  clang -O2 -g -target bpf -I/usr/include/x86_64-linux-gnu -c "$lab_d/decap.bpf.c" -o "$run_dir/decap.o"
  number=0
  for role in $backends; do
    number=$((number + 1))
    # Nobody but lb answers for the VIP on the wire.
    in_ns "$role" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    in_ns "$role" ip address add 203.0.113.11/32 dev lo
    in_ns "$role" ip address add 2001:db8:10::11/128 dev lo nodad
    in_ns "$role" ip route add default via 10.72.0.99 table 100
    in_ns "$role" ip -6 route add default via fd72::99 table 100
    in_ns "$role" ip rule add from 203.0.113.11 lookup 100
    in_ns "$role" ip -6 rule add from 2001:db8:10::11 lookup 100
    in_ns "$role" ip link set dev eth0 xdpgeneric obj "$run_dir/decap.o" sec xdp
    # Addresses that lb reaches by way of router only, on a way that may be made narrower.
    in_ns "$role" ip address add "10.73.1.$number/32" dev lo
    in_ns "$role" ip address add "fd73::2$number/128" dev lo nodad
    in_ns router ip route add "10.73.1.$number" via "10.72.1.$number"
    in_ns router ip route add "fd73::2$number" via "fd72::2$number"
  done
  in_ns lb ip route add 10.73.0.0/16 via 10.72.0.99
  in_ns lb ip route add fd73::/64 via fd72::99
}

# Everything of this lab, whatever state it is in; what is not there is no error.
remove_all() {
  local role pids
  stop_daemons
  for role in $roles; do
    ip netns list | grep -q "^$name-$role\b" || continue
    pids=$(ip netns pids "$name-$role")
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
  done
  for role in $roles; do
    ip netns list | grep -q "^$name-$role\b" || continue
    wait_gone "$role"
    ip netns delete "$name-$role"
  done
  rm -rf "$run_dir" "/dev/shm/millrace-$name.segment" "/dev/shm/millrace-$name.segment.lock"
  rmdir --ignore-fail-on-non-empty "$(dirname "$run_dir")" 2>/dev/null || true
}

# A namespace lives as long as a process in it: give them two seconds to end, then no more choice.
wait_gone() {
  local turn pids
  for turn in $(seq 20); do
    pids=$(ip netns pids "$name-$1")
    [ -n "$pids" ] || return 0
    sleep 0.1
  done
  kill -9 $pids 2>/dev/null || true
}
