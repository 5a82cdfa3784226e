"""What one request may ask for, so that none can take the server down."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a request.

    Attributes
    ----------
    files : int
        Photos.
    file_bytes : int
        Of one photo.
    pixels : int
        Of one photo, once it is decoded; told by its header.
    all_bytes : int
        Of a whole request, its photos together.
    """

    files: int = 200
    file_bytes: int = 20 * 2**20
    pixels: int = 50_000_000
    all_bytes: int = 2**30

    @property
    def body_bytes(self) -> int:
        """Of a whole request: its photos, and as much as their names and seams can take."""
        return min(self.all_bytes, self.files * self.file_bytes) + self.files * 2**12
