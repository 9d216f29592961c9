"""Pictures of the built site, light and dark: `python docs/site_screenshots.py build/site FOLDER`.

Needs the Debian packages chromium and chromium-driver, and `pip install -e ".[dev]"`.
"""

import sys
from pathlib import Path
from typing import Final

from screenshots import chromium
from selenium.webdriver.common.by import By

PAGES: Final = {"front-page": "index.html", "reference-page": "reference/config.html"}
SCHEMES: Final = ("light", "dark")


def take(site: Path, folder: Path) -> None:
    """The front page and a page of the reference, as PNG files in `folder`. Prints their names."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as driver:
        size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for scheme in SCHEMES:
            colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
            for name, page in PAGES.items():
                driver.get(site.joinpath(page).resolve().as_uri())
                driver.find_element(By.TAG_NAME, "h1")
                file = folder / f"{name}-{scheme}.png"
                driver.save_screenshot(str(file))
                print(file)


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
