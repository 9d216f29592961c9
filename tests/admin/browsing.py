"""A headless Chromium (Debian packages chromium and chromium-driver), and an operator at it."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import axe_core_python
import pytest
from attrs import define
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

AXE: Final = Path(axe_core_python.__file__).with_name("axe.min.js")
PATIENCE: Final = 20  # seconds; on a busy machine a browser takes its time
MOST_TABS: Final = 200
T = TypeVar("T")


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser of its own, as wide as a desk's. Skips where there is none, but for CI, which installs it."""
    if shutil.which("chromedriver") is None and "CI" not in os.environ:
        pytest.skip("needs `chromium` and `chromedriver` (Debian packages chromium and chromium-driver)")
    options = ChromeOptions()
    for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@define(eq=False)
class Operator:
    """Finds what is on the page by what is to be read there, waits for it, and uses it."""

    driver: Chrome
    root: str = ""

    def opens(self, path: str) -> None:
        self.driver.get(self.root + path)

    def resizes(self, width: int, scheme: str = "light") -> None:
        """A window so wide, in the colours that the operator prefers."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        preferred = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preferred)

    @contextmanager
    def without_scripts(self) -> Iterator[None]:
        """In the block the browser runs no script of any page."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def sees(self, *texts: str) -> None:
        self._waits(lambda: all(text in self.reads() for text in texts), f"{texts} on the page")

    def sees_it_live(self) -> None:
        """The page follows the daemon's events."""
        word = "connection-word"
        self._waits(lambda: self.driver.find_element(By.ID, word).text == "live", "a page that is live")

    def sees_no(self, text: str) -> None:
        self._waits(lambda: text not in self.reads(), f"{text!r} gone from the page")

    def reads(self) -> str:
        """All text that is visible, in one line."""
        return " ".join(self.driver.find_element(By.TAG_NAME, "body").text.split())

    def presses(self, button: str) -> None:
        self._uses("button", button, lambda found: found.click())

    def follows(self, link: str) -> None:
        self._uses("a", link, lambda found: found.click())

    def unfolds(self, summary: str) -> None:
        self._uses("summary", summary, lambda found: found.click())

    def fills(self, field_id: str, text: str) -> None:
        def fill() -> bool:
            found = self.driver.find_element(By.ID, field_id)
            found.clear()
            found.send_keys(text)
            return True

        self._waits(fill, f"the field {field_id!r}")

    def types(self, *keys: str) -> None:
        """On the keyboard, wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tabs_to(self, words: str) -> None:
        """With the tab key, to what says `words`."""
        for _ in range(MOST_TABS):
            if self.focus() == words:
                return
            self.types(Keys.TAB)
        raise AssertionError(f"the tab key does not lead to {words!r}")

    def has_focus_on(self, words: str) -> None:
        self._waits(lambda: self.focus() == words, f"the focus on {words!r}")

    def focus(self) -> str:
        """The words on what has the focus."""
        return self.driver.switch_to.active_element.text

    def runs(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        """What axe finds that keeps people from using the page."""
        self.runs(AXE.read_text())
        found: Mapping[str, Any] = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [f"{fault['id']}: {node['html']}" for fault in found["violations"] for node in fault["nodes"]]

    def _uses(self, tag: str, words: str, use: Callable[[WebElement], None]) -> None:
        """What says `words`; in the dialog, while one is open."""

        def used() -> bool:
            within = "//dialog[@open]" if self.driver.find_elements(By.CSS_SELECTOR, "dialog[open]") else "//body"
            use(self.driver.find_element(By.XPATH, f'{within}//{tag}[normalize-space()="{words}"][not(@disabled)]'))
            return True

        self._waits(used, f"the {tag} {words!r}")

    def _waits(self, condition: Callable[[], bool], what: str) -> None:
        passing = (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            NoSuchElementException,
            StaleElementReferenceException,
        )
        wait = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05, ignored_exceptions=passing)
        try:
            wait.until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"waited for {what}; there is:\n{self.reads()}") from None
