"""The section `broker:`."""

from pathlib import Path

import pytest
from poller_files import reading, told

from nexo_poller.config.model import BrokerSettings


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("", BrokerSettings()),
        ("broker:", BrokerSettings(type="local", url="nats://127.0.0.1:4222", nkey_file=None)),
        ("broker: {type: local}", BrokerSettings()),
        ("broker: {type: nats}", BrokerSettings(type="nats")),
        (
            "broker: {type: nats, url: 'tls://me:pass@nats.example:4443'}",
            BrokerSettings(type="nats", url="tls://me:pass@nats.example:4443"),
        ),
        ("broker: {auth: {enabled: false, nkey_file: ''}}", BrokerSettings()),
        ("broker: {auth: {enabled: false, nkey_file: ./x.nk}}", BrokerSettings()),
    ],
)
def test_a_broker_is_where_the_section_says(section: str, settings: BrokerSettings, tmp_path: Path) -> None:
    assert reading(tmp_path, section).accepted().broker == settings


def test_the_file_of_an_nkey_is_relative_to_the_configuration(tmp_path: Path) -> None:
    section = "broker: {type: nats, auth: {enabled: true, nkey_file: keys/daemon.nk}}"
    assert reading(tmp_path, section).accepted().broker.nkey_file == tmp_path / "keys" / "daemon.nk"


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("broker: {type: kafka}", "1:16: 'type' must be 'local' or 'nats', not the text 'kafka'"),
        ("broker: {typ: nats}", "1:10: unknown key 'typ' (did you mean 'type'?)"),
        ("broker: {url: 'http://x'}", "1:15: this is no address of a NATS server (such as nats://127.0.0.1:4222)"),
        ("broker: {url: 'nats://'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'nats://a b'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'nats://a:70000'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'nats://a:1,b:2'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'nats://[::1'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'nats://:4222'}", "1:15: this is no address of a NATS server"),
        ("broker: {url: 'ws://a'}", "1:15: this is no address of a NATS server"),
        ("broker: {auth: {enabled: true}}", "1:16: `enabled` without the file of an NKey (name one"),
        ("broker: {auth: {nkey_file: ''}}", "1:16: `enabled` without the file of an NKey (name one"),
        ("broker: {auth: {enabled: 'yes', nkey_file: x}}", "1:26: 'enabled' must be true or false"),
        (
            "broker: {type: nats}\nchannels: {telegram: stdout}",
            "2:11: with `broker: {type: nats}` whoever subscribes there delivers, and `channels:` would do so once more",
        ),
    ],
)
def test_what_is_wrong_with_the_section_is_told(section: str, complaint: str, tmp_path: Path) -> None:
    [problem] = told(reading(tmp_path, section).refusals)
    assert problem.startswith(complaint)


def test_the_password_in_an_address_is_in_no_repr(tmp_path: Path) -> None:
    config = reading(tmp_path, "broker: {type: nats, url: 'nats://me:s3cret@x'}").accepted()
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize("userinfo", ["me:s3%20cret", "s3%20cret"])
def test_the_password_or_token_in_an_address_is_masked_wherever_a_plugin_tells_it(
    userinfo: str, tmp_path: Path
) -> None:
    config = reading(tmp_path, f"broker: {{type: nats, url: 'nats://{userinfo}@x'}}").accepted()
    assert config.secrets == {"s3%20cret", "s3 cret"}
