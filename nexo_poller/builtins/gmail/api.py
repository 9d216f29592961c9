"""The few requests of Gmail v1 that are made here.

The reference: https://developers.google.com/workspace/gmail/api/reference/rest. Raises as `GoogleClient` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from nexo_poller.google.client import GoogleClient

PAGE_SIZE: Final = 500
MOST_LISTED: Final = 10_000
MOST_OF_A_BATCH: Final = 1000
UNREAD: Final = "UNREAD"


@frozen
class Gmail:
    """The mailbox of one account."""

    _client: GoogleClient

    async def search(self, query: str, limit: int = MOST_LISTED) -> list[str]:
        """The ids of the mails that match, the newest first, at most `limit`."""
        found: list[str] = []
        page: Mapping[str, Any] = {"nextPageToken": None}
        while "nextPageToken" in page and len(found) < limit:
            place = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            page = await self._get("messages", {"q": query, "maxResults": min(PAGE_SIZE, limit), **place})
            found += [str(message["id"]) for message in page.get("messages", ())]
        return found[:limit]

    async def message(self, mail_id: str) -> Mapping[str, Any]:
        """The whole mail, as a message resource."""
        return await self._get(f"messages/{quote(mail_id, safe='')}", {"format": "full"})

    async def labels(self) -> Sequence[Mapping[str, Any]]:
        """All labels, those of the system too."""
        labels: Sequence[Mapping[str, Any]] = (await self._get("labels", {})).get("labels", ())
        return labels

    async def mark_read(self, mail_ids: Sequence[str]) -> None:
        """Take the label UNREAD away. Of mails that are gone Gmail says nothing."""
        await self._change(mail_ids, {"removeLabelIds": [UNREAD]})

    async def mark_unread(self, mail_ids: Sequence[str]) -> None:
        """Put the label UNREAD on."""
        await self._change(mail_ids, {"addLabelIds": [UNREAD]})

    async def _change(self, mail_ids: Sequence[str], labels: Mapping[str, Any]) -> None:
        for start in range(0, len(mail_ids), MOST_OF_A_BATCH):
            ids = [*mail_ids[start : start + MOST_OF_A_BATCH]]
            await self._client.post_json(self._url("messages/batchModify"), {"ids": ids, **labels})

    async def _get(self, path: str, params: Mapping[str, str | int]) -> Mapping[str, Any]:
        return await self._client.get_json(self._url(path), params)

    def _url(self, path: str) -> str:
        return f"{self._client.endpoints.gmail_url}/users/me/{path}"
