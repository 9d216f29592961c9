"""Which addresses a job may connect to (O1). Pure: an address comes in, the reason against it goes out.

Two guards, one for each pool. `public_only` lets through what the global internet routes to a single machine. It is
built on what is *handed out* (IPv6: 2000::/3, RFC 4291 and the IANA registry), minus the registries of special purpose
addresses, since `ipaddress.is_global` has its gaps: it passes 64:ff9b::7f00:1, which a NAT64 gateway turns into
127.0.0.1, and multicast. `private_too` opens loopback and private networks besides, and nothing else.

IPv4 inside IPv6 is refused in every form, whatever it hides, with one exception: behind a DNS64 resolver *every* IPv4
server appears under 64:ff9b::/96, and there the hidden address is judged.

Sources: https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Guard = Callable[[str], str | None]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*rows: tuple[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ip_network(network), what) for network, what in rows)


# These hand out credentials to whoever asks from the machine itself: no job may reach them, not even a private one.
METADATA = _networks(
    ("169.254.169.254/32", "a cloud's metadata service"),
    ("169.254.170.2/32", "a cloud's metadata service"),  # AWS ECS
    ("168.63.129.16/32", "a cloud's metadata service"),  # Azure; looks public
    ("100.100.100.200/32", "a cloud's metadata service"),  # Alibaba; inside carrier-grade NAT
    ("192.0.0.192/32", "a cloud's metadata service"),  # Oracle
    ("fd00:ec2::/32", "a cloud's metadata service"),  # AWS: metadata, EKS credentials, DNS, time
    ("fd20:ce::254/128", "a cloud's metadata service"),  # Google
)

PRIVATE = _networks(
    ("127.0.0.0/8", "loopback"),
    ("::1/128", "loopback"),
    ("10.0.0.0/8", "a private network"),
    ("172.16.0.0/12", "a private network"),
    ("192.168.0.0/16", "a private network"),
    ("100.64.0.0/10", "a private network behind carrier-grade NAT"),
    ("fc00::/7", "a private network"),
)

SPECIAL = _networks(
    ("0.0.0.0/8", "unspecified"),
    ("169.254.0.0/16", "link-local"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.31.196.0/24", "a sink for reverse lookups"),
    ("192.52.193.0/24", "a multicast relay"),
    ("192.88.99.0/24", "a 6to4 relay"),
    ("192.175.48.0/24", "a sink for reverse lookups"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::ffff:0:0/96", "IPv4 hidden in IPv6 (mapped)"),
    ("::ffff:0:0:0/96", "IPv4 hidden in IPv6 (translated)"),
    ("::/96", "IPv4 hidden in IPv6 (compatible)"),
    ("64:ff9b:1::/48", "IPv4 hidden in IPv6 (local NAT64)"),
    ("2001::/32", "IPv4 hidden in IPv6 (Teredo)"),
    ("2002::/16", "IPv4 hidden in IPv6 (6to4)"),
    ("2001::/23", "reserved for protocols"),
    ("2001:db8::/32", "for documentation"),
    ("2620:4f:8000::/48", "a sink for reverse lookups"),
    ("3fff::/20", "for documentation"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)

NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")
ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)  # the upper half of an interface identifier, RFC 5214, 6.1


def public_only(address: str) -> str | None:
    """What speaks against connecting to `address` (a literal, with or without a scope); None if nothing does."""
    return _against(ip_address(address))


def private_too(address: str) -> str | None:
    """The same for a job with `allow_private_networks: true`: loopback and private networks are open to it."""
    parsed = ip_address(address)
    if _named(PRIVATE, parsed) and not _named(METADATA, parsed):
        return None
    return _against(parsed)


def _against(address: Address) -> str | None:
    named = _named(METADATA, address) or _named(PRIVATE, address) or _named(SPECIAL, address)
    if named or isinstance(address, IPv4Address):
        return named
    if address in NAT64:
        hidden = IPv4Address(int(address) & 0xFFFF_FFFF)
        against = _against(hidden)
        return against and f"{hidden} behind NAT64, {against}"
    if address not in GLOBAL_UNICAST:
        return "reserved"
    if address.scope_id:
        return "bound to one network interface"
    if int(address) >> 32 & 0xFFFF_FFFF in ISATAP_MARKS:
        return "IPv4 hidden in IPv6 (ISATAP)"
    return None


def _named(table: tuple[tuple[Network, str], ...], address: Address) -> str | None:
    return next((what for network, what in table if address in network), None)
