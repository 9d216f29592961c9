"""Unpacking, piece by piece."""

import gzip

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.http.body import MOST_MEMBERS, PIECE_BYTES, unpacker


def unpack(encoding: str, *chunks: bytes) -> bytes:
    unpacking = unpacker(encoding)
    body = b"".join(piece for chunk in chunks for piece in unpacking.feed(chunk))
    unpacking.finish()
    return body


@given(st.binary(max_size=5000), st.integers(1, 50), st.integers(0, 400))
def test_gzip_cut_anywhere_comes_out_as_it_went_in(seed: bytes, repeats: int, cut: int) -> None:
    body = seed * repeats
    packed = gzip.compress(body)
    assert unpack("gzip", packed[:cut], packed[cut:]) == body


def test_one_chunk_never_becomes_one_large_piece() -> None:
    sizes = [len(piece) for piece in unpacker("x-gzip").feed(gzip.compress(bytes(5_000_000)))]
    assert max(sizes) <= PIECE_BYTES
    assert sum(sizes) == 5_000_000


def test_gzip_members_follow_one_another_and_padding_is_ignored() -> None:
    two = gzip.compress(b"one ") + gzip.compress(b"two")
    assert unpack("gzip", two[:30], two[30:], bytes(8)) == b"one two"
    assert [unpack("gzip", gzip.compress(b"one"), gzip.compress(b"two"))] == [b"onetwo"]


def test_more_members_than_any_server_sends_are_refused() -> None:
    with pytest.raises(httpx.DecodingError, match=f"more than {MOST_MEMBERS} members"):
        unpack("gzip", gzip.compress(b"") * (MOST_MEMBERS + 1))


def test_gzip_that_ends_early_is_an_error() -> None:
    with pytest.raises(httpx.DecodingError, match="ends in the middle"):
        unpack("gzip", gzip.compress(b"a long story")[:-1])


def test_what_is_no_gzip_is_an_error() -> None:
    with pytest.raises(httpx.DecodingError, match="not the gzip that it says"):
        unpack("gzip", b"<rss/>")


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_what_is_not_packed_stays_as_it_is(encoding: str) -> None:
    assert unpack(encoding, b"<rss/>", gzip.compress(b"x")) == b"<rss/>" + gzip.compress(b"x")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br"])
def test_any_other_packing_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(httpx.DecodingError, match=f"packed with '{encoding}'"):
        unpacker(encoding)
