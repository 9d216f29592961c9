import pytest

from nexo_poller.cron import expand
from nexo_poller.errors import ConfigError
from nexo_poller.walltimes import EVERY, LAST


def problems(expression: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        expand(expression)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("minute", "numbers"),
    [
        ("5", (5,)),
        ("05", (5,)),
        ("5-5", (5,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("*/20", (0, 20, 40)),
        ("50/4", (50, 54, 58)),
        ("59/15", (59,)),
        ("10-20/5", (10, 15, 20)),
        ("1-10/59", (1,)),
        ("30,10,30-32", (10, 30, 31, 32)),
        ("*", tuple(range(60))),
    ],
)
def test_a_field_is_a_list_of_stars_numbers_ranges_and_steps(minute: str, numbers: tuple[int, ...]) -> None:
    assert expand(f"0 {minute} * * * *").minutes == numbers


def test_months_have_names_in_any_case() -> None:
    assert expand("0 0 0 1 jan,MAR-May,11 *").months == (1, 3, 4, 5, 11)


@pytest.mark.parametrize(
    ("dow", "weekdays"),
    [
        ("0", {0}),
        ("7", {0}),
        ("sun", {0}),
        ("0-2", {0, 1, 2}),
        ("5-7", {5, 6, 0}),
        ("Fri-sun", {5, 6, 0}),
        ("mon-FRI", {1, 2, 3, 4, 5}),
        ("*/7", {0}),
        ("0-7", set(range(7))),
    ],
)
def test_zero_and_seven_are_sunday(dow: str, weekdays: set[int]) -> None:
    assert expand(f"0 0 0 ? * {dow}").weekdays == {(weekday, EVERY) for weekday in weekdays}


def test_weekdays_are_counted_from_either_end_of_the_month() -> None:
    assert expand("0 0 0 ? * fri#2,L5,1L,Lsun,satl,7#1,wed").weekdays == {
        (5, 2),
        (5, LAST),
        (1, LAST),
        (0, LAST),
        (6, LAST),
        (0, 1),
        (3, EVERY),
    }


def test_a_day_of_the_month_may_be_its_last() -> None:
    assert expand("0 0 0 L,15 * *").days == {LAST, 15}


@pytest.mark.parametrize("days", ["? * *", "* * ?", "? * ?"])
def test_a_question_mark_in_a_day_field_is_a_star(days: str) -> None:
    assert expand(f"0 0 0 {days}") == expand("0 0 0 * * *")


@pytest.mark.parametrize(
    ("days", "either"),
    [
        ("1 * mon", True),
        ("1-31 * mon", True),
        ("*/2 * mon", False),
        ("1 * */2", False),
        ("? * mon", False),
        ("1 * ?", False),
    ],
)
def test_either_day_will_do_only_if_neither_field_starts_with_a_star(days: str, *, either: bool) -> None:
    assert expand(f"0 0 0 {days}").either_day is either


@pytest.mark.parametrize(
    ("expression", "wildcard"),
    [
        ("0 * 2 * * *", True),
        ("0 */5 2 * * *", True),
        ("0 0 * * * *", True),
        ("0 0 *,2 * * *", True),
        ("* 0 2 * * *", False),
        ("0 0-59 0-23 * * *", False),
        ("0 5,* 2 * * *", False),
    ],
)
def test_a_wildcard_job_is_known_by_the_star_at_the_start_of_its_hour_or_minute(
    expression: str, *, wildcard: bool
) -> None:
    assert expand(expression).is_wildcard is wildcard


@pytest.mark.parametrize(
    ("expression", "form"),
    [
        ("*/5 * * * *", "0 */5 * * * *"),
        ("0 9 * * 1-5", "0 0 9 * * 1-5"),
        ("0 0 9 * * 1-5 2027", "0 0 9 * * 1-5"),
        ("@daily", "0 0 0 * * *"),
        ("@Hourly", "0 0 * * * *"),
        ("@reboot", "second minute hour day-of-month month day-of-week"),
        ("", "second minute hour day-of-month month day-of-week"),
        ("* * *", "second minute hour day-of-month month day-of-week"),
    ],
)
def test_anything_but_six_fields_is_refused_with_the_six_field_form(expression: str, form: str) -> None:
    (problem,) = problems(expression)
    assert problem.startswith(f"cron '{expression}' is not of six fields")
    assert f'"{form}"' in problem


def test_every_bad_term_is_reported_with_its_field() -> None:
    assert problems("60 5-2,x 24 0 * *") == [
        "field 1 of cron (second): '60' is not within 0-59 (use 0-59, with * , - and /)",
        "field 2 of cron (minute): '5-2' runs backwards (write 5-59,0-2)",
        "field 2 of cron (minute): 'x' is not understood (use 0-59, with * , - and /)",
        "field 3 of cron (hour): '24' is not within 0-23 (use 0-23, with * , - and /)",
        "field 4 of cron (day of month): '0' is not within 1-31 (use 1-31, with * , - and /)",
    ]


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("? * * * * *", "second"),
        ("0 H * * * *", "minute"),
        ("0 R * * * *", "minute"),
        ("0 h(0-29) * * * *", "minute"),
        ("0 */0 * * * *", "minute"),
        ("0 */90 * * * *", "minute"),
        ("0 1, * * * *", "minute"),
        ("0 +1 * * * *", "minute"),
        ("0 -1 * * * *", "minute"),
        ("0 *-5 * * * *", "minute"),
        ("0 1-2-3 * * * *", "minute"),
        ("0 \N{FULLWIDTH DIGIT ONE} * * * *", "minute"),
        ("0 jan * * * *", "minute"),
        ("0 L * * * *", "minute"),
        ("0 0 22-4 * * *", "hour"),
        ("0 0 0 15W * *", "day of month"),
        ("0 0 0 LW * *", "day of month"),
        ("0 0 0 L-3 * *", "day of month"),
        ("0 0 0 1,? * *", "day of month"),
        ("0 0 0 * foo *", "month"),
        ("0 0 0 * january *", "month"),
        ("0 0 0 * * 8", "day of week"),
        ("0 0 0 * * L", "day of week"),
        ("0 0 0 * * fri-mon", "day of week"),
        ("0 0 0 * * fri#0", "day of week"),
        ("0 0 0 * * fri#6", "day of week"),
        ("0 0 0 * * 8#1", "day of week"),
        ("0 0 0 * * L8", "day of week"),
    ],
)
def test_what_other_crons_take_is_refused(expression: str, field: str) -> None:
    (problem,) = problems(expression)
    assert f"({field})" in problem


@pytest.mark.parametrize("days", ["30 2 *", "31 2,4,6,9,11 ?", "30,31 2 */2", "*/31 * fri#2"])
def test_a_day_that_never_comes_is_refused(days: str) -> None:
    assert "never fires" in problems(f"0 0 0 {days}")[0]


@pytest.mark.parametrize("days", ["29 2 *", "29 2 */7", "? 2 fri#5", "30 2 mon", "L 2 *"])
def test_a_day_that_comes_seldom_is_taken(days: str) -> None:
    assert expand(f"0 0 0 {days}").ever_matches()
