"""What a client's errors mean for a tick, and what their messages may say."""

import ssl
from datetime import timedelta

import httpx
import pytest
import trustme
from http_server import Request, Response, http_server, redirect

from nexo_poller.errors import HostHeld, PermanentError, TransientError
from nexo_poller.http.errors import tick_errors
from nexo_poller.http.pools import HttpPools

SECRET = "hunter2"


async def failure(url: str) -> TransientError:
    """What the tick of a job with this URL ends with."""
    async with HttpPools.open(request_timeout=timedelta(seconds=0.2)) as pools:
        with pytest.raises(TransientError) as caught, tick_errors():
            await pools.client(allow_private_networks=True).get(url)
        assert isinstance(caught.value.__cause__, httpx.RequestError)
        assert SECRET not in str(caught.value)
        return caught.value


async def test_a_server_that_is_not_there_is_transient_and_named() -> None:
    async with http_server() as server:
        url = server.url(f"/feed?token={SECRET}").replace("//", f"//me:{SECRET}@")
    error = await failure(url)
    assert str(error).startswith(f"127.0.0.1:{server.port}: ConnectError: ")


async def test_a_server_that_does_not_speak_http_is_transient() -> None:
    async def babble(request: Request) -> None:
        await request.stream.send_all(b"SSH-2.0-OpenSSH_9.6\r\n" * 100)

    async with http_server({"/": babble}) as server:
        error = await failure(server.url())
    assert "RemoteProtocolError" in str(error)
    assert len(str(error)) < 400


async def test_a_server_that_hangs_up_is_transient() -> None:
    async def hang_up(_request: Request) -> None:
        return None

    async with http_server({"/": hang_up}) as server:
        assert "disconnected" in str(await failure(server.url()))


async def test_a_body_cut_short_is_transient() -> None:
    async def cut_short(request: Request) -> None:
        await request.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")

    async with http_server({"/": cut_short}) as server:
        assert "RemoteProtocolError" in str(await failure(server.url()))


async def test_a_certificate_that_nobody_trusts_is_transient_and_the_message_says_so() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with http_server(ssl_context=context) as server:
        assert "CERTIFICATE_VERIFY_FAILED" in str(await failure(server.url()))


async def test_a_refused_redirect_names_the_host_that_is_refused() -> None:
    async with http_server({"/": redirect(f"http://169.254.169.254/?{SECRET}")}) as server:
        error = await failure(server.url())
    assert str(error).startswith("169.254.169.254: AddressRefused: ")


async def test_endless_redirects_are_transient() -> None:
    async with http_server({"/": redirect("/")}) as server:
        assert "TooManyRedirects: more than 5 redirects" in str(await failure(server.url()))


async def test_a_location_that_is_no_url_is_the_servers_fault() -> None:
    async with http_server({"/": redirect("http://[::1/")}) as server:
        assert "RemoteProtocolError" in str(await failure(server.url()))


@pytest.mark.parametrize(
    "url", ["http://[::1/", "http://example.org:port/", "ftp://example.org/", "example.org/feed", ""]
)
async def test_a_url_that_cannot_be_used_is_permanent(url: str) -> None:
    async with HttpPools.open() as pools:
        with pytest.raises(PermanentError, match="the URL cannot be used"), tick_errors():
            await pools.client().get(url)


async def test_a_password_that_breaks_its_url_is_not_repeated() -> None:
    async with HttpPools.open() as pools:
        with pytest.raises(PermanentError) as caught, tick_errors():
            await pools.client().get(f"http://me:{SECRET}/x@example.org/")
    assert SECRET not in str(caught.value)


async def test_a_held_host_and_errors_that_are_not_https_pass_as_they_are() -> None:
    with pytest.raises(HostHeld), tick_errors():
        raise HostHeld("example.org", timedelta(seconds=1))
    with pytest.raises(ZeroDivisionError), tick_errors():
        raise ZeroDivisionError


async def test_success_is_left_alone() -> None:
    async with http_server({"/": lambda _request: Response(body=b"fine")}) as server, HttpPools.open() as pools:
        with tick_errors():
            answer = await pools.client(allow_private_networks=True).get(server.url())
        assert answer.text == "fine"
