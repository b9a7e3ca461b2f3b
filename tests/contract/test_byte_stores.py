"""Every byte store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from level2_disk_chunks.disk_store import DiskStore
from shared.ports import ByteStore
from tests.contract.byte_store_contract import ByteStoreContract


class TestDiskStore(ByteStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ByteStore:
        return DiskStore(tmp_path)
