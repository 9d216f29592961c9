"""The fake Google of other tests, held against what Google documents."""

import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from google_fake import Account, Fault, GoogleFake, google_fake, mail
from google_fake.discovery import methods

GMAIL = "/gmail/v1/users/me"
EVENTS = "/calendar/v3/calendars/primary/events"
COLOUR = pytest.RaisesExc(AssertionError, match="colour")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@asynccontextmanager
async def signed_in() -> AsyncIterator[tuple[GoogleFake, Account, httpx.AsyncClient]]:
    """A Google, an account, and a client with a good access token."""
    async with google_fake() as google:
        ana = google.account("ana@example.com")
        token = google.oauth.access(google.oauth.refresh_tokens[ana.refresh_token])
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=google.origin, headers=headers, trust_env=False) as client:
            yield google, ana, client


async def pages(client: httpx.AsyncClient, url: str, **params: Any) -> list[dict[str, Any]]:
    """All pages of a listing."""
    listed = [(await client.get(url, params=params)).raise_for_status().json()]
    while token := listed[-1].get("nextPageToken"):
        listed.append((await client.get(url, params={**params, "pageToken": token})).raise_for_status().json())
    return listed


def test_the_documents_know_the_methods_that_the_fake_plays() -> None:
    known = {method.id for method in methods()}
    assert {"gmail.users.messages.list", "gmail.users.messages.get", "calendar.events.list"} <= known


async def test_messages_are_listed_page_by_page_the_newest_first() -> None:
    async with signed_in() as (_, ana, client):
        ids = [ana.mailbox.receive(mail(subject=f"Lead {n}")) for n in range(5)]
        ana.mailbox.receive(mail(), labels=frozenset({"SPAM"}))
        listed = await pages(client, f"{GMAIL}/messages", q="is:unread newer_than:1d subject:lead", maxResults=2)
        assert [message["id"] for page in listed for message in page.get("messages", [])] == ids[::-1]
        assert len(listed) == 3


async def test_a_message_has_its_tree_of_parts_its_headers_and_its_bytes() -> None:
    sent = EmailMessage()
    sent["Subject"], sent["From"] = "Olé 🎉", "ana@example.com"
    sent.set_content("Ñandú", charset="iso-8859-1")
    sent.add_alternative("<p>Ñandú</p>", subtype="html")
    sent.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="offer.pdf")
    async with signed_in() as (_, ana, client):
        message_id = ana.mailbox.receive(sent)
        full = (await client.get(f"{GMAIL}/messages/{message_id}", params={"format": "full"})).json()
        text, markup = full["payload"]["parts"][0]["parts"]
        attachment = full["payload"]["parts"][1]
        assert [part["partId"] for part in (text, markup, attachment)] == ["0.0", "0.1", "1"]
        assert base64.urlsafe_b64decode(text["body"]["data"]).decode("iso-8859-1") == "Ñandú\n"
        assert attachment["body"] == {"attachmentId": "attachment-1", "size": 4}
        headers = {header["name"]: header["value"] for header in full["payload"]["headers"]}
        assert headers["Subject"].startswith("=?utf-8?")


async def test_labels_change_what_a_search_finds() -> None:
    async with signed_in() as (_, ana, client):
        message_id = ana.mailbox.receive(mail())
        url = f"{GMAIL}/messages/{message_id}/modify"
        assert (await client.post(url, json={"removeLabelIds": ["UNREAD"]})).json()["labelIds"] == ["INBOX"]
        assert "messages" not in (await client.get(f"{GMAIL}/messages", params={"q": "is:unread"})).json()
        assert (await client.post(url, json={"addLabelIds": ["Nonsense"]})).status_code == 400


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (f"{GMAIL}/messages?max_results=5", 'Unknown name "max_results"'),
        (f"{GMAIL}/messages?maxResults=many", "Invalid value at 'maxResults'"),
        (f"{GMAIL}/messages/1?format=huge", "it is none of"),
        (f"{EVENTS}?singleEvents=yes", "Invalid value at 'singleEvents'"),
        (f"{EVENTS}?maxResults=1&maxResults=2", "given 2 times"),
        (f"{EVENTS}?access_token=x", 'Unknown name "access_token"'),
    ],
)
async def test_a_parameter_that_google_does_not_know_is_refused_and_remembered(target: str, said: str) -> None:
    async with signed_in() as (google, _, client):
        answer = await client.get(target)
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]
        assert said in google.refused.pop()


