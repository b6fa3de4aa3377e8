"""A script: one proxied connection, its client and the backends that are tried for it."""
from scapy.layers.inet import TCP

from harness.flow import V4, client_ports
from script.ends import REPEAT_MS, Backend, Client, ends_of, wait_ms
from script.segment import OWN_SCALE, WINDOW, Offer, Start

CLIENT_START = (0xffff_ff00, 0xffff_fff0)   # sequence numbers and clocks wrap soon
BACKEND_START = (0x7fff_ff80, 0x7fff_fff0)  # these change their sign
COOKIE_MSS = (216, 536, 1220, 1360, 1400, 1440, 1460, 8940)
TIMESTAMP_BYTES = 12
SCALE_MAX = 14  # RFC 7323 section 2.3: more counts as this
QUIET_MS = 60  # a frame that was caused by the last one has come by then


def service_counter(bench, service, counter):
    rows = bench.balancer.get("/v1/services")["services"]
    return next(row for row in rows if row["service"] == service)[counter]


class Script:
    def __init__(self, bench, family, port, offer=Offer(), nat=False, hello_window=0, client_port=None):
        self.bench, self.family, self.port, self.offer, self.nat = bench, family, port, offer, nat
        self.hello_window = hello_window
        self.client = Client(bench, family, port, client_port or next(client_ports), Start(*CLIENT_START))
        self.client.timestamps = offer.timestamps
        self.known = vars(bench).setdefault("backend_ends", {})
        # Which backends have shown timestamps: (port, address) -> bool, as the balancer remembers it.
        self.stamping = vars(bench).setdefault("stamping", {})

    # The client's handshake -----------------------------------------------------------------------------------------

    @property
    def own_mss(self):
        return 1460 if self.family is V4 else 1440

    @property
    def client_mss(self):
        """What the cookie has kept of it."""
        offered = self.offer.mss or (536 if self.family is V4 else 1220)
        return min(max(mss for mss in COOKIE_MSS if mss <= max(offered, COOKIE_MSS[0])), self.own_mss)

    def syn(self, **fields):
        return self.client.send("S", 0, window=self.offer.window, options=self.offer.options(), **fields)

    def expect_cookie(self, **fields):
        answer = Offer(self.own_mss, None if self.offer.scale is None else OWN_SCALE, self.offer.sack,
                       self.offer.timestamps)
        return self.client.expect("SA", 0, 1, window=self.hello_window, options=answer.options(), **fields)

    def prove(self, **fields):
        """SYN, cookie, ACK."""
        self.syn()
        self.expect_cookie()
        self.client.send("A", 1, 1, **fields)
        return self

    # The backend's --------------------------------------------------------------------------------------------------

    def new_backend(self):
        return Backend(self.bench, self.family, Start(*BACKEND_START), self.known)

    def expect_syn(self, backend=None, window=WINDOW, **fields):
        """Our SYN, of a backend that was not tried before or of the same one again."""
        backend = backend or self.new_backend()
        scale = None if self.offer.scale is None else min(self.offer.scale, SCALE_MAX)
        options = Offer(None, scale, self.offer.sack, self.offer.timestamps).options()
        backend.syn_window = min(window << scale, 0xffff) if scale is not None else window
        got = backend.next_frame(3 + fields.get("after_ms", 0) / 1000)
        mss = self.client_mss
        if self.offer.timestamps and not self.stamping.get((self.port, ends_of(got)[0])):
            mss -= TIMESTAMP_BYTES
        backend.expect("S", 0, window=backend.syn_window, options=[("MSS", mss)] + options, **fields)
        self.check_address(backend)
        return backend

    def check_address(self, backend):
        assert backend.address in self.family.backends
        if self.nat:
            assert backend.ends[2:] == (self.family.client, self.client.client_port)
        else:
            assert backend.ends[2] in self.family.snat

    def answer_syn(self, backend, offer=Offer(), payload=b""):
        """The SYN-ACK."""
        backend.send("SA", 0, 1, payload, window=offer.window, options=offer.options())
        backend.timestamps = self.offer.timestamps and offer.timestamps
        if self.offer.timestamps:
            self.stamping[self.port, backend.address] = offer.timestamps

    def window_to_backend(self, offer, window=WINDOW):
        """Of a client's segment once the backend has answered."""
        if self.offer.scale is None or offer.scale is not None:
            return window
        return min(window << self.offer.scale, 0xffff)

    def window_to_client(self, offer):
        """That opens the client's: a SYN-ACK's is never scaled, the client's is."""
        if self.offer.scale is None or offer.window == 0:
            return offer.window
        return max(offer.window >> OWN_SCALE, 1)

    def accept(self, backend, offer=Offer()):
        """SYN-ACK, and both sides are told."""
        self.answer_syn(backend, offer)
        backend.expect("A", 1, 1, window=self.window_to_backend(offer))
        self.client.expect("A", 1, 1, window=self.window_to_client(offer))
        return backend

    def splice(self, offer=Offer()):
        """The whole handshake; both ends."""
        self.prove()
        return self.client, self.accept(self.expect_syn(), offer)

    # What must not come ---------------------------------------------------------------------------------------------

    def expect_silence(self, milliseconds=QUIET_MS):
        wait_ms(milliseconds)
        seen = self.bench.client.take_all(self.client.is_mine) + self.bench.backend.take_all(lambda frame: TCP in frame)
        if milliseconds < REPEAT_MS:
            seen = [frame for frame in seen if not self.is_late_repeat(frame)]
        assert not seen, f"nothing should come, but: {[frame.summary() for frame in seen]}"

    def is_late_repeat(self, frame):
        """Of what an end of this script, or the backend of one before it, heard last. A silence that is shorter than the time
        after which the balancer repeats has one only where the machine made the script that long."""
        end = self.client if self.client.is_mine(frame) else self.known.get(ends_of(frame))
        return end is not None and end.is_repeat_in_due_time(frame)

    def abort(self, backend):
        """The client resets while the backend has not answered, so that nothing is left that speaks by itself."""
        self.client.send("R", 1, options=[])
        backend.expect("R", 1, window=0, options=[])
        self.expect_silence()

    def leave(self):
        """After a failure anywhere: what still speaks to backends would be heard in the next case."""
        for seq in {1, self.client.sent_end}:
            self.client.send("R", seq, options=[])
