"""The core alone in Chromium, without the page: its README's example, the hash worker, the XHR transport."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Make, sha256
from tests.browser.driver import PATIENCE
from tests.browser.stages import MIB
from tests.conftest import Serve

README: Final = Path(__file__).parents[2] / "shared/client/README.md"
LIBRARY: Final = "**/client/vendor/hash-wasm/*"

HASH: Final = """async () => {
  const { hashFile } = await import('/client/hashing.js')
  const told = []
  try {
    const file = document.querySelector('input').files[0]
    const value = await hashFile(file, (hashed) => told.push(hashed)).result
    return { value, told }
  } catch (error) {
    return { kind: error.constructor.name, message: error.message, told }
  }
}"""


@pytest.fixture
def address(serve: Serve) -> str:
    server = serve("--min-chunk-size", "1KiB", level=2)
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def bare(context: BrowserContext, address: str) -> Page:
    """A page of the server's origin with nothing but a file input in it."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    blank = '<!doctype html><title>bare</title><input type="file">'
    page.route("**/bare", lambda route: route.fulfill(body=blank, content_type="text/html"))
    page.goto(f"{address}/bare")
    return page


def test_twenty_lines_upload_a_file_from_another_page(bare: Page, address: str, sample: Make) -> None:
    found = re.search(r"```html\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    assert len(found[1].splitlines()) <= 25
    bare.route("**/another", lambda route: route.fulfill(body=found[1], content_type="text/html"))
    bare.goto(f"{address}/another")
    path = sample("holiday.bin", 3 * MIB)
    bare.set_input_files("#file", path)
    expect(bare.locator("#words")).to_have_text("holiday.bin: sent", timeout=PATIENCE)
    expect(bare.locator("#bar")).to_have_attribute("value", "1")
    [stored] = bare.request.get(f"{address}/files").json()["files"]
    assert stored["fingerprint"] == sha256(path)


@pytest.mark.parametrize("size", [1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 21 * MIB + 7])
def test_the_worker_hashes_in_blocks(bare: Page, sample: Make, size: int) -> None:
    """With the library: SubtleCrypto is taken away, so that nothing else can have done it."""
    path = sample("hashed.bin", size)
    bare.set_input_files("input", path)
    bare.evaluate("() => { crypto.subtle.digest = () => Promise.reject(new Error('not this one')) }")
    assert bare.evaluate(HASH)["value"] == sha256(path)


def test_the_worker_tells_how_far_it_is(bare: Page, sample: Make) -> None:
    path = sample("large.bin", 48 * MIB)
    bare.set_input_files("input", path)
    answer = bare.evaluate(HASH)
    assert answer["value"] == sha256(path)
    assert answer["told"] == sorted(answer["told"])
    assert len(answer["told"]) > 1
    assert answer["told"][-1] <= 48 * MIB


def test_pausing_and_cancelling_the_hash(bare: Page, sample: Make) -> None:
    path = sample("large.bin", 64 * MIB)
    bare.set_input_files("input", path)
    answer = bare.evaluate("""async () => {
      const { hashFile } = await import('/client/hashing.js')
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      const file = document.querySelector('input').files[0]
      let last = 0
      const job = hashFile(file, (hashed) => { last = hashed })
      while (last === 0) await sleep(5)
      job.pause()
      await sleep(400)
      const paused = last
      await sleep(600)
      const still = last
      job.resume()
      const value = await job.result
      let over = false
      const other = hashFile(file, () => {})
      other.result.finally(() => { over = true })
      await sleep(50)
      other.cancel()
      await sleep(1500)
      return { paused, still, value, over }
    }""")
    assert answer["paused"] == answer["still"] < 64 * MIB
    assert answer["value"] == sha256(path)
    assert answer["over"] is False


def test_without_the_library_small_files_are_hashed_and_large_ones_say_why_not(
    bare: Page, sample: Make
) -> None:
    bare.route(LIBRARY, lambda route: route.fulfill(status=404, body="{}"))
    small = sample("small.bin", MIB)
    bare.set_input_files("input", small)
    assert bare.evaluate(HASH)["value"] == sha256(small)
    large = sample("sparse.bin", 1)
    with large.open("r+b") as file:
        file.truncate(64 * MIB + 1)
    bare.set_input_files("input", large)
    answer = bare.evaluate(HASH)
    assert answer["kind"] == "NoFingerprint"
    assert "up to 64 MiB" in answer["message"]


def test_a_file_that_changes_while_it_is_hashed_is_unreadable(bare: Page, sample: Make) -> None:
    path = sample("changing.bin", 32 * MIB)
    bare.set_input_files("input", path)
    path.write_bytes(b"other")
    answer = bare.evaluate(HASH)
    assert answer["kind"] == "UploadError"
    assert "cannot be read" in answer["message"]


UPLOAD: Final = """async (options) => {
  const { Upload } = await import('/client/uploader.js')
  const seen = { sent: [], confirmed: [], retries: [], states: [] }
  const upload = new Upload(document.querySelector('input').files[0], {
    endpoint: '/upload', retryDelays: [10, 10], fingerprint: 'off', ...options,
    onSent: (position) => seen.sent.push(position),
    onProgress: (confirmed) => seen.confirmed.push(confirmed),
    onRetry: (error) => seen.retries.push(error.message),
    onStateChange: (state) => seen.states.push(state),
  })
  await new Promise((resolve) => {
    upload.events.onSuccess = resolve
    upload.events.onError = resolve
    upload.start()
  })
  return { ...seen, error: upload.error?.kind, fingerprint: upload.result?.file.fingerprint }
}"""


def test_sent_runs_ahead_of_confirmed(bare: Page, sample: Make) -> None:
    path = sample("two.bin", 6 * MIB)
    bare.set_input_files("input", path)
    seen = bare.evaluate(UPLOAD, {"chunkSize": 2 * MIB})
    assert seen["confirmed"][:3] == [2 * MIB, 4 * MIB, 6 * MIB]
    assert seen["fingerprint"] == sha256(path)
    assert {2 * MIB, 4 * MIB, 6 * MIB} <= set(seen["sent"])
    assert seen["sent"] == sorted(seen["sent"])


def test_digests_are_sent_and_hold(bare: Page, sample: Make) -> None:
    digests: list[str] = []
    bare.on("request", lambda request: digests.append(request.headers.get("content-digest", "")))
    path = sample("digest.bin", 100_000)
    bare.set_input_files("input", path)
    seen = bare.evaluate(UPLOAD, {"chunkSize": 40_000, "digest": True})
    assert seen["fingerprint"] == sha256(path)
    assert sum(digest.startswith("sha-256=:") for digest in digests) == 3


def test_a_silent_connection_is_given_up(bare: Page, sample: Make) -> None:
    """A request that is never answered, as behind a router that has forgotten the connection."""
    path = sample("stall.bin", 100_000)
    bare.set_input_files("input", path)
    unanswered: list[str] = []

    def once(route: Route) -> None:
        if route.request.method == "PUT" and not unanswered:
            unanswered.append(route.request.url)
        else:
            route.continue_()

    bare.route("**/upload/*", once)
    seen = bare.evaluate(UPLOAD, {"stallTimeout": 500})
    assert unanswered
    assert seen["retries"] == ["The connection went silent."]
    assert seen["fingerprint"] == sha256(path)