async def test_a_field_that_google_does_not_know_is_refused_and_fails_the_test_that_sent_it() -> None:
    async def careless() -> None:
        async with signed_in() as (_, ana, client):
            message_id = ana.mailbox.receive(mail())
            await client.post(f"{GMAIL}/messages/{message_id}/modify", json={"removeLabels": ["UNREAD"]})

    with pytest.raises(AssertionError, match="removeLabels"):
        await careless()


async def test_an_answer_that_the_documents_do_not_allow_fails_the_test() -> None:
    async def careless() -> None:
        async with signed_in() as (_, ana, client):
            ana.agenda.put("a", start=NOON, colour="red")
            with suppress(httpx.TransportError):
                await client.get(EVENTS)

    with pytest.RaisesGroup(COLOUR, allow_unwrapped=True, flatten_subgroups=True):
        await careless()


async def test_events_are_synchronised_page_by_page_and_then_by_what_changed() -> None:
    async with signed_in() as (_, ana, client):
        for n in range(3):
            ana.agenda.put(f"event{n}", start=NOON, summary=f"Event {n}")
        baseline = await pages(client, EVENTS, singleEvents="true", maxResults=2)
        assert [event["id"] for page in baseline for event in page["items"]] == ["event0", "event1", "event2"]
        assert ["nextSyncToken" in page for page in baseline] == [False, True]
        ana.agenda.put("holiday", start=date(2026, 5, 5), summary="Holiday")
        ana.agenda.cancel("event1")
        ana.agenda.page_size = 1
        token = baseline[-1]["nextSyncToken"]
        changed = await pages(client, EVENTS, singleEvents="true", maxResults=2, syncToken=token)
        assert [event["id"] for page in changed for event in page["items"]] == ["holiday", "event1"]
        holiday, event1 = (page["items"][0] for page in changed)
        assert holiday["end"] == {"date": "2026-05-06"}
        assert event1["status"] == "cancelled"
        assert "summary" not in event1
        token = changed[-1]["nextSyncToken"]
        (nothing,) = await pages(client, EVENTS, singleEvents="true", maxResults=2, syncToken=token)
        assert nothing["items"] == []


