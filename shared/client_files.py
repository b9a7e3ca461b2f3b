"""Where the browser client's one library lies, if it was installed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

HASH_LIBRARY: Final = Path("node_modules") / "hash-wasm" / "dist" / "sha256.umd.min.js"


def hash_library(root: Path = Path(__file__).parent.parent) -> Path | None:
    """The file of hash-wasm that the client's worker asks for, as npm delivered it.

    Args:
        root: the folder that holds ``package.json``: where ``make`` runs npm.

    Returns:
        ``None`` where npm was missing at set-up, and in an installation by pip alone. The page works without
        it, with the browser's own SHA-256 (``shared/client/README.md``).
    """
    library = root / HASH_LIBRARY
    return library if library.is_file() else None
