"""Headless Chromium on a running MLflow server: what the tests of the UI and its pictures share.

Chromium and its driver are Debian's; Selenium is told where they lie, so it downloads nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

__all__ = ["INSTALL", "Browser", "open_browser", "serve"]

INSTALL = (
    "this needs chromium and chromedriver on PATH (Debian: "
    "`apt-get install -y --no-install-recommends chromium chromium-driver`); "
    "to leave it out: `python -m pytest -m 'not browser'`"
)
LIMIT_S = 60  # for a page to show a text, on a shared machine; alone it takes 1 to 3 s
_FLAGS = (
    "--headless",
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_ASSISTANT_CLOSED = """
    localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')
    localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')"""


@dataclass(frozen=True)
class Browser:
    """A page in Chromium, and the address of the server that it looks at."""

    driver: Any
    url: str

    def open(self, page: str, *texts: str) -> str:
        """Open ``page`` (an address within the UI) and return its text when it shows all of ``texts``."""
        self.driver.get("about:blank")  # else a new fragment alone would not load the page again
        self.driver.get(f"{self.url}/{page}")
        return self.shows(*texts)

    def shows(self, *texts: str) -> str:
        """The visible text of the page as soon as it has all of ``texts``. Raises AssertionError if it never does."""

        def whole(driver: Any) -> str | None:
            text: str = driver.execute_script("return document.body.innerText")
            return text if all(wanted in text for wanted in texts) else None

        try:
            return WebDriverWait(self.driver, LIMIT_S, poll_frequency=0.2).until(whole)
        except TimeoutException:
            text = self.driver.execute_script("return document.body.innerText")
            missing = [wanted for wanted in texts if wanted not in text]
            raise AssertionError(f"{self.driver.current_url} never showed {missing}, but:\n{text}") from None

    def found(self, xpath: str, then: str = "return true") -> Any:
        """What the script ``then`` gives for the first visible ``element`` of ``xpath``, once it is not false.

        Found and used in one script: the UI replaces its elements at any moment. Raises AssertionError if
        there never is one.
        """
        script = f"""
            const all = document.evaluate(arguments[0], document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE)
            for (let i = 0; i < all.snapshotLength; i++) {{
                const element = all.snapshotItem(i)
                if (element.getClientRects().length) {{ {then} }}
            }}"""
        waiting = WebDriverWait(self.driver, LIMIT_S, poll_frequency=0.2)
        try:
            return waiting.until(lambda driver: driver.execute_script(script, xpath))
        except TimeoutException:
            raise AssertionError(f"{self.driver.current_url} has no {xpath}") from None

    def in_sight(self, xpath: str) -> bool:
        """Whether that element lies within the window, without scrolling."""
        rect = "const r = element.getBoundingClientRect()"
        return bool(self.found(xpath, f"{rect}; return [r.top >= 0 && r.bottom <= innerHeight]")[0])

    def click(self, xpath: str) -> None:
        """Click on that element; by script, because tables cover their cells with overlays."""
        self.found(xpath, "element.click(); return true")

    def follow(self, xpath: str) -> None:
        """Click on that link, in this tab even if it would open another."""
        self.found(xpath, "element.target = '_self'; element.click(); return true")

    def rows(self) -> list[list[str]]:
        """The cells of MLflow's table of runs, beside run names and dates; those in sight, from left to right."""
        script = """
            const cells = row => [...row.querySelectorAll('.ag-cell')]
                .sort((a, b) => a.offsetLeft - b.offsetLeft).map(cell => cell.innerText)
            return [...document.querySelectorAll('.ag-center-cols-container .ag-row')]
                .sort((a, b) => a.offsetTop - b.offsetTop).map(cells)"""
        found: list[list[str]] = self.driver.execute_script(script)
        return found


@contextmanager
def open_browser(url: str, profile: Path, *, width: int = 1440, height: int = 900) -> Iterator[Browser]:
    """Chromium on the server at ``url``, with ``profile``, an empty folder, as its user data.

    Raises FileNotFoundError, with how to install it, where there is no Chromium.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise FileNotFoundError(INSTALL)
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    opened = Chrome(options=options, service=ChromeService(driver))
    try:
        # The size of the page itself: the window's includes a frame even when headless.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        # MLflow's assistant opens by itself over a quarter of the page; a user closes it once.
        opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _ASSISTANT_CLOSED})
        yield Browser(opened, url)
    finally:
        opened.quit()


@contextmanager
def serve(root: Path) -> Iterator[str]:
    """A real ``mlflow server`` on the store of the repository ``root``; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        f"sqlite:///{root / 'mlflow.db'}",
    ]
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # three processes for GenAI's evaluations
        "PYTHONWARNINGS": "ignore",
    }
    log = root / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            cwd=root,
            env=os.environ | settings,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(url, server, log)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(LIMIT_S)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=LIMIT_S):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"no MLflow at {url}:\n{log.read_text(errors='replace')}")
