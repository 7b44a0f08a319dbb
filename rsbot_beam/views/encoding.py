"""Arrays of colour as small files that browsers show."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Of WebP: imagery at thumbnail size looks the same as without loss, at an eighth of the bytes.
_QUALITY = 82


def encode_picture(image: np.ndarray, *, exact: bool = False, least_side: int = 0) -> bytes:
    """A WebP file.

    Args:
        image: float 0..1 or uint8, (height, width, 3) or (height, width, 4).
        exact: Whether no pixel may change, as for classes.
        least_side: Smaller pictures are enlarged to this many pixels a side, each pixel to a square of whole ones.
    """
    plain = image if image.dtype == np.uint8 else np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    times = max(1, least_side // max(1, min(plain.shape[:2])))
    if times > 1:
        plain = plain.repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(plain).save(buffer, "webp", lossless=exact, quality=_QUALITY, method=4)
    return buffer.getvalue()


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """An image of at most `side` pixels a side: means of squares of whole pixels; what is left over is cut off.

    Args:
        image: float (height, width, bands).
        side: Pixels, 1 or more.
    """
    times = -(-max(image.shape[:2]) // side)
    if times == 1:
        return image
    height, width = (length // times * times for length in image.shape[:2])
    parts = image[:height, :width].reshape(height // times, times, width // times, times, -1)
    return np.asarray(parts.mean(axis=(1, 3)))


def reencoded(png: bytes, most_side: int = 0) -> bytes:
    """A picture file as WebP: drawings with texts stay sharp, at a fraction of the bytes.

    Args:
        png: The file, of any format.
        most_side: Larger pictures are shrunk to this many pixels along their longer side; 0: none is.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if most_side:
        image.thumbnail((most_side, most_side))
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=88, method=4)
    return buffer.getvalue()
