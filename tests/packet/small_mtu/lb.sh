#!/bin/sh
# Before the daemons start: packets to backends have at most 1,300 bytes.
exec ip link set dev back mtu 1300
