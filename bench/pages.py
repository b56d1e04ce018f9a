"""How soon somebody with an old phone and a poor line sees something of a public page."""

import secrets
import shutil
import statistics
import sys
from collections.abc import Mapping

from playwright.sync_api import Browser, sync_playwright

from bench.first import Benchmark
from bench.rig import BenchFailed, Rig, served

PAGES = ("/", "/?service=street-light-outages", "/map", "/services", "/districts", "/districts/council/8", "/track")
LOADS = 7
SECONDS = 1.0
# A processor four times slower; 1.6 Mbit/s, and 150 ms there and back.
SLOWER = 4
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_FIRST = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def pages(rig: Rig) -> float:
    """The second that is claimed, over what the slowest page takes until its first content, in the middle of LOADS loads."""
    program = shutil.which("chromium")
    if program is None:
        raise BenchFailed("chromium is not here: apt-get install -y --no-install-recommends chromium")
    environment = {
        "DATABASE_URL": rig.url,
        "SECRET_KEY": secrets.token_urlsafe(32),
        "OPEN311_DEFAULT_JURISDICTION": "boston.gov",
    }
    with served("wsgi:app", environment) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        slowest = 0.0
        for path in PAGES:
            _first_content(browser, url + path)  # so that the server has what it holds
            took = [_first_content(browser, url + path) for _ in range(LOADS)]
            middle = statistics.median(took)
            print(f"{path}: first content after {middle:.2f} s, at most {max(took):.2f} s", file=sys.stderr, flush=True)
            slowest = max(slowest, middle)
        browser.close()
    return SECONDS / slowest


def _first_content(browser: Browser, address: str) -> float:
    """Seconds until the first content, in a browser that has nothing of us yet."""
    context = browser.new_context(viewport={"width": 360, "height": 640})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", LINE)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address)
    page.wait_for_function(_FIRST)
    seconds = float(page.evaluate(_FIRST)) / 1000
    context.close()
    return seconds


BENCHMARKS: Mapping[str, Benchmark] = {"pages": Benchmark(run=pages, floor=1.0)}
