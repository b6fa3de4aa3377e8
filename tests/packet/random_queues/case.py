"""The cases of one worker again, with four, none of which knows which packet it gets next."""
from icmp_errors.case import *  # noqa: F403
from tcp_life.case import *     # noqa: F403
from udp_exchange.case import *  # noqa: F403
from four_workers.case import test_roundrobin  # noqa: F401, F811


def test_most_are_handed_over(bench):
    bench.check_traffic()
    for port in bench.balancer.get("/v1/steering")["ports"]:
        assert 0.6 < port["handed_over"] / port["rx_packets"] < 0.85, port
