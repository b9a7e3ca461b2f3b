"""Who may begin an upload, and of what size. Levels without users admit everybody as one owner. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shared.errors import FileTooLarge
from shared.uploads import NewUpload


@dataclass(frozen=True)
class Admission:
    """What one request to begin an upload is allowed.

    Attributes:
        owner: whom the file will belong to.
        largest: bytes of the largest file; None: what the server takes.
        quota: bytes that the owner's unfinished uploads may declare together; None: no limit.
    """

    owner: str = ""
    largest: int | None = None
    quota: int | None = None

    def admit(self, new: NewUpload) -> NewUpload:
        """``new``, with its owner and within the owner's bounds.

        Raises:
            FileTooLarge: this owner may not bring so large a file.
        """
        if self.largest is not None and new.declared_size > self.largest:
            raise FileTooLarge(
                f"The file has {new.declared_size:,} bytes; your files may have {self.largest:,}."
            )
        return replace(new, owner=self.owner, quota=self.quota)


EVERYBODY: Final = Admission()
