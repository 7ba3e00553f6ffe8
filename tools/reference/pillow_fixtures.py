"""Writes crates/data/tests/fixtures: small pictures of every kind, and the pixels that Pillow makes of them.

    python tools/reference/pillow_fixtures.py        (written with Pillow 13.0.0, NumPy 2.4.6; seed 0)

NAME.png, NAME.jpg   the pictures
NAME.rgb, NAME.grey  height x width x channels bytes of convert("RGB") and convert("L"), without a header:
                     of a PNG after resize((SIZE, SIZE), BILINEAR), of a JPEG as decoded
cases.txt            "FILE WIDTH HEIGHT SIZE" a line for PNG, "FILE WIDTH HEIGHT" for JPEG; read by tests/pillow.rs

Pillow writes neither 16-bit colour, nor 2- and 4-bit grey, nor interlaced PNG, so those are put together here. It reads them all, with
one exception: see grey16().
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FIXTURES = Path(__file__).parents[2] / "crates/data/tests/fixtures"
random = np.random.default_rng(0)
cases = []


def pattern(width, height, channels):
    """Waves, hard edges and a little noise in every channel, as uint8 [height, width, channels]."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    waves = 127 + 90 * np.sin(x / (4 + 2 * c) + y / 7) + 60 * np.cos(y / (3 + c) - x / 11)
    edges = np.where((x // 9 + y // 7) % 5 == 0, 80 * (c - 1), 0)
    return np.clip(waves + edges + random.integers(-4, 5, waves.shape), 0, 255).astype(np.uint8)


def write_png(path, width, height, bits, color_type, rows, interlace=0):
    """A PNG from packed rows of bytes, all with filter 0; interlaced, `rows` are those of the seven passes in turn."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def expect(name, image, suffix, size=None):
    """Writes what Pillow makes of `image`, which is the picture in NAME.SUFFIX."""
    for mode, ending in (("RGB", "rgb"), ("L", "grey")):
        converted = image.convert(mode)
        if size:
            converted = converted.resize((size, size), Image.Resampling.BILINEAR)
        (FIXTURES / f"{name}.{ending}").write_bytes(converted.tobytes())
    cases.append(" ".join(map(str, (f"{name}.{suffix}", *image.size, *([size] if size else [])))))


def png(name, image, size, **options):
    image.save(FIXTURES / f"{name}.png", optimize=True, **options)
    expect(name, Image.open(FIXTURES / f"{name}.png"), "png", size)


def raw_png(name, width, height, size, *layout):
    write_png(FIXTURES / f"{name}.png", width, height, *layout)
    expect(name, Image.open(FIXTURES / f"{name}.png"), "png", size)


def jpg(name, image, **options):
    image.save(FIXTURES / f"{name}.jpg", **options)
    expect(name, Image.open(FIXTURES / f"{name}.jpg"), "jpg")


def rgb(width, height):
    return Image.fromarray(pattern(width, height, 3))


def grey16(name, width, height, size):
    """16-bit grey: Pillow's convert clips at 255, which is of no use to anyone. Expected is the high byte, as Pillow has it for 16-bit
    colour and for 16-bit grey with alpha."""
    samples = random.integers(0, 65536, (height, width))
    write_png(FIXTURES / f"{name}.png", width, height, 16, 0, [row.astype(">u2").tobytes() for row in samples])
    expect(name, Image.fromarray((samples >> 8).astype(np.uint8)), "png", size)


def colour16(name, width, height, size, channels, color_type):
    samples = random.integers(0, 65536, (height, width, channels))
    raw_png(name, width, height, size, 16, color_type, [row.astype(">u2").tobytes() for row in samples])


def few_bits(name, width, height, size, bits):
    samples = random.integers(0, 2**bits, (height, width))
    digits = (samples[..., None] >> np.arange(bits)[::-1]) & 1
    raw_png(name, width, height, size, bits, 0, [row.tobytes() for row in np.packbits(digits.reshape(height, -1), axis=1)])


def interlaced(name, width, height, size):
    pixels = pattern(width, height, 3)
    rows = []
    for x, y, dx, dy in (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2):
        rows += [row.tobytes() for row in pixels[y::dy, x::dx]]
    raw_png(name, width, height, size, 8, 2, rows, 1)


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)

    # Every direction of resizing: up, down, one axis only, none, and extreme ratios.
    png("rgb-1x1", rgb(1, 1), 8)
    png("rgb-3x200", rgb(3, 200), 32)
    png("rgb-200x3", rgb(200, 3), 32)
    png("rgb-20x20", rgb(20, 20), 64)
    png("rgb-64x64", rgb(64, 64), 64)
    png("rgb-64x41", rgb(64, 41), 64)
    png("rgb-41x64", rgb(41, 64), 64)
    png("rgb-63x65", rgb(63, 65), 64)
    png("rgb-96x80", rgb(96, 80), 64)
    png("rgb-97x131", rgb(97, 131), 64)

    # Every kind of pixel.
    png("palette-200x150", rgb(200, 150).quantize(200), 64)
    png("palette4-33x17", rgb(33, 17).quantize(11), 16, bits=4)
    png("palette-alpha-40x30", rgb(40, 30).quantize(32), 16, transparency=bytes(range(0, 256, 8)))
    png("grey-96x80", Image.fromarray(pattern(96, 80, 1)[..., 0]), 64)
    png("grey-key-20x20", Image.fromarray(pattern(20, 20, 1)[..., 0]), 16, transparency=100)
    png("grey1-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]).convert("1"), 16)
    few_bits("grey2-33x17", 33, 17, 16, 2)
    few_bits("grey4-33x17", 33, 17, 16, 4)
    png("grey-alpha-31x47", Image.fromarray(pattern(31, 47, 2), "LA"), 32)
    png("rgb-key-20x20", rgb(20, 20), 16, transparency=(1, 2, 3))
    png("rgba-40x60", Image.fromarray(pattern(40, 60, 4)), 32)
    grey16("grey16-20x30", 20, 30, 16)
    colour16("grey-alpha16-20x30", 20, 30, 16, 2, 4)
    colour16("rgb16-20x30", 20, 30, 16, 3, 2)
    colour16("rgba16-20x30", 20, 30, 16, 4, 6)
    interlaced("interlaced-37x29", 37, 29, 16)

    # Every kind of JPEG that Pillow writes.
    jpg("444-40x30", rgb(40, 30), quality=75, subsampling="4:4:4")
    jpg("422-33x17", rgb(33, 17), quality=75, subsampling="4:2:2")
    jpg("420-40x30", rgb(40, 30), quality=75, subsampling="4:2:0")
    jpg("420-33x17", rgb(33, 17), quality=30, subsampling="4:2:0")
    jpg("420-1x1", rgb(1, 1), quality=75, subsampling="4:2:0")
    jpg("420-97x61", rgb(97, 61), quality=92, subsampling="4:2:0", restart_marker_rows=1)
    jpg("progressive-33x17", rgb(33, 17), quality=75, subsampling="4:2:0", progressive=True)
    jpg("grey-40x30", Image.fromarray(pattern(40, 30, 1)[..., 0]), quality=75)
    jpg("cmyk-40x30", Image.fromarray(pattern(40, 30, 4), "CMYK"), quality=75)
    jpg("rgb-33x17", rgb(33, 17), quality=75, keep_rgb=True)

    (FIXTURES / "cases.txt").write_text("\n".join(cases) + "\n")


if __name__ == "__main__":
    main()
