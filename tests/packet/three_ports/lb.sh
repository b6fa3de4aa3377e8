#!/bin/sh
# Before the daemons start: a third wire, whose far end is in the clients' namespace.
set -e
ip link add side type veth peer name sidewire netns mp-client
ethtool -K side tx off rx off gro off gso off tso off >/dev/null
ip netns exec mp-client ethtool -K sidewire tx off rx off gro off gso off tso off >/dev/null
ip netns exec mp-client sysctl -qw net.ipv6.conf.sidewire.disable_ipv6=1
ip -n mp-client link set dev sidewire up
ip link set dev side address 02:00:00:00:03:01 up
ip address add 192.0.2.1/24 dev side
ip address add 2001:db8:30::1/64 dev side nodad
