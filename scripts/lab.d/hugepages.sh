# Part of scripts/quickstart and scripts/test: 2 MB hugepages for DPDK, given back afterwards.

hugepages_file=/proc/sys/vm/nr_hugepages
hugepages_before=

# reserve_hugepages COUNT: makes sure that so many are free; remembers how many there were.
reserve_hugepages() {
  local free total
  free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
  total=$(cat "$hugepages_file")
  [ "${free:-0}" -lt "$1" ] || return 0
  hugepages_before=$total
  echo "reserving hugepages: $((total + $1 - free)) x 2 MB, $total before"
  echo $((total + $1 - free)) >"$hugepages_file"
  free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
  [ "$free" -ge "$1" ] && return 0
  echo "only $free of $1 hugepages of 2 MB are free, memory is short or in pieces; run:" \
    "echo 1 > /proc/sys/vm/compact_memory, or start again with more memory" >&2
  return 1
}

restore_hugepages() {
  [ -z "$hugepages_before" ] || echo "$hugepages_before" >"$hugepages_file"
  hugepages_before=
}
