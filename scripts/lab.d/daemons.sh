# Part of scripts/lab: millrace-dataplane and millraced in lb, started and stopped by their process ids.

daemons="millrace-dataplane millraced"

program_of() {
  case $1 in
    millrace-dataplane) echo "$build/dataplane/millrace-dataplane" ;;
    millraced) echo "$build/controlplane/millraced" ;;
  esac
}

# Not one that has ended and only waits for its parent to notice.
runs() { grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; }

# The id of a daemon of this lab that runs; fails when there is none.
pid_of() {
  local pid
  pid=$(cat "$run_dir/$1.pid" 2>/dev/null) && runs "$pid" && [ "$(cat "/proc/$pid/comm")" = "${1:0:15}" ] && echo "$pid"
}

write_config() {
  local kind=af_xdp queues=1
  [ "$port" = af_xdp ] || { kind=af_packet queues=2; }
  sed -e "s|@WORKERS@|0-$((workers - 1))|; s|\"0-0\"|\"0\"|" -e "s|@IDLE@|$idle|" -e "s|@KIND@|$kind|" \
    -e "s|@QUEUES@|$queues|" -e "s|@NAME@|$name|" -e "s|@DIR@|$run_dir|" "$lab_d/config.toml.in" >"$run_dir/millrace.toml"
}

# start_daemon NAME: in lb, cut off from this terminal, log in the run folder.
start_daemon() {
  local program
  program=$(program_of "$1")
  [ -x "$program" ] || die "$program is not there; run: scripts/dev build"
  ip netns exec "$name-lb" setsid "$program" --config "$run_dir/millrace.toml" >"$run_dir/$1.log" 2>&1 </dev/null &
  echo $! >"$run_dir/$1.pid"
}

start_daemons() {
  local daemon
  for daemon in $daemons; do
    ! pid_of "$daemon" >/dev/null || die "$daemon already runs; run: scripts/lab stop --name $name"
  done
  if [ -n "$config" ]; then cp "$config" "$run_dir/millrace.toml"; else write_config; fi
  for daemon in $daemons; do start_daemon "$daemon"; done
  wait_ready || { show_logs; stop_daemons; die "the daemons did not become ready"; }
  echo "lab '$name': millrace-dataplane and millraced serve; logs in $run_dir"
}

# Ready: the dataplane runs the configuration, and every backend that may be up is up.
wait_ready() {
  local turn daemon
  for turn in $(seq 300); do
    for daemon in $daemons; do runs "$(cat "$run_dir/$daemon.pid")" || return 1; done
    ! "$build/controlplane/millctl" --socket "$run_dir/millrace.sock" --json status 2>/dev/null |
      /usr/bin/python3 "$lab_d/is_ready" || return 0
    sleep 0.1
  done
  return 1
}

show_logs() {
  local daemon
  for daemon in $daemons; do
    echo "--- $daemon: last lines of $run_dir/$daemon.log" >&2
    tail -n 15 "$run_dir/$daemon.log" >&2 || true
  done
}

stop_daemons() {
  local daemon pid turn
  for daemon in millraced millrace-dataplane; do
    pid=$(pid_of "$daemon") || continue
    kill "$pid"
    for turn in $(seq 100); do
      runs "$pid" || break
      sleep 0.1
    done
    ! runs "$pid" || { echo "lab: $daemon did not end within 10 s and is killed" >&2; kill -9 "$pid"; }
    rm -f "$run_dir/$daemon.pid"
  done
}
