"""Pictures of the page in each of its states, light and dark, wide and narrow: `make screenshots`.

They are made of the real page, with real servers behind it, and go to `build/screenshots/`. Two of them stand
in the README; `--readme` renews those.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, program
from tests.browser.driver import UploadPage
from tests.browser.stages import CHUNK, Stage, open_stage
from tests.browser.wire import Wire
from tests.servers import REPOSITORY

TARGET: Final = REPOSITORY / "build" / "screenshots"
README: Final = REPOSITORY / "shared" / "client" / "screenshots"
WIDTHS: Final = {"wide": 1280, "phone": 390, "narrow": 320}
FOR_README: Final = {"uploading": (960, 935, "light"), "unfinished": (390, 700, "dark")}


@dataclass
class Scene:
    """What a state is set up with."""

    tab: UploadPage
    wire: Wire
    stage: Stage
    folder: Path
    stack: ExitStack

    def file(self, name: str, size: int, begins: bytes = b"") -> Path:
        path = self.folder / name
        path.write_bytes((begins + random.Random(name).randbytes(size))[:size])
        return path

    def picture(self, name: str) -> Path:
        """A small PNG: a sky over the sea."""
        rows = b"".join(b"\0" + bytes(v for x in range(96) for v in _colour(x, y)) for y in range(96))
        path = self.folder / name
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + _png_part(b"IHDR", struct.pack(">IIBBBBB", 96, 96, 8, 2, 0, 0, 0))
            + _png_part(b"IDAT", zlib.compress(rows))
            + _png_part(b"IEND", b"")
        )
        return path

    def held(self, name: str, chunks: int = 16, at: int = 10) -> Path:
        """An upload that stands in the middle of a chunk."""
        self.wire.hold_inside(at)
        file = self.file(name, chunks * CHUNK)
        self.tab.choose(file)
        self.wire.wait_until_held(self.tab)
        expect(self.tab.row(name)).to_contain_text(" of ")
        return file

    def some_files(self) -> None:
        for name, size in (("contract.txt", 31_000), ("notes from the meeting.txt", 4_100)):
            self.tab.choose(self.file(name, size))
            self.tab.expect_state(name, "done")
        self.tab.choose(self.picture("beach.png"))
        self.tab.expect_state("beach.png", "done")


def empty(_scene: Scene) -> None:
    """Nothing chosen, nothing stored."""


def dragging(scene: Scene) -> None:
    """Files hover over the page."""
    session = scene.tab.page.context.new_cdp_session(scene.tab.page)
    data = {"items": [], "files": [str(scene.picture("beach.png"))], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 100, "y": 150, "data": data})


def uploading(scene: Scene) -> None:
    """Some done, one on its way, one refused."""
    scene.some_files()
    liar = scene.file("scan.pdf", 52_000)
    scene.tab.choose(liar)
    scene.tab.expect_state(liar.name, "failed")
    scene.tab.press("contract.txt", "Remove")
    scene.stack.enter_context(scene.tab.slow(2 * CHUNK))
    names = ("holiday in Brittany.dat", "interview, part 1.wave", "interview, part 2.wave", "notes.zipped")
    scene.tab.choose(*[scene.file(name, 24 * CHUNK // (number + 1)) for number, name in enumerate(names)])
    scene.tab.expect_state(names[0], "uploading")
    scene.tab.page.wait_for_timeout(4000)


def paused(scene: Scene) -> None:
    """One paused, and the focus on its button."""
    scene.some_files()
    file = scene.held("holiday.bin")
    scene.tab.page.keyboard.press("Tab")
    scene.tab.row(file.name).get_by_role("button", name="Pause").press("Enter")
    scene.tab.expect_state(file.name, "paused")


def retrying(scene: Scene) -> None:
    """The server has gone."""
    file = scene.held("holiday.bin")
    scene.stage.uploads.kill()
    scene.wire.release()
    scene.tab.expect_state(file.name, "retrying")


def failed(scene: Scene) -> None:
    """All that can end badly."""
    tab = scene.tab
    for name in ("picture.jpg", "x" * 120 + ".jpg"):
        tab.choose(scene.file(name, 9_000))
        tab.expect_state(name, "failed")
    gone = scene.held("from the cloud.bin")
    gone.unlink()
    scene.wire.release()
    tab.expect_state(gone.name, "failed")
    cancelled = scene.held("never mind.bin")
    tab.press(cancelled.name, "Cancel")
    tab.expect_state(cancelled.name, "cancelled")
    scene.wire.release()
    file = scene.held("holiday.bin")
    scene.stage.uploads.kill()
    scene.wire.release()
    tab.expect_state(file.name, "retrying")
    tab.press(file.name, "Try now")
    tab.expect_state(file.name, "failed")


def done(scene: Scene) -> None:
    """Everything went well; one file was there already; long names."""
    scene.some_files()
    copy = scene.folder / "the same beach.png"
    copy.write_bytes((scene.folder / "beach.png").read_bytes())
    scene.tab.choose(copy)
    scene.tab.expect_state(copy.name, "duplicate")
    long = scene.file("minutes-of-the-extraordinary-general-meeting-" * 4 + "2026-11.txt", 70_000)
    scene.tab.choose(long)
    scene.tab.expect_state(long.name, "done")


def unfinished(scene: Scene) -> None:
    """After a reload."""
    scene.some_files()
    scene.held("holiday in Brittany.dat")
    scene.tab.reload()
    expect(scene.tab.unfinished("holiday")).to_be_visible()


def wrong_file(scene: Scene) -> None:
    """After a reload, another file was chosen."""
    file = scene.held("holiday.bin")
    scene.tab.reload()
    other = scene.folder / "other"
    other.mkdir(exist_ok=True)
    (other / file.name).write_bytes(b"another one")
    scene.tab.choose_again(file.name, other / file.name)
    expect(scene.tab.unfinished(file.name)).to_contain_text("not the same")


def away(scene: Scene) -> None:
    """No server at all."""
    scene.tab.page.route("**/upload", lambda route: route.abort())
    scene.tab.page.reload()
    expect(scene.tab.page.locator("#limits")).to_contain_text("does not answer")


STATES: Final[tuple[tuple[str, int, Callable[[Scene], None]], ...]] = (
    ("empty", 2, empty),
    ("dragging", 2, dragging),
    ("uploading", 2, uploading),
    ("paused", 2, paused),
    ("retrying", 2, retrying),
    ("failed", 2, failed),
    ("done", 2, done),
    ("unfinished", 2, unfinished),
    ("wrong-file", 2, wrong_file),
    ("away", 2, away),
    ("level1-empty", 1, empty),
    ("level1-uploading", 1, uploading),
)


def main(arguments: list[str]) -> None:
    """Set up each state once, and look at it in every way."""
    only = [name for name in arguments if not name.startswith("-")]
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        for name, level, prepare in STATES:
            if only and name not in only:
                continue
            with scene(browser, level) as prepared:
                prepare(prepared)
                shoot(name, prepared.tab, renew="--readme" in arguments)
        browser.close()


@contextmanager
def scene(browser: Browser, level: int) -> Iterator[Scene]:
    """A fresh server, a fresh profile, the page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="upload-levels-pictures-")))
        stage = open_stage(level, folder / "server")
        stack.callback(stage.close)
        context = browser.new_context(locale="en-GB", timezone_id="UTC", device_scale_factor=1)
        stack.callback(context.close)
        wire = stack.enter_context(Wire(stage))
        (folder / "files").mkdir()
        yield Scene(UploadPage(context.new_page(), wire.address).open(), wire, stage, folder / "files", stack)


