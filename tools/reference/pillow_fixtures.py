"""Writes crates/data/tests/fixtures: small pictures of every kind, and the pixels that Pillow makes of them.

    python tools/reference/pillow_fixtures.py        (written with Pillow 13.0.0, NumPy 2.4.6; seed 0)

NAME.png, NAME.jpg, ...  the pictures
NAME.rgb, NAME.grey      height x width x channels bytes of the picture turned upright (ImageOps.exif_transpose), blended onto BACKGROUND
                         (alpha_composite), and converted to "RGB" or "L", without a header: of a lossless format after
                         resize((SIZE, SIZE), BILINEAR), of JPEG and lossy WebP as decoded
NAME-FIT-FILTER.rgb,     the same after another fit (resize, ImageOps.fit, ImageOps.pad) or filter
  .grey
kind-NAME.*              pictures of picture_kinds.py, and what is right for them
*.*                      pictures from public bug reports, those of reports/, and what Pillow makes of them
refused-NAME.*           pictures that are left out, with words of the reason in refused.txt
cases.txt                "FILE WIDTH HEIGHT SIZE FIT FILTER" a line where every byte must be equal, "FILE WIDTH HEIGHT" where the decoder has
                         some freedom; read by tests/pillow.rs

Pillow writes neither 16-bit colour, nor 2- and 4-bit grey, nor interlaced PNG, so those are put together here. It reads
them all, with one exception: see grey16().
"""

import io

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import picture_kinds
from picture_kinds import Refused

FIXTURES = Path(__file__).parents[2] / "crates/data/tests/fixtures"
BACKGROUND = (200, 30, 90)
random = np.random.default_rng(0)
cases = []
refused = []
REPORTS = Path(__file__).parent / "reports"
# What JPEG codes has some freedom.
LOSSY_REPORTS = ("d-tiffcp-jpeg", "j09-", "j14-", "j16-", "j16b-")
# One of each kind that a decoder can get wrong in a way of its own.
KINDS = """
    tiff-rgb-c5-planar tiff-rgb-c32946-tiled tiff-rgb-c32773-big-endian-rows4 tiff-predictor16-c5> tiff-predictor-tiled-c8 tiff-big
    tiff-fill2-rgb-c5 tiff-fill2-bits1-white-is-zero tiff-fill2-grey16 tiff-grey16-white-is-zero tiff-grey12 tiff-white-is-zero-4 tiff-palette-2
    tiff-rgb4 tiff-rgb-extra0< tiff-rgb-extra1> tiff-rgb-extra-unsaid< tiff-rgb-extra10 tiff-rgb-extra1-planar-deflate tiff-rgb16-extra1
    tiff-grey-extra0 tiff-grey-extra1 tiff-palette-extra2 tiff-cmyk-extra0 tiff-ycbcr22 tiff-ycbcr41-deflate-rows tiff-ycbcr-video-range-bt709
    tiff-jpeg-ycbcr-420-tables tiff-jpeg-ycbcr-tiled-422-whole tiff-jpeg-rgb-planar-True tiff-held-long tiff-held-xmp
    jpeg-exif-rational> jpeg-exif-undefined< jpeg-xmp-element jpeg-xmp-beside-exif jpeg-exif-in-two-segments webp-xmp webp-exif-long>
    jpeg-xmp-beside-no-exif webp-exif-and-xmp-announcing-nothing webp-exif-and-xmp-announcing-xmp bmp-palette-into-pixels
    png-xmp-compressed png-raw-profile png-raw-profile-behind png-exif-and-profile
    jpeg-524742-jfif jpeg-524742-adobe1 jpeg-010203-adobe0 jpeg-progressive-524742-none jpeg-cmyk-adobe2 jpeg-no-tables-420 jpeg-one-table
    bmp-palette-offset54 bmp-last-padding bmp-masks-none bmp-masks-24 png-without-last-16 png-interlaced-without-last-12
    pnm-p1-dense pnm-p2-31 pnm-p3 pnm-p4 pnm-p5-comments pnm-p5-1023 pnm-p6-65535
""".split()
REFUSED = "tiff-int16 tiff-float32 tiff-lab tiff-old-jpeg tiff-cmyk-other-inks bmp-masks-missing pnm-p2-cut pnm-pam pnm-pfm".split()


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


def pixels_of(image, mode):
    """The picture as the network's channels, before it is fitted."""
    return picture_kinds.pixels_of(image, mode, BACKGROUND)


