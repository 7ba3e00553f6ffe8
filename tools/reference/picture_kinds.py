"""Pictures of kinds that Pillow reads and few programs write, made byte by byte, each with the pixels that are right.

`kinds()` gives a list of Kind(name, file, right): `right` is PILLOW where Pillow's reading of the file is right, an
array [height, width, 3] or [height, width, 4] where Pillow has none or another (the comment says why), or
Refused(words) where the picture must be left out with a reason that has these words. `close` is how far a decoder may
be off.

tools/reference/pillow_fixtures.py takes some of them as fixtures, tools/check/pictures_read.py compares the program
with all of them.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

PILLOW = object()
WIDTH, HEIGHT = 21, 14


@dataclass
class Refused:
    words: str


@dataclass
class Kind:
    name: str
    file: bytes
    right: object = PILLOW
    close: int = 0


def waves(channels, width=WIDTH, height=HEIGHT):
    """Smooth colours, uint8 [height, width, channels], that are different in every channel, direction and corner."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return np.clip(128 + 70 * np.sin(x / (5 + c) + c) + 50 * np.cos(y / (4 - c % 3) + 2 * c) + 3 * x - 2 * y, 0, 255).astype(np.uint8)


def rgb(width=WIDTH, height=HEIGHT):
    return Image.fromarray(waves(3, width, height))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# TIFF
# ---------------------------------------------------------------------------------------------------------------------------------------

SHORT, LONG, RATIONAL, UNDEFINED, BYTE = 3, 4, 5, 7, 1
LETTERS = {BYTE: "B", 2: "B", SHORT: "H", LONG: "I", UNDEFINED: "B", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}


def packed(order, kind, values):
    if kind in (RATIONAL, 10):
        letter = "I" if kind == RATIONAL else "i"
        return b"".join(struct.pack(order + 2 * letter, *pair) for pair in values)
    return struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)


def tiff(tags, chunks, order="<", big=False, tiled=False):
    """A TIFF of one page: `tags` are (tag, type, values), to which those of the chunks' places are added."""
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    header += struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)
    body, places = bytearray(header), []
    for chunk in chunks:
        body += b"\0" * (len(body) % 2)
        places.append(len(body))
        body += chunk
    tags = [tag for tag in tags if tag[2] is not None]
    offsets, counts = (324, 325) if tiled else (273, 279)
    tags += [(offsets, LONG, places), (counts, LONG, [len(chunk) for chunk in chunks])]
    entries = bytearray()
    width = 8 if big else 4
    for tag, kind, values in sorted(tags):
        value = packed(order, kind, values)
        if len(value) > width:
            body += b"\0" * (len(body) % 2)
            place = len(body)
            body += value
            value = struct.pack(order + ("Q" if big else "I"), place)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values)) + value.ljust(width, b"\0")
    body += b"\0" * (len(body) % 2)
    struct.pack_into(order + ("Q" if big else "I"), body, 8 if big else 4, len(body))
    body += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + b"\0" * width
    return bytes(body)


def reversed_bits(data):
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def packbits(data):
    return b"".join(bytes([len(data[at : at + 100]) - 1]) + data[at : at + 100] for at in range(0, len(data), 100))


def lzw(data):
    """Without compression: a clear code before every 200 bytes, codes of 9 bits each."""
    codes = []
    for at in range(0, len(data), 200):
        codes += [256, *data[at : at + 200]]
    bits = "".join(f"{code:09b}" for code in codes + [257])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


COMPRESS = {1: bytes, 5: lzw, 8: zlib.compress, 32946: zlib.compress, 32773: packbits}


def packed_bits(samples, bits):
    """Rows of samples of so many bits, the first in the highest ones."""
    rows = samples.reshape(samples.shape[0], -1)
    digits = (rows[..., None].astype(np.int64) >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.reshape(rows.shape[0], -1).astype(np.uint8), axis=1)


def chunky(
    samples, photometric, bits=8, compression=1, order="<", predictor=None, fill=None, extra=None, rows=None, tile=None, planar=1, big=False, more=()
):
    """A TIFF of samples [height, width, samples]."""
    height, width, count = samples.shape
    planes = [samples] if planar == 1 else [samples[..., i : i + 1] for i in range(count)]
    chunks = []
    for plane in planes:
        if tile:
            across, down = -(-width // tile), -(-height // tile)
            padded = np.pad(plane, ((0, down * tile - height), (0, across * tile - width), (0, 0)))
            pieces = [padded[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] for y in range(down) for x in range(across)]
        else:
            step = rows or height
            pieces = [plane[y : y + step] for y in range(0, height, step)]
        for piece in pieces:
            if predictor == 2:
                first = piece[:, :1]
                piece = np.concatenate([first, np.diff(piece.astype(np.int64), axis=1) % (1 << bits)], axis=1)
            if bits == 16:
                data = piece.astype(order + "u2").tobytes()
            elif bits == 8:
                data = piece.astype(np.uint8).tobytes()
            else:
                data = packed_bits(piece, bits).tobytes()
            data = COMPRESS[compression](data)
            chunks.append(reversed_bits(data) if fill == 2 else data)
    tags = [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [bits] * count),
        (259, SHORT, [compression]),
        (262, SHORT, [photometric]),
        (277, SHORT, [count]),
        (284, SHORT, [planar]),
        (317, SHORT, [predictor] if predictor else None),
        (266, SHORT, [fill] if fill else None),
        (338, SHORT, extra),
        *([(322, LONG, [tile]), (323, LONG, [tile])] if tile else [(278, LONG, [rows or height])]),
        *more,
    ]
    return tiff(tags, chunks, order, big, bool(tile))


