"""The topics of deliveries: which there are, and that no account is shown in them."""

import pytest

from nexo_poller.broker.topics import outbound_topic, without_account
from nexo_poller.errors import PermanentError
from nexo_poller.masking import fingerprint


def test_a_delivery_s_topic_is_channel_and_account() -> None:
    assert outbound_topic("telegram", None) == "plugin.outbound.telegram"
    assert outbound_topic("telegram", "ana_bot") == "plugin.outbound.telegram.ana_bot"
    assert outbound_topic("google", "ana@gmail.com") == "plugin.outbound.google.ana@gmail.com"


@pytest.mark.parametrize("channel", ["", "a.b", "a b", "*", ">"])
def test_a_channel_is_one_token(channel: str) -> None:
    with pytest.raises(PermanentError, match=f"the channel '{channel.replace('*', '[*]')}' has"):
        outbound_topic(channel, None)


@pytest.mark.parametrize("account", ["", "ana bot", "ana.", "a>b"])
def test_an_account_that_fits_no_topic_is_refused_without_being_shown(account: str) -> None:
    with pytest.raises(PermanentError, match="channel 'telegram' has a") as caught:
        outbound_topic("telegram", account)
    assert not account or account not in str(caught.value)


def test_a_topic_is_shown_without_the_account_in_it() -> None:
    shown = without_account("plugin.outbound.google.ana@gmail.com")
    assert shown == f"plugin.outbound.google.{fingerprint('ana@gmail.com')}"
    assert without_account("plugin.outbound.google") == "plugin.outbound.google"
    assert without_account("news.plugin.outbound.google.x") == "news.plugin.outbound.google.x"
