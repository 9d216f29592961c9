"""The guard's two judgements, address by address."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.http.guard import private_too, public_only

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "192.0.1.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::8a",
    "64:ff9b::8.8.8.8",
]
PRIVATE = ["127.0.0.1", "127.8.9.10", "::1", "10.1.2.3", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fd12:3456::1"]
NEVER = {
    "metadata": [
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    ],
    "link-local": ["169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%2", "febf::1"],
    "site-local": ["fec0::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "100::1", "4000::1", "5f00::1", "2001:20::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:10.0.0.1"],
    "translated": ["::ffff:0:127.0.0.1"],
    "compatible": ["::127.0.0.1", "::8.8.8.8", "::2"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1"],
    "Teredo": ["2001:0:53aa:64c:0:fbff:f5ff:fffe"],
    "NAT64": [
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:1::",
    ],
    "ISATAP": ["2a00::5efe:127.0.0.1", "2a00:1:2:3:200:5efe:10.0.0.1"],
    "one network interface": ["2606:4700::1%eth0"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open_to_every_job(address: str) -> None:
    assert public_only(address) is None
    assert private_too(address) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_open_only_to_jobs_that_ask_for_them(address: str) -> None:
    assert public_only(address) in ("loopback", "a private network", "a private network behind carrier-grade NAT")
    assert private_too(address) is None


@pytest.mark.parametrize(("what", "address"), [(what, address) for what, some in NEVER.items() for address in some])
def test_special_addresses_are_open_to_no_job_and_the_reason_names_them(what: str, address: str) -> None:
    against = public_only(address)
    assert against is not None
    assert what in against
    assert private_too(address) == against


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_that_the_standard_library_calls_local(address: IPv4Address) -> None:
    if public_only(str(address)) is None:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_passes_that_the_standard_library_calls_local(address: IPv6Address) -> None:
    if public_only(str(address)) is None:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_behind_nat64_an_ipv4_address_is_judged_as_if_it_stood_alone(address: IPv4Address) -> None:
    behind = str(IPv6Address(int(IPv6Address("64:ff9b::")) + int(address)))
    assert (public_only(behind) is None) == (public_only(str(address)) is None)


@given(st.ip_addresses())
def test_what_every_job_may_reach_a_private_one_may_reach_too(address: IPv4Address | IPv6Address) -> None:
    if public_only(str(address)) is None:
        assert private_too(str(address)) is None
