"""The pictures of MLflow's pages in docs/images, from the store of two builds that the tests of the UI look at.

python -m tests.e2e.screenshots

Needs Chromium, like those tests. Pictures have a palette of 128 colours, which a page of text does not miss.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

from PIL import Image

from edgebuild.track import store
from tests.e2e.browser import Browser, open_browser, serve
from tests.e2e.recorded import LOADABLE, Published, publish

FOLDER = Path(__file__).parents[2] / "docs/images"


def main() -> None:
    """Write docs/images/mlflow-*.png."""
    with tempfile.TemporaryDirectory() as scratch:
        root, profile = Path(scratch) / "edgebuild", Path(scratch) / "profile"
        root.mkdir()
        published = publish(root)
        with serve(root) as url, open_browser(url, profile, height=900) as browser:
            _take(browser, published)


def _take(browser: Browser, published: Published) -> None:
    browser.open(store.page(published.experiment), "2 matching runs", "prune.keep=0.35")
    _save(browser, "builds", height=420)
    browser.click("//input[@aria-label='Select all runs']")
    browser.click("//button[contains(., 'Compare')]")
    browser.shows("Comparing 2 Runs", "teacher.width")
    # The link of the button forgets the UI's mode.
    browser.driver.get(f"{browser.driver.current_url}&workflowType=machine_learning")
    browser.shows("Comparing 2 Runs", "teacher.width")
    for table in (1, 2):  # params, metrics
        browser.click(f"(//*[text()='Show diff only']/preceding::button[@role='switch'][1])[{table}]")
    browser.click("//*[text()='Visualizations']")
    browser.shows("prune.keep")
    _save(browser, "compare", height=900)
    browser.open(store.page(published.experiment, published.later), "Show more")
    browser.click("//button[contains(., 'Show more')]")
    browser.shows("points")
    _save(browser, "build", height=700)
    browser.open(store.model_page(published.experiment, published.model), LOADABLE, "Parameters")
    _save(browser, "variant", height=700)


def _save(browser: Browser, name: str, height: int) -> None:
    """What the window shows now, of ``height`` pixels from its top."""
    time.sleep(1)  # spinners and transitions, which have no text to wait for
    with Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())) as shot:
        page = shot.convert("RGB").crop((0, 0, shot.width, min(height, shot.height)))
    page.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        FOLDER / f"mlflow-{name}.png", optimize=True
    )


if __name__ == "__main__":
    main()
