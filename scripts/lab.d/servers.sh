# Part of scripts/lab: what runs in each backend: nginx that answers with the backend's name, iperf3, a UDP echo,
# a server that speaks first.

start_servers() {
  local role port
  mkdir -p "$run_dir/www"
  head -c 64M /dev/urandom >"$run_dir/www/big.bin"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab.test \
    -keyout "$run_dir/lab.key" -out "$run_dir/lab.crt" 2>/dev/null
  for role in $backends; do
    mkdir -p "$run_dir/$role"
    sed -e "s|@ROLE@|$role|g" -e "s|@DIR@|$run_dir/$role|g" -e "s|@WWW@|$run_dir/www|g" \
      "$lab_d/nginx.conf.in" >"$run_dir/$role/nginx.conf"
    in_ns "$role" nginx -p "$run_dir/$role" -e "$run_dir/$role/error.log" -c "$run_dir/$role/nginx.conf"
    serve "$role" iperf3 iperf3 --server --port 5201
    # Of datagrams the answer's source is the address that the socket is bound to.
    for port in 5202 5203; do
      serve "$role" "iperf3_${port}_4" iperf3 --server --port "$port" --bind 203.0.113.11
      serve "$role" "iperf3_${port}_6" iperf3 --server --port "$port" --bind 2001:db8:10::11
    done
    serve "$role" greeter "$lab_d/greeter" "$role" 25
    serve "$role" udp_echo "$lab_d/udp_echo" "$role" 53
  done
  for role in $backends; do
    wait_until 50 in_ns "$role" curl -sf -o /dev/null http://127.0.0.1/ ||
      die "nginx in $role does not answer; see $run_dir/$role/error.log"
  done
}

# serve ROLE LOG CMD...: in the background, cut off from this terminal.
serve() {
  local role=$1 log=$run_dir/$1/$2.log
  shift 2
  in_ns "$role" setsid "$@" >"$log" 2>&1 </dev/null &
}

# wait_until TENTHS CMD...: true as soon as CMD is, false after that many tenths of a second.
wait_until() {
  local tenths=$1
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ "$((tenths -= 1))" -gt 0 ] || return 1
    sleep 0.1
  done
}