def fit_into(image, size, fit, method):
    method = Image.Resampling[method.upper()]
    if fit == "stretch":
        return image.resize((size, size), method)
    if fit == "crop":
        return ImageOps.fit(image, (size, size), method)
    colour = BACKGROUND if image.mode == "RGB" else Image.new("RGB", (1, 1), BACKGROUND).convert("L").getpixel((0, 0))
    return ImageOps.pad(image, (size, size), method, colour)


def expect(name, image, suffix, size=None, fit="stretch", method="bilinear"):
    """Writes what Pillow makes of `image`, which is the picture in NAME.SUFFIX."""
    expected = name if (fit, method) == ("stretch", "bilinear") else f"{name}-{fit}-{method}"
    for mode, ending in (("RGB", "rgb"), ("L", "grey")):
        converted = pixels_of(image, mode)
        shape = converted.size
        if size:
            converted = fit_into(converted, size, fit, method)
        (FIXTURES / f"{expected}.{ending}").write_bytes(converted.tobytes())
    cases.append(" ".join(map(str, (f"{name}.{suffix}", *shape, *([size, fit, method] if size else [])))))


def save(name, image, suffix, size=None, **options):
    """Writes a picture and what is expected of it; without a size, within the decoder's freedom."""
    path = FIXTURES / f"{name}.{suffix}"
    image.save(path, **options)
    expect(name, Image.open(path), suffix, size)


def png(name, image, size, **options):
    save(name, image, "png", size, optimize=True, **options)


def raw_png(name, width, height, size, *layout):
    write_png(FIXTURES / f"{name}.png", width, height, *layout)
    expect(name, Image.open(FIXTURES / f"{name}.png"), "png", size)


def jpg(name, image, **options):
    save(name, image, "jpg", **options)


def refit(name, suffix, size, fit, method):
    expect(name, Image.open(FIXTURES / f"{name}.{suffix}"), suffix, size, fit, method)