async def test_recurring_events_come_as_instances() -> None:
    async with signed_in() as (_, ana, client):
        ana.agenda.put("standup", start=NOON, recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
        (listed,) = await pages(client, EVENTS, singleEvents="true")
        assert [event["id"] for event in listed["items"]] == [f"standup_2026050{day}T120000Z" for day in (4, 5, 6)]
        ana.agenda.cancel_instance("standup", NOON + timedelta(days=1))
        (changed,) = await pages(client, EVENTS, singleEvents="true", syncToken=listed["nextSyncToken"])
        cancelled = [event["id"] for event in changed["items"] if event["status"] == "cancelled"]
        assert cancelled == ["standup_20260505T120000Z"]


async def test_an_expired_sync_token_is_gone_and_others_forbid_what_narrows_a_search() -> None:
    async with signed_in() as (_, ana, client):
        (listed,) = await pages(client, EVENTS)
        token = listed["nextSyncToken"]
        assert (await client.get(EVENTS, params={"syncToken": token, "q": "x"})).status_code == 400
        assert (await client.get(EVENTS, params={"syncToken": token, "singleEvents": "true"})).status_code == 400
        ana.agenda.expire_sync_tokens()
        gone = await client.get(EVENTS, params={"syncToken": token})
        assert (gone.status_code, gone.json()["error"]["errors"][0]["reason"]) == (410, "fullSyncRequired")
        (listed,) = await pages(client, EVENTS)
        assert (await client.get(EVENTS, params={"syncToken": listed["nextSyncToken"]})).status_code == 200


async def test_a_token_counts_for_its_scopes_and_its_time() -> None:
    async with signed_in() as (google, ana, client):
        assert (await client.get(f"{GMAIL}/profile")).json()["emailAddress"] == ana.email
        only_calendar = frozenset({"https://www.googleapis.com/auth/calendar.readonly"})
        bob = google.account("bob@example.com", only_calendar)
        token = google.oauth.access(google.oauth.refresh_tokens[bob.refresh_token])
        refused = await client.get(f"{GMAIL}/profile", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
        google.expire_access_tokens()
        assert (await client.get(f"{GMAIL}/profile")).status_code == 401
        google.oauth.lifetime = timedelta()
        expired = google.oauth.access(google.oauth.refresh_tokens[ana.refresh_token])
        late = await client.get(f"{GMAIL}/profile", headers={"Authorization": f"Bearer {expired}"})
        assert late.status_code == 401


async def test_the_token_endpoint_refreshes_rotates_and_refuses() -> None:
    async with signed_in() as (google, ana, client):
        form = {
            "grant_type": "refresh_token",
            "client_id": google.oauth.client_id,
            "client_secret": google.oauth.client_secret,
            "refresh_token": ana.refresh_token,
        }
        assert "refresh_token" not in (await client.post("/token", data=form)).json()
        google.oauth.rotates = True
        rotated = (await client.post("/token", data=form)).json()
        assert rotated["refresh_token"] != ana.refresh_token
        assert (await client.post("/token", data=form)).json()["error"] == "invalid_grant"
        wrong = {**form, "client_secret": "guessed"}
        assert (await client.post("/token", data=wrong)).json()["error"] == "invalid_client"
        assert google.refreshes == 2


async def test_faults_come_when_they_are_planned_and_may_echo_what_was_received() -> None:
    async with signed_in() as (google, ana, client):
        good, bad = (ana.mailbox.receive(mail()) for _ in range(2))
        google.echoes = True
        google.faults.append(
            Fault(method="gmail.users.messages.get", status=403, reason="userRateLimitExceeded", target=bad)
        )
        assert (await client.get(f"{GMAIL}/messages/{good}")).status_code == 200
        limited = await client.get(f"{GMAIL}/messages/{bad}")
        assert limited.json()["error"]["errors"][0]["reason"] == "userRateLimitExceeded"
        assert client.headers["Authorization"].removeprefix("Bearer ") in limited.text
        assert (await client.get(f"{GMAIL}/messages/{bad}")).status_code == 200


async def test_a_redirect_echoes_what_was_received_in_its_location() -> None:
    async with signed_in() as (google, _, client):
        google.echoes = True
        google.faults.append(Fault(method="gmail.users.labels.list", status=302, headers={"Location": "/elsewhere"}))
        led = await client.get(f"{GMAIL}/labels")
        assert client.headers["Authorization"].removeprefix("Bearer ") in led.headers["Location"]


@pytest.mark.parametrize("secret", ["ana@example.com", "1//refresh", "ya29.access"])
async def test_a_secret_in_the_log_fails_whichever_test_wrote_it_even_if_it_is_void_by_then(secret: str) -> None:
    async def betray() -> None:
        async with google_fake() as google:
            account = google.account("ana@example.com")
            access_token = google.oauth.access(google.oauth.refresh_tokens[account.refresh_token])
            told = next(text for text in (account.email, account.refresh_token, access_token) if secret in text)
            logging.getLogger("credentials.audit").debug("canary %s", told)
            google.oauth.revoke(account.email)

    with pytest.raises(AssertionError, match="canary"):
        await betray()
