"""Headless Chromium on a page: what it shows, what it says to its console, what it asks for."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required", "--mute-audio",
)  # fmt: skip
PHONE, DESKTOP = (390, 844), (1280, 900)


@contextmanager
def chromium(*flags: str) -> Iterator[webdriver.Chrome]:
    """A browser with these flags; skips the test where Chromium or its driver is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(service=Service(driver), options=options) as chrome:
        yield chrome


def resize(chrome: webdriver.Chrome, size: tuple[int, int]) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def requested(chrome: webdriver.Chrome) -> list[str]:
    """Addresses that pages asked for since the last call, without `data:` ones."""
    messages = [json.loads(row["message"])["message"] for row in chrome.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    addresses = [params["request"]["url"] for params in sent]
    return [address for address in addresses if not address.startswith("data:")]


def complaints(chrome: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the console holds since the last call."""
    return list(chrome.get_log("browser"))


def open_page(chrome: webdriver.Chrome, page: Path) -> None:
    chrome.get(page.absolute().as_uri())