def shoot(name: str, tab: UploadPage, *, renew: bool) -> None:
    """One picture for each width and scheme."""
    schemes: tuple[Any, ...] = ("light", "dark")
    tab.page.wait_for_timeout(900)  # the bars have moved, the live region has spoken
    for width, pixels in WIDTHS.items():
        for scheme in schemes:
            tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.page.set_viewport_size({"width": pixels, "height": 640})
            path = TARGET / f"{name}-{width}-{scheme}.png"
            tab.page.screenshot(path=path, full_page=True)
    if renew and name in FOR_README:
        README.mkdir(exist_ok=True)
        pixels, height, chosen = FOR_README[name]
        tab.page.emulate_media(color_scheme="dark" if chosen == "dark" else "light", reduced_motion="reduce")
        tab.page.set_viewport_size({"width": pixels, "height": height})
        tab.page.screenshot(path=README / f"{name}.png")
    print(f"{name}: {len(WIDTHS) * len(schemes)} pictures in {TARGET.relative_to(REPOSITORY)}")


def _png_part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _colour(x: int, y: int) -> tuple[int, int, int]:
    if (x - 70) ** 2 + (y - 24) ** 2 < 120:
        return 255, 226, 130
    return (120 + y, 180 + y // 2, 245) if y < 60 else (20, 90 + (x + y) % 8, 140)


if __name__ == "__main__":
    main(sys.argv[1:])
