"""A browser. Where Playwright is not installed these tests are skipped, and no others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")
def chromium() -> "Iterator[Browser]":
    """A headless Chromium; the test is skipped where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        names = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        path = next(filter(None, (*names, playwright.chromium.executable_path)))
        if not Path(path).exists():
            pytest.skip("no Chromium: apt-get install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium: "Browser") -> "Iterator[tuple[Page, list[str]]]":
    """A page of a browser, and all that it asked for or complained of: addresses, and what the console said."""
    context = chromium.new_context()
    page, heard = context.new_page(), list[str]()
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    yield page, heard
    context.close()