def ycbcr_units(samples, horizontal, vertical, rows=None):
    """Strips of subsampled YCbCr: the lumas of each unit and one pair of chroma samples, that of its first pixel."""
    height, width, _ = samples.shape
    rows = rows or height
    chunks = []
    for top in range(0, height, rows):
        strip = samples[top : top + rows]
        tall, wide = -(-strip.shape[0] // vertical) * vertical, -(-width // horizontal) * horizontal
        strip = np.pad(strip, ((0, tall - strip.shape[0]), (0, wide - width), (0, 0)), mode="edge")
        out = bytearray()
        for y in range(0, tall, vertical):
            for x in range(0, wide, horizontal):
                unit = strip[y : y + vertical, x : x + horizontal]
                out += unit[..., 0].tobytes() + unit[0, 0, 1:].tobytes()
        chunks.append(bytes(out))
    return chunks


def ycbcr(horizontal, vertical, compression, order="<", rows=None, more=(), positions=True):
    samples = np.asarray(rgb().convert("YCbCr"))
    chunks = [COMPRESS[compression](chunk) for chunk in ycbcr_units(samples, horizontal, vertical, rows)]
    tags = [
        (256, SHORT, [WIDTH]),
        (257, SHORT, [HEIGHT]),
        (258, SHORT, [8, 8, 8]),
        (259, SHORT, [compression]),
        (262, SHORT, [6]),
        (277, SHORT, [3]),
        (278, SHORT, [rows or HEIGHT]),
        (530, SHORT, [horizontal, vertical] if positions else None),
        *more,
    ]
    return tiff(tags, chunks, order)


def jpeg_parts(data):
    """The segments of a JPEG up to its scan, as (marker, bytes with marker), and the rest."""
    at, parts = 2, []
    while data[at + 1] != 0xDA:
        length = 2 + struct.unpack_from(">H", data, at + 2)[0]
        parts.append((data[at + 1], data[at : at + length]))
        at += length
    return parts, data[at:]


def jpeg_of(parts, rest):
    return b"\xff\xd8" + b"".join(part for _, part in parts) + rest


def jpeg_tiff(photometric, image, tables=True, tile=None, rows=16, planar=1, more=(), **options):
    """A TIFF of compression 7, strip by strip, with the tables in a tag or in each strip."""
    width, height = image.size
    bands = [image] if planar == 1 else list(image.split())
    chunks, table = [], None
    for band in bands:
        if tile:
            boxes = [(x, y, x + tile, y + tile) for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            boxes = [(0, y, width, min(y + rows, height)) for y in range(0, height, rows)]
        for box in boxes:
            data = saved(band.crop(box), "jpeg", quality=90, **options)
            parts, rest = jpeg_parts(data)
            parts = [part for part in parts if part[0] not in (0xE0, 0xEE)]
            is_table = lambda part: part[0] in (0xDB, 0xC4)
            if tables:
                table = jpeg_of(filter(is_table, parts), b"\xff\xd9")
                parts = [part for part in parts if not is_table(part)]
            chunks.append(jpeg_of(parts, rest))
    count = len(image.getbands())
    tags = [
        (256, SHORT, [width]),
        (257, SHORT, [height]),
        (258, SHORT, [8] * count),
        (259, SHORT, [7]),
        (262, SHORT, [photometric]),
        (277, SHORT, [count]),
        (284, SHORT, [planar]),
        (347, UNDEFINED, list(table) if table else None),
        *([(322, SHORT, [tile]), (323, SHORT, [tile])] if tile else [(278, SHORT, [rows])]),
        *more,
    ]
    return tiff(tags, chunks, "<", tiled=bool(tile))


def premultiplied(pixels):
    alpha = pixels[..., -1:].astype(np.int64)
    return np.concatenate([(pixels[..., :-1].astype(np.int64) * alpha + 127) // 255, alpha], axis=-1).astype(np.uint8)


def divided(pixels):
    """Pillow's RGBa to RGBA."""
    alpha = pixels[..., -1:].astype(np.int64)
    colours = np.where(alpha > 0, np.minimum(255, pixels[..., :-1].astype(np.int64) * 255 // np.maximum(alpha, 1)), 0)
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8)


def three_of(pixels):
    return np.ascontiguousarray(pixels[..., :3])


def grey_to(pixels, alpha=None):
    out = np.repeat(pixels[..., None], 3, axis=-1)
    return out if alpha is None else np.concatenate([out, alpha[..., None]], axis=-1)


def libtiff_ycbcr(horizontal, vertical):
    """What libtiff makes of `ycbcr`, read through LZW, which Pillow leaves to it; Pillow reads YCbCr without
    compression as if it had four samples."""
    return np.asarray(Image.open(io.BytesIO(ycbcr(horizontal, vertical, 5))).convert("RGB"))


def tiffs():
    three, four, two, one = waves(3), waves(4), waves(2), waves(1)
    wide = (waves(3).astype(np.int64) * 257 + 100) % 65536
    # Compression, byte order, planes, strips and tiles, predictors.
    for compression in COMPRESS:
        yield Kind(f"tiff-rgb-c{compression}", chunky(three, 2, compression=compression))
        yield Kind(f"tiff-rgb-c{compression}-big-endian-rows4", chunky(three, 2, compression=compression, order=">", rows=4))
        yield Kind(f"tiff-rgb-c{compression}-planar", chunky(three, 2, compression=compression, planar=2))
        yield Kind(f"tiff-rgb-c{compression}-tiled", chunky(three, 2, compression=compression, tile=16))
        yield Kind(f"tiff-rgb-c{compression}-tiled-planar", chunky(three, 2, compression=compression, tile=16, planar=2))
        yield Kind(f"tiff-rgb16-c{compression}", chunky(wide, 2, 16, compression))
        yield Kind(f"tiff-rgb16-c{compression}-big-endian", chunky(wide, 2, 16, compression, ">"))
    for compression in (5, 8):
        for order in "<>":
            yield Kind(f"tiff-predictor-c{compression}{order}", chunky(three, 2, compression=compression, predictor=2, order=order, rows=5))
            yield Kind(f"tiff-predictor16-c{compression}{order}", chunky(wide, 2, 16, compression, order, predictor=2))
            yield Kind(f"tiff-predictor-planar-c{compression}{order}", chunky(three, 2, compression=compression, predictor=2, order=order, planar=2))
        yield Kind(f"tiff-predictor-tiled-c{compression}", chunky(four, 2, compression=compression, predictor=2, tile=16, extra=[2]))
    # A tag without a meaning for these.
    yield Kind("tiff-predictor-packbits", chunky(three, 2, compression=32773, more=[(317, SHORT, [2])]))
    yield Kind("tiff-big", chunky(three, 2, big=True))
    # Pillow does not know this one.
    yield Kind("tiff-big-big-endian", chunky(three, 2, order=">", big=True, rows=3), three)
    # Bits in the other order.
    for compression in (1, 5, 8, 32773):
        yield Kind(f"tiff-fill2-rgb-c{compression}", chunky(three, 2, compression=compression, fill=2))
        yield Kind(f"tiff-fill2-grey-c{compression}", chunky(one, 1, compression=compression, fill=2, rows=5))
    bilevel = waves(1) // 128
    yield Kind("tiff-fill2-bits1", chunky(bilevel, 1, 1, fill=2))
    yield Kind("tiff-fill2-bits1-white-is-zero", chunky(bilevel, 0, 1, fill=2))
    yield Kind("tiff-fill2-bits4", chunky(waves(1) // 16, 1, 4, fill=2))
    grey16 = (waves(1).astype(np.int64) * 257 + 77) % 65536
    high = grey_to((grey16[..., 0] >> 8).astype(np.uint8))
    # Pillow's convert clips 16 bits of grey at 255, so that nearly all is white; the high byte is what is seen.
    yield Kind("tiff-fill2-grey16", chunky(grey16, 1, 16, fill=2), high)
    yield Kind("tiff-grey16", chunky(grey16, 1, 16), high)
    yield Kind("tiff-grey16-big-endian", chunky(grey16, 1, 16, order=">", compression=5, predictor=2), high)
    # Pillow forgets that white is zero here.
    yield Kind("tiff-grey16-white-is-zero", chunky(grey16, 0, 16), grey_to((255 - (grey16[..., 0] >> 8)).astype(np.uint8)))
    grey12 = waves(1).astype(np.int64) * 16 + 5
    yield Kind("tiff-grey12", chunky(grey12, 1, 12), grey_to((grey12[..., 0] >> 4).astype(np.uint8)))
    fax = io.BytesIO()
    Image.fromarray(waves(1, 40, 30)[..., 0]).convert("1").save(fax, "tiff", compression="group4")
    yield Kind("tiff-group4", fax.getvalue())
    # Depths of grey, both ways round; palettes.
    for bits in (1, 2, 4, 8):
        few = waves(1) >> (8 - bits)
        yield Kind(f"tiff-black-is-zero-{bits}", chunky(few, 1, bits))
        yield Kind(f"tiff-white-is-zero-{bits}", chunky(few, 0, bits))
        table = [(i * 40503 + channel * 9973) % 65536 for channel in range(3) for i in range(1 << bits)]
        yield Kind(f"tiff-palette-{bits}", chunky(few, 3, bits, more=[(320, SHORT, table)]))
        yield Kind(f"tiff-palette-{bits}-fill2-lzw", chunky(few, 3, bits, 5, fill=2, more=[(320, SHORT, table)]))
    yield Kind("tiff-rgb4", chunky(three // 16, 2, 4), (three // 16) * 17)
    # Extra samples: unspecified, premultiplied, straight, several, and nothing said.
    for order in "<>":
        yield Kind(f"tiff-rgb-extra0{order}", chunky(four, 2, extra=[0], order=order))
        yield Kind(f"tiff-rgb-extra1{order}", chunky(premultiplied(four), 2, extra=[1], order=order))
        yield Kind(f"tiff-rgb-extra2{order}", chunky(four, 2, extra=[2], order=order))
        yield Kind(f"tiff-rgb-extra-unsaid{order}", chunky(four, 2, order=order))
    yield Kind("tiff-rgb-extra1-not-really", chunky(four, 2, extra=[1]))
    yield Kind("tiff-rgb-extra999", chunky(four, 2, extra=[999]))
    yield Kind("tiff-rgb-extra00", chunky(waves(5), 2, extra=[0, 0]))
    yield Kind("tiff-rgb-extra10", chunky(np.concatenate([premultiplied(four), one], axis=-1), 2, extra=[1, 0]))
    yield Kind("tiff-rgb-extra20", chunky(waves(5), 2, extra=[2, 0]))
    yield Kind("tiff-rgb-extra1-lzw-tiled", chunky(premultiplied(four), 2, compression=5, tile=16, extra=[1]))
    yield Kind("tiff-rgb-extra2-planar", chunky(four, 2, planar=2, extra=[2]))
    yield Kind("tiff-rgb-extra1-planar-deflate", chunky(premultiplied(four), 2, compression=8, planar=2, extra=[1]))
    yield Kind("tiff-rgb-extra0-planar", chunky(four, 2, planar=2, extra=[0]), three_of(four))
    four16 = waves(4).astype(np.int64) * 257
    for extra in (0, 2):
        yield Kind(f"tiff-rgb16-extra{extra}", chunky(four16, 2, 16, extra=[extra]))
    yield Kind("tiff-rgb16-extra1", chunky(premultiplied(four).astype(np.int64) * 257, 2, 16, extra=[1]))
    yield Kind("tiff-rgb16-extra1-big-endian", chunky(premultiplied(four).astype(np.int64) * 257, 2, 16, order=">", extra=[1]))
    yield Kind("tiff-grey-extra0", chunky(two, 1, extra=[0]))
    yield Kind("tiff-grey-extra2", chunky(two, 1, extra=[2]))
    # Pillow has no mode for these.
    yield Kind("tiff-grey-extra1", chunky(premultiplied(two), 1, extra=[1]), grey_to(*np.moveaxis(divided(premultiplied(two)), -1, 0)))
    yield Kind("tiff-grey-extra-unsaid", chunky(two, 1), grey_to(two[..., 0]))
    yield Kind("tiff-white-is-zero-extra2", chunky(two, 0, extra=[2]), grey_to(255 - two[..., 0], two[..., 1]))
    table = [(i * 257 if channel == 0 else (i * 40503) % 65536) for channel in range(3) for i in range(256)]
    yield Kind("tiff-palette-extra2", chunky(two, 3, extra=[2], more=[(320, SHORT, table)]))
    yield Kind("tiff-palette-extra0", chunky(two, 3, extra=[0], more=[(320, SHORT, table)]))
    # CMYK.
    yield Kind("tiff-cmyk", chunky(four, 5))
    yield Kind("tiff-cmyk-extra0", chunky(waves(5), 5, extra=[0]))
    yield Kind("tiff-cmyk-deflate-planar", chunky(four, 5, compression=8, planar=2))
    yield Kind("tiff-cmyk16", chunky(four16, 5, 16))
    yield Kind("tiff-cmyk-other-inks", chunky(four, 5, more=[(332, SHORT, [2])]), Refused("inks"))
    # YCbCr.
    for horizontal, vertical in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (1, 2)):
        name = f"{horizontal}{vertical}"
        right = libtiff_ycbcr(horizontal, vertical)
        yield Kind(f"tiff-ycbcr{name}-lzw", ycbcr(horizontal, vertical, 5))
        yield Kind(f"tiff-ycbcr{name}", ycbcr(horizontal, vertical, 1), right)
        yield Kind(f"tiff-ycbcr{name}-deflate-rows", ycbcr(horizontal, vertical, 8, ">", rows=4))
    yield Kind("tiff-ycbcr-unsaid-subsampling", ycbcr(2, 2, 5, positions=False))
    bt709 = [(529, RATIONAL, [(2126, 10000), (7152, 10000), (722, 10000)])]
    video = [(532, RATIONAL, [(16, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)])]
    yield Kind("tiff-ycbcr-bt709", ycbcr(2, 2, 5, more=bt709))
    yield Kind("tiff-ycbcr-video-range", ycbcr(2, 2, 5, more=video))
    yield Kind("tiff-ycbcr-video-range-bt709", ycbcr(1, 1, 5, more=video + bt709))
    samples = np.asarray(rgb().convert("YCbCr"))
    yield Kind("tiff-ycbcr-planar", chunky(samples, 6, compression=5, planar=2, more=[(530, SHORT, [1, 1])]))
    yield Kind("tiff-ycbcr-tiled", chunky(samples, 6, compression=5, tile=16, more=[(530, SHORT, [1, 1])]))
    # JPEG within.
    large = rgb(53, 45)
    for tables in (True, False):
        for sampling in ("4:4:4", "4:2:2", "4:2:0"):
            name = f"{sampling.replace(':', '')}-{'tables' if tables else 'whole'}"
            yield Kind(f"tiff-jpeg-ycbcr-{name}", jpeg_tiff(6, large, tables, subsampling=sampling), close=5)
            yield Kind(f"tiff-jpeg-ycbcr-tiled-{name}", jpeg_tiff(6, large, tables, tile=32, subsampling=sampling), close=5)
        yield Kind(f"tiff-jpeg-rgb-{tables}", jpeg_tiff(2, large, tables, keep_rgb=True), close=2)
        yield Kind(f"tiff-jpeg-grey-{tables}", jpeg_tiff(1, large.convert("L"), tables), close=2)
        yield Kind(f"tiff-jpeg-rgb-planar-{tables}", jpeg_tiff(2, large, tables, planar=2), close=2)
    yield Kind("tiff-jpeg-white-is-zero", jpeg_tiff(0, large.convert("L"), True), close=2)
    # What no decoder here can do, or what has no meaning in colours.
    shorts = waves(1).astype("<i2").tobytes()
    base = [(256, SHORT, [WIDTH]), (257, SHORT, [HEIGHT]), (259, SHORT, [1]), (262, SHORT, [1]), (277, SHORT, [1]), (278, SHORT, [HEIGHT])]
    yield Kind("tiff-int16", tiff(base + [(258, SHORT, [16]), (339, SHORT, [2])], [shorts]), Refused("signed samples of 16 bits"))
    floats = (waves(1) / 255).astype("<f4").tobytes()
    yield Kind("tiff-float32", tiff(base + [(258, SHORT, [32]), (339, SHORT, [3])], [floats]), Refused("floating point"))
    longs = waves(1).astype("<u4").tobytes()
    yield Kind("tiff-uint32", tiff(base + [(258, SHORT, [32])], [longs]), Refused("samples of 32 bits"))
    yield Kind("tiff-three-greys", chunky(three, 1), Refused("without a word about their colours"))
    yield Kind("tiff-no-bits", tiff(base[:2] + [(262, SHORT, [2]), (277, SHORT, [3])], [three.tobytes()]), Refused("how many bits"))
    yield Kind("tiff-tag-twice", chunky(three, 2, more=[(258, SHORT, [16, 16, 16]), (262, SHORT, [6])]))
    yield Kind("tiff-lab", chunky(three, 8), Refused("L*a*b*"))
    yield Kind("tiff-float-predictor", chunky(three, 2, compression=8, more=[(317, SHORT, [3])]), Refused("predictor 3"))
    old = [tag for tag in base if tag[0] != 259] + [(258, SHORT, [8]), (259, SHORT, [6])]
    yield Kind("tiff-old-jpeg", tiff(old, [saved(rgb().convert("L"), "jpeg")]), Refused("JPEG in the way of before 1995"))
    for number, compression in ((3, "group3"), (50000, "zstd"), (34925, "lzma"), (50001, "webp")):
        out = io.BytesIO()
        image = rgb().convert("1") if number == 3 else rgb()
        try:
            image.save(out, "tiff", compression=compression)
        except (OSError, ValueError, KeyError):
            continue
        yield Kind(f"tiff-{compression}", out.getvalue(), Refused(f"compression {number}"))
    # Orientation, as every type of number, and in XMP.
    for orientation in range(1, 9):
        yield Kind(f"tiff-held{orientation}", chunky(three, 2, compression=5, more=[(274, SHORT, [orientation])]))
    yield Kind("tiff-held-long", chunky(three, 2, more=[(274, LONG, [6])]))
    yield Kind("tiff-held-xmp", chunky(three, 2, more=[(700, BYTE, list(XMP))]))


# Orientation
# --------------------------------------------------------------------------------------------------------------------------------

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
XMP_ELEMENT = XMP.replace(b' tiff:Orientation="6"/>', b"><tiff:Orientation>8</tiff:Orientation></rdf:Description>")


def exif(kind=SHORT, values=(6,), order="<", tag=0x0112):
    value = packed(order, kind, list(values))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIHHHI", 42, 8, 1, tag, kind, len(values))
    if len(value) <= 4:
        return head + value.ljust(4, b"\0") + b"\0" * 4
    return head + struct.pack(order + "I", 26) + b"\0" * 4 + value


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_png_chunks(data, *chunks, behind=False):
    at = data.index(b"IEND") - 4 if behind else 33
    return data[:at] + b"".join(chunks) + data[at:]


def raw_profile(data, name=b"exif"):
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return b"\n%s\n%8d\n%s\n" % (name, len(data), lines.encode())


def webp_with(data, exif=None, xmp=None):
    """A simple lossless WebP in the extended layout."""
    width, height = Image.open(io.BytesIO(data)).size
    flags = (8 if exif else 0) | (4 if xmp else 0)
    extended = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = lambda kind, body: kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    body = b"WEBP" + chunk(b"VP8X", extended) + data[12:]
    body += chunk(b"EXIF", exif) if exif else b""
    body += chunk(b"XMP ", xmp) if xmp else b""
    return b"RIFF" + struct.pack("<I", len(body)) + body


def orientations():
    image = rgb(24, 16)
    png, jpeg, webp = saved(image, "png"), saved(image, "jpeg", quality=90), saved(image, "webp", lossless=True)
    parts, rest = jpeg_parts(jpeg)
    segment = lambda body: (0xE1, b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    app1 = lambda *bodies: jpeg_of([*map(segment, bodies), *parts], rest)
    xap = b"http://ns.adobe.com/xap/1.0/\0"
    types = [
        ("byte", BYTE, [6]),
        ("ascii", 2, list(b"6\0")),
        ("short", SHORT, [6]),
        ("shorts", SHORT, [6, 1, 1]),
        ("long", LONG, [6]),
        ("rational", RATIONAL, [(12, 2)]),
        ("signed-byte", 6, [6]),
        ("undefined", UNDEFINED, [6]),
        ("signed-short", 8, [6]),
        ("signed-long", 9, [6]),
        ("signed-rational", 10, [(6, 1)]),
        ("float", 11, [6.0]),
        ("double", 12, [6.0]),
        ("ifd", 13, [6]),
        ("long8", 16, [6]),
        ("short9", SHORT, [9]),
        ("short0", SHORT, [0]),
        ("negative", 9, [-6]),
    ]
    for name, kind, values in types:
        for order in "<>":
            data = exif(kind, values, order)
            yield Kind(f"jpeg-exif-{name}{order}", app1(b"Exif\0\0" + data), close=5)
            yield Kind(f"png-exif-{name}{order}", with_png_chunks(png, png_chunk(b"eXIf", data)))
            yield Kind(f"webp-exif-{name}{order}", webp_with(webp, data))
    data = exif()
    yield Kind("jpeg-xmp", app1(xap + XMP), close=5)
    yield Kind("jpeg-xmp-element", app1(xap + XMP_ELEMENT), close=5)
    yield Kind("jpeg-xmp-beside-exif-without", app1(b"Exif\0\0" + exif(tag=0x0131, kind=2, values=list(b"me\0")), xap + XMP), close=5)
    yield Kind("jpeg-xmp-beside-exif", app1(b"Exif\0\0" + exif(values=[3]), xap + XMP), close=5)
    yield Kind("jpeg-exif-twice-prefixed", app1(b"Exif\0\0Exif\0\0" + data), close=5)
    yield Kind("jpeg-exif-in-two-segments", app1(b"Exif\0\0" + data[:12], b"Exif\0\0" + data[12:]), close=5)
    yield Kind("jpeg-xmp-twice", app1(xap + XMP, xap + XMP_ELEMENT), close=5)
    yield Kind("jpeg-xmp-beside-exif-without-directory", app1(b"Exif\0\0II*\0\xff\xff\xff\x0f", xap + XMP), close=5)
    yield Kind("jpeg-xmp-beside-no-exif", app1(b"Exif\0\0no header", xap + XMP), close=5)
    yield Kind("jpeg-xmp-beside-empty-exif", app1(b"Exif\0\0", xap + XMP), close=5)
    yield Kind("webp-xmp", webp_with(webp, xmp=XMP))
    # libwebp reads what the flags in the header announce.
    for name, flags in (("nothing", 0), ("exif", 8), ("xmp", 4)):
        both = bytearray(webp_with(webp, exif(values=[3]), XMP))
        both[20] = flags
        yield Kind(f"webp-exif-and-xmp-announcing-{name}", bytes(both))
    yield Kind("webp-exif-and-xmp", webp_with(webp, exif(values=[3]), XMP))
    yield Kind("webp-exif-with-prefix", webp_with(webp, b"Exif\0\0" + data))
    xmp = lambda text, keyword=b"XML:com.adobe.xmp": png_chunk(b"iTXt", keyword + b"\0\0\0\0\0" + text)
    profile = b"Raw profile type exif\0"
    yield Kind("png-xmp", with_png_chunks(png, xmp(XMP)))
    yield Kind("png-xmp-element-behind", with_png_chunks(png, xmp(XMP_ELEMENT), behind=True))
    yield Kind("png-xmp-compressed", with_png_chunks(png, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))))
    yield Kind("png-xmp-in-text", with_png_chunks(png, png_chunk(b"tEXt", b"XML:com.adobe.xmp\0" + XMP)))
    yield Kind("png-raw-profile", with_png_chunks(png, png_chunk(b"zTXt", profile + b"\0" + zlib.compress(raw_profile(b"Exif\0\0" + data)))))
    yield Kind("png-raw-profile-text", with_png_chunks(png, png_chunk(b"tEXt", profile + raw_profile(data))))
    yield Kind("png-raw-profile-behind", with_png_chunks(png, png_chunk(b"tEXt", profile + raw_profile(data)), behind=True))
    yield Kind("png-raw-profile-xmp", with_png_chunks(png, png_chunk(b"tEXt", b"Raw profile type xmp\0" + raw_profile(XMP, b"xmp"))))
    yield Kind("png-raw-profile-app1", with_png_chunks(png, png_chunk(b"tEXt", b"Raw profile type APP1\0" + raw_profile(b"Exif\0\0" + data, b"APP1"))))
    yield Kind("png-exif-and-profile", with_png_chunks(png, png_chunk(b"eXIf", exif(values=[3])), png_chunk(b"tEXt", profile + raw_profile(data))))
    yield Kind("png-exif-behind", with_png_chunks(png, png_chunk(b"eXIf", data), behind=True))
    yield Kind("png-exif-with-prefix", with_png_chunks(png, png_chunk(b"eXIf", b"Exif\0\0" + data)))
    yield Kind("png-exif-beside-xmp", with_png_chunks(png, png_chunk(b"eXIf", exif(values=[8])), xmp(XMP)))


# JPEG
# ---------------------------------------------------------------------------------------------------------------------------------------


def jpegs():
    """Every combination of component identifiers, JFIF and Adobe markers."""
    jfif = (0xE0, b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")
    short_jfif = (0xE0, b"\xff\xe0\0\x0aJFIF\0\1\1\0")
    adobe = [(0xEE, b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])) for transform in range(3)]
    short_adobe = (0xEE, b"\xff\xee\0\x0aAdobe\0\x64\0")
    markers = {
        "none": [],
        "jfif": [jfif],
        "jfif-short": [short_jfif],
        "adobe0": [adobe[0]],
        "adobe1": [adobe[1]],
        "adobe2": [adobe[2]],
        "adobe-short": [short_adobe],
        "jfif-adobe0": [jfif, adobe[0]],
        "jfif-adobe1": [jfif, adobe[1]],
        "adobe0-jfif": [adobe[0], jfif],
        "adobe0-adobe1": [adobe[0], adobe[1]],
    }
    for progressive in (False, True):
        parts, rest = jpeg_parts(saved(rgb(24, 16), "jpeg", quality=90, subsampling="4:4:4", progressive=progressive))
        parts = [part for part in parts if part[0] not in (0xE0, 0xEE)]
        for identifiers in (b"\1\2\3", b"\0\1\2", b"RGB", b"rgb", b"\1\"\x11", b"\2\1\3"):
            changed, scans = [], bytearray(rest)
            for marker, part in parts:
                part = bytearray(part)
                if marker in (0xC0, 0xC2):
                    part[10::3] = identifiers
                changed.append((marker, bytes(part)))
            # Of each scan's header: a count, then identifier and tables.
            at = 0
            while (at := scans.find(b"\xff\xda", at)) >= 0:
                for i in range(scans[at + 4]):
                    scans[at + 5 + 2 * i] = identifiers[scans[at + 5 + 2 * i] - 1]
                at += 2
            for name, first in markers.items():
                yield Kind(f"jpeg-{'progressive-' * progressive}{identifiers.hex()}-{name}", jpeg_of(first + changed, bytes(scans)), close=5)
    inks = Image.fromarray(waves(4, 24, 16), "CMYK")
    parts, rest = jpeg_parts(saved(inks, "jpeg", quality=90, subsampling="4:4:4"))
    parts = [part for part in parts if part[0] not in (0xE0, 0xEE)]
    for name, first in markers.items():
        yield Kind(f"jpeg-cmyk-{name}", jpeg_of(first + parts, rest), close=5)
    # Frames of Motion JPEG leave out the standard tables.
    for sampling in ("4:4:4", "4:2:0"):
        parts, rest = jpeg_parts(saved(rgb(40, 32), "jpeg", quality=80, subsampling=sampling))
        bare = [part for part in parts if part[0] != 0xC4]
        yield Kind(f"jpeg-no-tables-{sampling.replace(':', '')}", jpeg_of(bare, rest), close=5)
        avi = (0xE0, b"\xff\xe0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0")
        yield Kind(f"jpeg-no-tables-avi-{sampling.replace(':', '')}", jpeg_of([avi, *(part for part in bare if part[0] != 0xE0)], rest), close=5)
    tables = [part for part in parts if part[0] == 0xC4]
    # One of the four is enough if the others are the standard ones.
    yield Kind("jpeg-one-table", jpeg_of([*bare[:-1], tables[0], bare[-1]], rest), close=5)
    grey, rest = jpeg_parts(saved(rgb(24, 16).convert("L"), "jpeg", quality=80))
    yield Kind("jpeg-grey-no-tables", jpeg_of([part for part in grey if part[0] != 0xC4], rest), close=2)


# BMP, PNG, Netpbm
# ---------------------------------------------------------------------------------------------------------------------------


def bmp(width, height, bits, rows, palette=b"", offset=None, compression=0, masks=b"", header=40, colours=0):
    body = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    inside, outside = (masks, b"") if header > 40 else (b"", masks)
    body += inside.ljust(header - 40, b"\0") + outside
    start = 14 + len(body) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start if offset is None else offset) + body + palette + rows


def bmps():
    pixels = waves(3)
    stride = -(-WIDTH * 3 // 4) * 4
    rows = b"".join(row[:, ::-1].tobytes().ljust(stride, b"\0") for row in pixels[::-1])
    yield Kind("bmp-offset0", bmp(WIDTH, HEIGHT, 24, rows, offset=0))
    yield Kind("bmp-top-down-offset0", bmp(WIDTH, -HEIGHT, 24, rows, offset=0))
    yield Kind("bmp-last-padding", bmp(WIDTH, HEIGHT, 24, rows[:-1]))
    yield Kind("bmp-top-down-last-padding", bmp(WIDTH, -HEIGHT, 24, rows[:-1]))
    yield Kind("bmp-too-short", bmp(WIDTH, HEIGHT, 24, rows[:-2]), Refused("cut short"))
    index = waves(1)[..., 0]
    indexed = b"".join(row.tobytes().ljust(-(-WIDTH // 4) * 4, b"\0") for row in index[::-1])
    table = b"".join(bytes([i, 255 - i, i // 2, 0]) for i in range(256))
    for offset in (None, 0, 54):
        yield Kind(f"bmp-palette-offset{offset}", bmp(WIDTH, HEIGHT, 8, indexed, table, offset))
    yield Kind("bmp-palette-few-colours", bmp(WIDTH, HEIGHT, 8, bytes(byte % 100 for byte in indexed), table[:400], colours=100))
    yield Kind("bmp-palette-few-colours-offset0", bmp(WIDTH, HEIGHT, 8, bytes(byte % 100 for byte in indexed), table[:400], 0, colours=100))
    yield Kind("bmp-palette-into-pixels", bmp(WIDTH, HEIGHT, 8, indexed, table[:800]))
    packed4 = b"".join(row.tobytes().ljust(-(-WIDTH * 4 // 32) * 4, b"\0") for row in packed_bits((index >> 4)[..., None], 4)[::-1])
    yield Kind("bmp-palette4-offset0", bmp(WIDTH, HEIGHT, 4, packed4, table[: 16 * 4], 0))
    four = waves(4)
    wide = b"".join(row.tobytes() for row in four[::-1])
    for name, masks, header in (
        ("bgrx", (0xFF0000, 0xFF00, 0xFF), 40),
        ("rgba", (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 56),
        ("bgra", (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 108),
        ("xbgr", (0xFF000000, 0xFF0000, 0xFF00, 0), 124),
        ("none", (0, 0, 0, 0), 56),
    ):
        masks = struct.pack(f"<{len(masks)}I", *masks)
        yield Kind(f"bmp-masks-{name}", bmp(WIDTH, HEIGHT, 32, wide, compression=3, masks=masks, header=header))
        if header == 40:
            yield Kind(f"bmp-masks-{name}-offset0", bmp(WIDTH, HEIGHT, 32, wide, compression=3, masks=masks, header=header, offset=0))
    yield Kind("bmp-masks-24", bmp(WIDTH, HEIGHT, 24, rows, compression=3, masks=struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)))
    half = waves(2).tobytes()
    half = b"".join(half[at : at + WIDTH * 2].ljust(-(-WIDTH * 2 // 4) * 4, b"\0") for at in range(0, len(half), WIDTH * 2))
    for name, masks in (("555", (0x7C00, 0x3E0, 0x1F)), ("565", (0xF800, 0x7E0, 0x1F))):
        yield Kind(f"bmp-masks-{name}", bmp(WIDTH, HEIGHT, 16, half, compression=3, masks=struct.pack("<3I", *masks)))
    yield Kind("bmp-bits16", bmp(WIDTH, HEIGHT, 16, half))
    yield Kind("bmp-masks-missing", bmp(WIDTH, HEIGHT, 16, half, compression=3, masks=bytes(12)), Refused("masks"))


def pngs():
    for interlaced in (False, True):
        if interlaced:
            pixels, rows = waves(3), []
            for x, y, dx, dy in (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2):
                rows += [b"\0" + row.tobytes() for row in pixels[y::dy, x::dx]]
            data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1))
            data += png_chunk(b"IDAT", zlib.compress(b"".join(rows))) + png_chunk(b"IEND", b"")
        else:
            data = saved(rgb(), "png")
        name = "png-interlaced" if interlaced else "png"
        for cut in (12, 16, 20):
            # Pillow reads them all but an interlaced one without its checksum.
            yield Kind(f"{name}-without-last-{cut}", data[:-cut], waves(3))
        yield Kind(f"{name}-cut", data[:-60], Refused("cut short"))


def pnms():
    grey, colours, bits = waves(1)[..., 0], waves(3), waves(1)[..., 0] // 128
    size = b"%d %d" % (WIDTH, HEIGHT)
    text = lambda values: b"\n".join(b" ".join(b"%d" % value for value in row.reshape(-1)) for row in values)
    binary_bits = b"".join(row.tobytes() for row in packed_bits(bits[..., None], 1))
    yield Kind("pnm-p1", b"P1\n" + size + b"\n" + text(bits) + b"\n")
    yield Kind("pnm-p1-dense", b"P1 " + size + b"\n" + b"".join(b"%d" % bit for bit in bits.reshape(-1)))
    yield Kind("pnm-p2", b"P2\n# by hand\n" + size + b"\n255\n" + text(grey))
    yield Kind("pnm-p3", b"P3\n" + size + b"\n# full light\n255\n" + text(colours) + b"\n\n")
    yield Kind("pnm-p4", b"P4\n" + size + b"\n" + binary_bits)
    yield Kind("pnm-p5", b"P5\n" + size + b"\n255\n" + grey.tobytes())
    yield Kind("pnm-p5-comments", b"P5 # one\n#two\r" + size.replace(b" ", b" #three\n") + b"\t#\n255\n" + grey.tobytes() + b"more")
    yield Kind("pnm-p6", b"P6 " + size + b" 255 " + colours.tobytes())
    yield Kind("pnm-p6-crlf", b"P6\r\n" + size + b"\r\n255\n" + colours.tobytes())
    for most in (1, 7, 31, 100, 254):
        few = (grey.astype(int) * most // 255).astype(np.uint8)
        yield Kind(f"pnm-p5-{most}", b"P5\n" + size + b"\n%d\n" % most + few.tobytes())
        yield Kind(f"pnm-p2-{most}", b"P2\n" + size + b"\n%d\n" % most + text(few))
        few = (colours.astype(int) * most // 255).astype(np.uint8)
        yield Kind(f"pnm-p6-{most}", b"P6\n" + size + b"\n%d\n" % most + few.tobytes())
        yield Kind(f"pnm-p3-{most}", b"P3\n" + size + b"\n%d\n" % most + text(few))
    for most in (256, 1023, 4095, 65535):
        wide = colours.astype(np.int64) * most // 255
        yield Kind(f"pnm-p6-{most}", b"P6\n" + size + b"\n%d\n" % most + wide.astype(">u2").tobytes())
        yield Kind(f"pnm-p3-{most}", b"P3\n" + size + b"\n%d\n" % most + text(wide))
        # Pillow clips 16 bits of grey at 255; the high byte is what is seen.
        wide = grey.astype(np.int64) * most // 255
        high = grey_to((np.round(wide / most * 65535).astype(int) >> 8).astype(np.uint8))
        yield Kind(f"pnm-p5-{most}", b"P5\n" + size + b"\n%d\n" % most + wide.astype(">u2").tobytes(), high)
        yield Kind(f"pnm-p2-{most}", b"P2\n" + size + b"\n%d\n" % most + text(wide), high)
    yield Kind("pnm-p5-cut", b"P5\n" + size + b"\n255\n" + grey.tobytes()[:-1], Refused("cut short"))
    yield Kind("pnm-p2-cut", b"P2\n" + size + b"\n255\n" + text(grey)[:-4], Refused("cut short"))
    yield Kind("pnm-pam", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\nx", Refused("PAM"))
    yield Kind("pnm-pfm", b"PF\n1 1\n-1.0\n" + bytes(12), Refused("PFM"))


def kinds():
    made = [*tiffs(), *orientations(), *jpegs(), *bmps(), *pngs(), *pnms()]
    names = [kind.name for kind in made]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return made


def pixels_of(image, mode, background):
    """The picture upright, without transparency, as the network's channels."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image.convert("RGBA"))
        # Grey with alpha is grey on a coloured ground.
        image = image.convert("RGB")
    return image.convert(mode)


def right_image(kind):
    """The picture that a kind should be read as, before `pixels_of`."""
    return Image.open(io.BytesIO(kind.file)) if kind.right is PILLOW else Image.fromarray(kind.right)
