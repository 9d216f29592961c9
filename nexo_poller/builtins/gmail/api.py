"""The few requests of Gmail v1 that are made here.

The reference: https://developers.google.com/workspace/gmail/api/reference/rest. Raises as `GoogleClient` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from nexo_poller.google.client import GoogleClient, Params

PAGE_SIZE: Final = 500
MOST_LISTED: Final = 10_000
MOST_OF_A_BATCH: Final = 1000
UNREAD: Final = "UNREAD"
SHOWN_HEADERS: Final = ("From", "Subject", "Date")


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
        return await self._get(_path(mail_id), {"format": "full"})

    async def summary(self, mail_id: str) -> Mapping[str, Any]:
        """The mail's labels, snippet and some headers, as a message resource, however large it is."""
        return await self._get(_path(mail_id), {"format": "metadata", "metadataHeaders": SHOWN_HEADERS})

    async def labels(self) -> Sequence[Mapping[str, Any]]:
        """All labels, those of the system too."""
        labels: Sequence[Mapping[str, Any]] = (await self._get("labels", {})).get("labels", ())
        return labels

    async def mark_all_read(self, mail_ids: Sequence[str]) -> None:
        """Take the label UNREAD away from many. Of mails that are gone Gmail says nothing."""
        for start in range(0, len(mail_ids), MOST_OF_A_BATCH):
            changed = {"ids": [*mail_ids[start : start + MOST_OF_A_BATCH]], "removeLabelIds": [UNREAD]}
            await self._client.post_json(self._url("messages/batchModify"), changed)

    async def mark_read(self, mail_id: str) -> None:
        """Take the label UNREAD away."""
        await self._client.post_json(self._url(f"{_path(mail_id)}/modify"), {"removeLabelIds": [UNREAD]})

    async def mark_unread(self, mail_id: str) -> None:
        """Put the label UNREAD on."""
        await self._client.post_json(self._url(f"{_path(mail_id)}/modify"), {"addLabelIds": [UNREAD]})

    async def _get(self, path: str, params: Params) -> Mapping[str, Any]:
        return await self._client.get_json(self._url(path), params)

    def _url(self, path: str) -> str:
        return f"{self._client.endpoints.gmail_url}/users/me/{path}"


def _path(mail_id: str) -> str:
    return f"messages/{quote(mail_id, safe='')}"
