#!/bin/sh
# Before the daemons start: the kernel's interfaces of two VLANs, with its addresses there. Where it has no 8021q a veth
# stands in, to whose far end the tests carry the frames (harness/vlan.py). In VLAN 200 is what elsewhere is behind `back`.
set -e

# vlan DEVICE ID MAC ADDRESS4 ADDRESS6
vlan() {
  ip link add link "$1" name "$1$2" type vlan id "$2" 2>/dev/null || {
    ip link add "$1$2" type veth peer name "$1far"
    ethtool -K "$1$2" tx off rx off gro off gso off tso off >/dev/null
    ethtool -K "$1far" tx off rx off gro off gso off tso off >/dev/null
    sysctl -qw "net.ipv6.conf.$1far.disable_ipv6=1"
    ip link set dev "$1far" up
  }
  ip link set dev "$1$2" address "$3" up
  ip address add "$4" dev "$1$2"
  ip address add "$5" dev "$1$2" nodad
}

ip address flush dev back scope global
vlan front 100 02:00:00:00:01:01 198.51.100.1/24 2001:db8:100::1/64
vlan back 200 02:00:00:00:02:01 10.72.0.1/16 fd72::1/64
