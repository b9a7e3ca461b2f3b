"""What the browser client's defaults cost, in real Chromium: which hash, when to hash, digests or not.

    python -m bench.browser [--size 256] [--rounds 3] [--folder .]

Level 2 is started on an empty folder, and a page of its origin runs the client as it is served. Lines slower
than the loopback are made by Chromium's own network emulation. Ratios within a round are the result.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import psutil
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.levels import level2, serve_command
from bench.machine import warm_up
from bench.payload import MIB
from bench.processes import PeakMemory
from bench.processes import Server as Process

WORKER: Final = "**/client/hash-worker.js"
BLOCKS: Final = (1, 4, 16)
"""MiB read at once by the hash worker."""

LINES: Final = {"loopback": 0.0, "100 MiB/s": 100.0, "12 MiB/s (100 Mbit/s)": 12.0}
"""MiB/s; 0: as fast as it goes."""

SETUP: Final = """() => {
  const input = document.createElement('input')
  input.type = 'file'
  input.id = 'measured'
  document.body.append(input)
}"""

HASH: Final = """async (how) => {
  const file = document.getElementById('measured').files[0]
  const { hashFile } = await import('/client/hashing.js')
  const { digestHex } = await import('/client/digest.js')
  const began = performance.now()
  const value = how === 'worker'
    ? await hashFile(file, () => {}).result
    : await digestHex(await file.arrayBuffer())
  return [performance.now() - began, value]
}"""

UPLOAD: Final = """async (options) => {
  const file = document.getElementById('measured').files[0]
  const { Upload } = await import('/client/uploader.js')
  const began = performance.now()
  const { result, sent, hashed } = await new Promise((resolve, reject) => {
    let sent = null
    const upload = new Upload(file, {
      endpoint: '/upload', storage: null, ...options,
      onStateChange: (state) => { if (state === 'finishing') sent ??= performance.now() - began },
      onSuccess: (result) => resolve({ result, sent, hashed: upload.hashed }),
      onError: reject,
    })
    upload.start()
  })
  return [sent ?? performance.now() - began, performance.now() - began, result.how]
}"""


@contextmanager
def chromium_page(url: str) -> Iterator[tuple[Page, Process]]:
    """A page of the server's origin, and Chromium's processes."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or "chromium"
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(url)
        page.evaluate(SETUP)
        made = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        main = next(p for p in made if "chrom" in p.name())
        yield page, Process(url, main)
        browser.close()


def with_block(page: Page, size: int) -> Callable[[], None]:
    """Let the worker read ``size`` MiB at once; call the result to go back."""

    def changed(route: Any) -> None:
        text = route.fetch().text().replace("const BLOCK = 4 * 1024", f"const BLOCK = {size} * 1024")
        assert f"BLOCK = {size} * 1024" in text, "hash-worker.js has changed"
        route.fulfill(body=text, content_type="text/javascript")

    page.route(WORKER, changed)
    return lambda: page.unroute(WORKER)


def measure_hashes(
    page: Page, chromium: Process, size: int, rounds: int
) -> Iterator[tuple[str, float, float]]:
    """What, MiB/s, and MiB of memory that Chromium took beside what it had."""
    ways = [(f"hash-wasm, blocks of {block} MiB", "worker", block) for block in BLOCKS]
    ways.append(("SubtleCrypto, whole file", "subtle", 0))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in ways}
    for _ in range(rounds):
        for name, how, block in ways:
            back = with_block(page, block) if block else lambda: None
            idle = chromium.rss()
            with PeakMemory(chromium) as peak:
                milliseconds, _value = page.evaluate(HASH, how)
            back()
            found[name].append((size / (milliseconds / 1000), (peak.bytes - idle) / MIB))
            page.wait_for_timeout(1000)  # for the memory to be given back
    for name, pairs in found.items():
        yield (
            name,
            statistics.median(speed for speed, _ in pairs),
            statistics.median(memory for _, memory in pairs),
        )


def fresh(path: Path, size: int, page: Page) -> None:
    """Other bytes each time, or the server would know them."""
    with path.open("r+b" if path.exists() else "wb") as file:
        if file.seek(0, 2) != size * MIB:
            file.seek(0)
            for _ in range(size):
                file.write(os.urandom(MIB))
        file.seek(0)
        file.write(os.urandom(64))
    page.set_input_files("#measured", path)


def measure_uploads(
    page: Page, path: Path, size: int, rounds: int
) -> Iterator[tuple[str, str, float, float]]:
    """Line, options, and milliseconds until everything is sent and until it is done."""
    ways: dict[str, dict[str, object]] = {
        "off": {"fingerprint": "off"},
        "before": {"fingerprint": "before"},
        "beside": {"fingerprint": "beside"},
        "off, digest": {"fingerprint": "off", "digest": True},
    }
    session = page.context.new_cdp_session(page)
    for line, speed in LINES.items():
        throughput = speed * MIB if speed else -1
        conditions = {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": throughput,
        }
        session.send("Network.emulateNetworkConditions", conditions)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, options in ways.items():
                fresh(path, size, page)
                warm_up(path.parent, size * MIB)
                sent, done, _how = page.evaluate(UPLOAD, options)
                found[name].append((sent, done))
        for name, times in found.items():
            yield (
                line,
                name,
                statistics.median(sent for sent, _ in times),
                statistics.median(done for _, done in times),
            )


@click.command()
@click.option("--size", default=256, help="MiB of the file that is hashed.")
@click.option("--upload-size", default=128, help="MiB of the file that is uploaded.")
@click.option("--rounds", default=3)
@click.option("--folder", default=".", help="A folder on the disk that is measured.")
def main(size: int, upload_size: int, rounds: int, folder: str) -> None:
    """Measure, and print two tables."""
    console = Console()
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        level2(Path(name), serve_command()) as server,
        chromium_page(server.url) as (page, chromium),
    ):
        path = Path(name) / "measured.bin"
        fresh(path, size, page)
        table = Table("SHA-256", "MiB/s", "memory taken, MiB")
        for way, speed, memory in measure_hashes(page, chromium, size, rounds):
            table.add_row(way, f"{speed:.0f}", f"{memory:.0f}")
        console.print(table)
        path.unlink()
        table = Table("line", "fingerprint", "sent after, s", "done after, s", "of off")
        base = 1.0
        for line, way, sent, done in measure_uploads(page, path, upload_size, rounds):
            base = done if way == "off" else base
            table.add_row(line, way, f"{sent / 1000:.2f}", f"{done / 1000:.2f}", f"{done / base:.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
