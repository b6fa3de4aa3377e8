"""Every packet arrives at the worker that does not own it. The cases of one worker must not notice."""
from icmp_errors.case import *  # noqa: F403
from tcp_life.case import *     # noqa: F403
from udp_exchange.case import *  # noqa: F403

WORKERS = ()  # config.toml says how many


def test_all_handed_over(bench):
    bench.check_traffic()
    receiver, owner = bench.balancer.settled_workers()
    assert receiver["connections_opened"] == 0 and owner["connections_opened"] > 0
    assert owner["rx_packets"] == 0 and owner["handed_in"] > 0
