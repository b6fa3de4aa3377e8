"""What backends and clients say beyond TCP: PROXY protocol headers and ClientHellos."""
import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED_BYTES = 16
UNIQUE_ID_BYTES = 16
CRC32C = 0x82f63b78  # Castagnoli's polynomial, bits reversed


def crc32c(data):
    crc = 0xffff_ffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CRC32C if crc & 1 else 0)
    return crc ^ 0xffff_ffff


def header1(client):
    family = client.family
    kind = "TCP4" if family.name == "v4" else "TCP6"
    return f"PROXY {kind} {family.client} {family.vip} {client.client_port} {client.port}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def header2(client, said, authority=b""):
    """Made anew, but for the connection's id, which only the balancer knows: it is taken from where it must be in what
    was said."""
    family = client.family
    kind, code = (socket.AF_INET, 0x11) if family.name == "v4" else (socket.AF_INET6, 0x21)
    before = socket.inet_pton(kind, family.client) + socket.inet_pton(kind, family.vip)
    before += struct.pack("!HH", client.client_port, client.port)
    if authority:
        before += tlv(2, authority)
    at = FIXED_BYTES + len(before) + len(tlv(5, b""))
    body = before + tlv(5, said[at:at + UNIQUE_ID_BYTES]) + tlv(3, bytes(4))
    whole = SIGNATURE + struct.pack("!BBH", 0x21, code, len(body)) + body
    return whole[:-4] + struct.pack("!I", crc32c(whole))


def vector(width, data):
    return len(data).to_bytes(width, "big") + data


def client_hello(name=None, fill=0):
    """The handshake message, without a record around it. `fill`: bytes of padding."""
    extensions = b""
    if name:
        entry = b"\0" + vector(2, name.encode())
        extensions += b"\0\0" + vector(2, vector(2, entry))
    extensions += b"\0\x15" + vector(2, bytes(fill))  # RFC 7685
    body = b"\x03\x03" + bytes(range(32)) + vector(1, b"") + vector(2, b"\x13\x01\x13\x02") + vector(1, b"\0")
    return b"\x01" + vector(3, body + vector(2, extensions))


def records(message, *cuts):
    """TLS records that hold the message, cut at these places."""
    edges = [0, *cuts, len(message)]
    return b"".join(b"\x16\x03\x01" + vector(2, message[begin:end]) for begin, end in zip(edges, edges[1:]))
