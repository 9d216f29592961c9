"""Pictures of the page, and of commands on a terminal: `python docs/screenshots.py FOLDER`.

Needs the Debian packages chromium and chromium-driver, and `pip install -e ".[test]"`.
"""

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import terminal_pictures
import trio
from attrs import frozen
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from shown_daemon import runner, spend_the_night

from nexo_poller import PollerRunner
from nexo_poller.admin.standalone import admin_server
from nexo_poller.clock import SystemClock
from nexo_poller.config.binds import TcpBind
from nexo_poller.config.model import AdminSettings

PATIENCE_SECS: Final = 30
FEW: Final = ("-berlin", "-accra", "invoices-oslo")


@frozen(kw_only=True)
class Picture:
    """A page in a window of this size, in these colours."""

    name: str
    path: str
    width: int
    height: int
    scheme: str


PICTURES: Final = (
    Picture(name="page-jobs-light", path="", width=1280, height=860, scheme="light"),
    Picture(name="page-jobs-dark", path="", width=1280, height=860, scheme="dark"),
    Picture(name="page-job-light", path="jobs/prices-accra", width=1280, height=1000, scheme="light"),
    Picture(name="page-job-dark", path="jobs/prices-accra", width=1280, height=1000, scheme="dark"),
    Picture(name="page-jobs-narrow", path="", width=400, height=860, scheme="light"),
)


async def main(folder: Path) -> None:
    """Serve the daemon of `shown_daemon`, and take every picture of it; on the terminal it has few jobs."""
    with tempfile.TemporaryDirectory() as database:
        dawn = datetime.now(UTC)
        await trio.to_thread.run_sync(spend_the_night, Path(database), dawn)
        await served(runner(Path(database), dawn, SystemClock()), take, folder)
        await served(runner(Path(database), dawn, SystemClock(), *FEW), terminal_pictures.take, folder)


async def served(daemon: PollerRunner, taking: Callable[[str, Path], None], folder: Path) -> None:
    """Serve while the pictures of the daemon's address are taken."""
    settings = AdminSettings(bind=TcpBind("127.0.0.1", 0))
    async with admin_server(daemon, settings) as addresses, trio.open_nursery() as nursery:
        await nursery.start(daemon.serve)
        await trio.to_thread.run_sync(taking, addresses[0], folder)
        nursery.cancel_scope.cancel()


def take(address: str, folder: Path) -> None:
    """Every picture of the page at `address`, as PNG files in `folder`."""
    with chromium() as driver:
        for picture in PICTURES:
            size = {"width": picture.width, "height": picture.height, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            colours = {"features": [{"name": "prefers-color-scheme", "value": picture.scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
            driver.get(f"{address}/{picture.path}")
            WebDriverWait(driver, PATIENCE_SECS).until(
                lambda page: page.find_element(By.ID, "connection").text == "live"
            )
            file = folder / f"{picture.name}.png"
            driver.save_screenshot(str(file))
            print(file)


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A headless browser."""
    options = ChromeOptions()
    for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    logging.disable()  # of all that fails in the pictures
    into = Path(sys.argv[1])
    into.mkdir(parents=True, exist_ok=True)
    trio.run(main, into)