def held(orientation):
    """EXIF data that say how the phone was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def partial_gif(name, size, transparency):
    """A GIF whose first frame covers a part of the screen."""
    frame = rgb(11, 7).quantize(32)
    options = {} if transparency is None else {"transparency": transparency}
    data = io.BytesIO()
    frame.save(data, "gif", **options)
    data = bytearray(data.getvalue())
    data[6:10] = struct.pack("<HH", 20, 16)
    descriptor = data.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 11, 7))
    data[descriptor + 1 : descriptor + 5] = struct.pack("<HH", 4, 5)
    path = FIXTURES / f"{name}.gif"
    path.write_bytes(data)
    expect(name, Image.open(path), "gif", size)


def rgb(width, height):
    return Image.fromarray(pattern(width, height, 3))


def grey16(name, width, height, size):
    """16-bit grey: Pillow's convert clips at 255, which is of no use to anyone. Expected is the high byte, as Pillow
    has it for 16-bit colour and for 16-bit grey with alpha."""
    samples = random.integers(0, 65536, (height, width))
    write_png(FIXTURES / f"{name}.png", width, height, 16, 0, [row.astype(">u2").tobytes() for row in samples])
    expect(name, Image.fromarray((samples >> 8).astype(np.uint8)), "png", size)


def grey16_tiff(name, width, height, size):
    samples = random.integers(0, 65536, (height, width)).astype(np.uint16)
    Image.fromarray(samples).save(FIXTURES / f"{name}.tiff")
    expect(name, Image.fromarray((samples >> 8).astype(np.uint8)), "tiff", size)


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

    # Phones store what the sensor saw.
    for orientation in range(1, 9):
        jpg(f"held{orientation}-24x16", rgb(24, 16), quality=90, subsampling="4:4:4", exif=held(orientation))
    png("png-held6-24x16", rgb(24, 16), 16, exif=held(6))
    save("webp-held8-24x16", rgb(24, 16), "webp", 16, lossless=True, exif=held(8))
    save("tiff-held7-24x16", rgb(24, 16), "tiff", 16, tiffinfo={274: 7})

    # WebP.
    save("webp-lossless-37x29", rgb(37, 29), "webp", 16, lossless=True)
    save("webp-lossless-alpha-37x29", Image.fromarray(pattern(37, 29, 4)), "webp", 16, lossless=True, exact=True)
    save("webp-lossy-61x45", rgb(61, 45), "webp", quality=80)
    save("webp-lossy-alpha-40x30", Image.fromarray(pattern(40, 30, 4)), "webp", quality=80)
    frames = [rgb(24, 16), rgb(24, 16)]
    save("webp-animated-24x16", frames[0], "webp", 16, lossless=True, save_all=True, append_images=frames[1:])

    # GIF.
    save("gif-palette-40x30", rgb(40, 30).quantize(64), "gif", 16)
    save("gif-interlaced-37x29", rgb(37, 29).quantize(100), "gif", 16, interlace=1)
    save("gif-transparent-40x30", rgb(40, 30).quantize(16), "gif", 16, transparency=3)
    save("gif-animated-40x30", rgb(40, 30).quantize(64), "gif", 16, save_all=True, append_images=[rgb(40, 30).quantize(8)])
    partial_gif("gif-partial-20x16", 16, None)
    partial_gif("gif-partial-transparent-20x16", 16, 5)

    # BMP.
    save("bmp-rgb-33x17", rgb(33, 17), "bmp", 16)
    save("bmp-rgba-33x17", Image.fromarray(pattern(33, 17, 4)), "bmp", 16)
    save("bmp-palette-33x17", rgb(33, 17).quantize(100), "bmp", 16)
    save("bmp-grey-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]), "bmp", 16)
    save("bmp-bits1-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]).convert("1"), "bmp", 16)

    # TIFF.
    save("tiff-rgb-33x17", rgb(33, 17), "tiff", 16)
    save("tiff-rgba-lzw-33x17", Image.fromarray(pattern(33, 17, 4)), "tiff", 16, compression="tiff_lzw")
    save("tiff-rgb-deflate-33x17", rgb(33, 17), "tiff", 16, compression="tiff_adobe_deflate")
    save("tiff-rgb-predictor-33x17", rgb(33, 17), "tiff", 16, compression="tiff_lzw", tiffinfo={317: 2})
    save("tiff-grey-packbits-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]), "tiff", 16, compression="packbits")
    save("tiff-grey-alpha-31x47", Image.fromarray(pattern(31, 47, 2), "LA"), "tiff", 16)
    save("tiff-palette-33x17", rgb(33, 17).quantize(100), "tiff", 16)
    save("tiff-cmyk-33x17", Image.fromarray(pattern(33, 17, 4), "CMYK"), "tiff", 16)
    save("tiff-bits1-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]).convert("1"), "tiff", 16)
    save("tiff-fax-33x17", Image.fromarray(pattern(33, 17, 1)[..., 0]).convert("1"), "tiff", 16, compression="group4")
    save("tiff-jpeg-40x32", rgb(40, 32), "tiff", compression="jpeg", quality=90)
    grey16_tiff("tiff-grey16-20x30", 20, 30, 16)

    # Every fit and every filter, where heights and widths differ by even and by odd numbers. Of a picture so thin that
    # it would be less than half a pixel wide, Pillow's pad leaves nothing.
    for name in "rgb-97x131", "rgb-96x80", "rgb-20x20", "rgb-3x200", "rgb-200x3":
        for fit in ("crop", "pad") if name not in ("rgb-3x200", "rgb-200x3") else ("crop",):
            refit(name, "png", 32, fit, "bilinear")
    for method in "nearest", "box", "hamming", "bicubic", "lanczos":
        for name in "rgb-97x131", "rgb-20x20":
            refit(name, "png", 32, "stretch", method)
        refit("rgb-96x80", "png", 32, "crop", method)
        refit("rgb-64x41", "png", 32, "pad", method)
    refit("rgba-40x60", "png", 32, "pad", "bicubic")

    kinds = {kind.name: kind for kind in picture_kinds.kinds()}
    for name in KINDS:
        kind, suffix = kinds[name], name.split("-")[0]
        # A file's name has no angle brackets everywhere.
        name = "kind-" + name.replace("<", "-little").replace(">", "-big")
        (FIXTURES / f"{name}.{suffix}").write_bytes(kind.file)
        expect(name, picture_kinds.right_image(kind), suffix, None if kind.close else 16)
    for name in REFUSED:
        kind, suffix = kinds[name], name.split("-")[0]
        assert isinstance(kind.right, Refused)
        (FIXTURES / f"refused-{name}.{suffix}").write_bytes(kind.file)
        refused.append(f"refused-{name}.{suffix} {kind.right.words}")
    for path in sorted(REPORTS.iterdir()):
        (FIXTURES / path.name).write_bytes(path.read_bytes())
        expect(path.stem, Image.open(path), path.suffix[1:], None if path.name.startswith(LOSSY_REPORTS) else 64)
    (FIXTURES / "refused.txt").write_text("\n".join(refused) + "\n")
    (FIXTURES / "cases.txt").write_text("\n".join(cases) + "\n")


if __name__ == "__main__":
    main()
