"""Connections after an answer that did not wait for the request's body."""

from pathlib import Path
from typing import Final

import pytest
from admin_daemon import admin_daemon

PAUSE: Final = "/admin/pollers/inbox/pause"
JSON: Final = b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (403, b"POST /admin/pollers/inbox/pause HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n"),
        (405, b"PATCH /admin/pollers HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 2\r\n\r\n"),
        (415, b"POST /admin/pollers/inbox/pause HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
async def test_an_answer_before_the_body_says_that_it_is_the_last_and_ends_the_connection(
    tmp_path: Path, status: int, head: bytes
) -> None:
    async with admin_daemon(tmp_path) as admin, await admin.connect() as client:
        await client.send_all(head)
        answer = b"".join([bytes(some) async for some in client])
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"}")


async def test_an_answer_to_all_of_a_request_leaves_the_connection(tmp_path: Path) -> None:
    async with admin_daemon(tmp_path) as admin:
        answers = [
            await admin.client.post(PAUSE, json={"reason": "tea"}),
            await admin.client.post(PAUSE, json={"reason": 5}),
            await admin.client.post(PAUSE),
            await admin.client.delete(PAUSE),
        ]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 405]
    assert not [answer for answer in answers if "connection" in answer.headers]
