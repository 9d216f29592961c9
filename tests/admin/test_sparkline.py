import re
from datetime import timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from views import NOON, tick

from nexo_poller.admin.rendering import TEMPLATES
from nexo_poller.admin.sparkline import BASE, HEIGHT, LOWEST, STEP, TICKS, WIDTH, bars, sparkline
from nexo_poller.state import Status
from nexo_poller.store import TickRecord

STATUSES: tuple[Status, ...] = ("ok", "transient", "permanent", "skipped")
DRAWN = TEMPLATES.from_string('{% from "parts.html" import ticks %}{{ ticks(picture) }}')
ticks = st.lists(
    st.builds(
        lambda status, duration: TickRecord(fence=1, slot=None, started_at=NOON, duration=duration, status=status),
        st.sampled_from(STATUSES),
        st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1)),
    ),
    max_size=TICKS,
)


def test_the_newest_tick_is_at_the_right_edge_and_the_oldest_at_the_left() -> None:
    drawn = [*bars([tick()] * TICKS)]
    assert (drawn[0].x, drawn[-1].x) == (WIDTH - STEP, 0)


def test_the_longest_tick_is_highest_and_a_quarter_of_it_about_half_as_high() -> None:
    longest, quarter, none = bars([tick(duration_ms=4000), tick(duration_ms=1000), tick(duration_ms=0)])
    assert longest.top == 1
    assert quarter.top == BASE - 9
    assert none.top == BASE - LOWEST


def test_the_outcome_shows_without_colour() -> None:
    ok, failed, skipped = bars([tick(), tick("transient"), tick("skipped")])
    assert (ok.bottom, failed.bottom) == (BASE, HEIGHT)
    assert skipped.top < BASE < skipped.bottom < failed.bottom


@given(ticks)
def test_every_bar_is_inside_the_picture_and_none_touches_another(latest: list[TickRecord]) -> None:
    drawn = [*bars(latest)]
    assert len(drawn) == len(latest)
    assert all(0 <= bar.top < bar.bottom <= HEIGHT for bar in drawn)
    assert all(0 <= bar.x <= WIDTH - STEP for bar in drawn)
    assert len({bar.x for bar in drawn}) == len(drawn)


@given(ticks)
def test_a_path_has_a_bar_for_every_tick_of_its_outcome(latest: list[TickRecord]) -> None:
    paths = sparkline(latest).paths
    assert sum(path.count("M") for path in paths.values()) == len(latest)
    assert all(re.fullmatch(r"(M\d+ \d+h2v\d+h-2z)+", path) for path in paths.values())


def test_no_more_ticks_are_shown_than_there_is_room_for() -> None:
    picture = sparkline([tick()] * TICKS + [tick("permanent")])
    assert picture.paths.keys() == {"ok"}
    assert picture.label == "50 ticks: 50 ok; median 100 ms, longest 100 ms; newest ok"


def test_the_picture_is_also_said_in_words() -> None:
    latest = [tick("permanent", 4100), tick("transient", 120), tick("ok", 80), tick("skipped", 0)]
    assert sparkline(latest).label == "4 ticks: 1 ok, 2 failed, 1 skipped; median 100 ms, longest 4.1 s; newest failed"
    assert sparkline([tick()]).label == "1 tick: 1 ok; median 100 ms, longest 100 ms; newest ok"
    assert sparkline([]).label == "no ticks yet"


def test_the_picture_is_an_image_with_a_text_alternative() -> None:
    picture = sparkline([tick(), tick("transient")])
    svg = ET.fromstring(DRAWN.render(picture=picture))
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == picture.label
    assert svg.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    assert [path.attrib["class"] for path in svg.iter("path")] == ["line", "ok", "failed"]
