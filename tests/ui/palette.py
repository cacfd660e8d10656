"""Pictures with 64 colours: a screen of flat tones needs no more, and the repository stays small."""

from pathlib import Path

from PIL import Image

COLOURS = 64


def compress(path: Path) -> None:
    """Write a picture anew with a palette."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
