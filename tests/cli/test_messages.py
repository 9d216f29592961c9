from nexo_poller.cli.messages import lines_of


def test_a_message_is_shown_whatever_its_payload_is() -> None:
    """A poller publishes any JSON; what it delivers always is an object with `to`."""
    shown = lines_of(
        [
            ("out.inbox", {"text": "one\ntwo", "to": "ana"}),
            ("a.b", {"n": 1}),
            ("a.b", "five\nsix"),
            ("a.b", [7]),
            ("a.b", None),
        ]
    )
    assert [*shown] == [
        *("  out.inbox, to ana:", "    one", "    two"),
        *("  a.b:", "    {'n': 1}"),
        *("  a.b:", "    five", "    six"),
        *("  a.b:", "    [7]"),
        *("  a.b:", "    None"),
    ]
