"""Proves that `dcgan` reads pictures and archives of unusual kinds as Pillow and Python's zipfile do, or leaves them
out by name.

    python tools/check/pictures_read.py DCGAN

It needs numpy and pillow, and the program DCGAN. Pictures are those of tools/reference/picture_kinds.py and the files
of tools/reference/reports: `dcgan check` puts what the network will see into a cache, and every picture there must be
Pillow's (turned upright, on white, `convert("RGB")`, `resize((64, 64), BILINEAR)`). Archives are zips whose names are
in Shift-JIS, Big5, GBK, EUC-JP and EUC-KR, with and without slashes, backslashes, the UTF-8 flag and Unicode extra
fields, zips with zip64 records and first names of every length, behind other bytes, and tars that are cut: every
picture must be used, or what is missing be said.
"""

import io
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
sys.path.insert(0, str(REFERENCE))
from picture_kinds import Kind, Refused, kinds, pixels_of, right_image, rgb, saved

SIZE, AT_ONCE = 64, 256
WHITE = (255, 255, 255)
failures = 0


def check(what, ok, note=""):
    global failures
    failures += not ok
    if not ok:
        print(f"FAIL  {what}{f': {note}' if note else ''}", flush=True)
    return ok


def dcgan_check(dcgan, data, *options):
    answer = subprocess.run([dcgan, "check", data, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return answer.returncode, json.loads(answer.stdout) if answer.stdout else {}, answer.stderr.strip()


def cached(cache):
    """The pictures in the only cache file of a folder, in the order of their files: `crates/data/src/cache/format.rs`
    has its layout."""
    (file,) = cache.glob("*.pictures")
    data = file.read_bytes()
    count, length = struct.unpack_from("<QQ", data, 48)
    return np.frombuffer(data, np.uint8, count * length, 4096).reshape(count, SIZE, SIZE, 3).astype(int)


def pictures(dcgan, folder):
    made = kinds() + [Kind(path.name, path.read_bytes(), close=0 if path.suffix in (".bmp", ".pgm", ".png") else 5) for path in sorted(REFERENCE.glob("reports/*"))]
    right = 0
    for start in range(0, len(made), AT_ONCE):
        place = folder / f"pictures-{start}"
        place.mkdir()
        some = {}
        for i, kind in enumerate(made[start : start + AT_ONCE]):
            suffix = kind.name.split("-")[0] if "." not in kind.name else kind.name.rsplit(".")[-1]
            name = f"{i:04}.{suffix}"
            (place / name).write_bytes(kind.file)
            some[name] = kind
        cache = place.with_suffix(".cache")
        status, report, words = dcgan_check(dcgan, place, "--image-size", str(SIZE), "--cache", cache)
        if not check(f"{len(some)} pictures are looked at", status == 0, words):
            continue
        left_out = {Path(file["path"]).name: file["reason"] for file in report["left_out"]}
        used = [name for name in sorted(some) if name not in left_out]
        check("every file is used or left out by name", len(used) == report["pictures"] and not report["other_files"], f"{report['pictures']} of {len(used)}")
        shown = dict(zip(used, cached(cache), strict=True))
        for name, kind in some.items():
            if isinstance(kind.right, Refused):
                reason = left_out.get(name, "it is used")
                right += check(f"{kind.name} is left out because of {kind.right.words!r}", kind.right.words in reason, reason)
            elif check(f"{kind.name} is read", name in shown, left_out.get(name, "")):
                theirs = pixels_of(right_image(kind), "RGB", WHITE).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
                off = np.abs(shown[name] - np.asarray(theirs)).max()
                right += check(f"{kind.name} is Pillow's", off <= kind.close, f"{off} levels off, allowed {kind.close}")
    print(f"{right} of {len(made)} pictures are read as Pillow reads them, or left out with the reason")


# Archives
# -----------------------------------------------------------------------------------------------------------------------------------


def zip_of(entries, zip64=False, prefix=b"", comment=b""):
    """A zip of stored files; an entry is (name, flags, extra fields, content)."""
    body, directory = bytearray(), bytearray()
    for name, flags, extra, content in entries:
        header = struct.pack("<HHHHHIIIHH", 20, flags, 0, 0, 0x21, zlib.crc32(content), len(content), len(content), len(name), len(extra))
        directory += b"PK\1\2" + struct.pack("<H", 20) + header + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name + extra
        body += b"PK\3\4" + header + name + extra + content
    start, size, count = len(body), len(directory), len(entries)
    end = b""
    if zip64:
        end += b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
        end += b"PK\6\7" + struct.pack("<IQI", 0, start + size, 1)
    end += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, len(comment)) + comment
    return prefix + bytes(body + directory) + end


def archives(dcgan, folder):
    contents = [saved(rgb(20 + i, 16), "png") for i in range(8)]
    path = folder / "archive.zip"
    tried = right = 0

    def whole(what, data, count=None, suffix="zip"):
        """Every picture of an archive is used, as many as zipfile finds."""
        nonlocal tried, right
        tried += 1
        path = folder / f"archive.{suffix}"
        path.write_bytes(data)
        if count is None:
            with zipfile.ZipFile(path) as known:
                count = sum(not entry.is_dir() and zlib.crc32(known.read(entry)) == entry.CRC for entry in known.infolist())
        status, report, words = dcgan_check(dcgan, path, "--no-cache")
        found = report.get("pictures"), len(report.get("left_out", [1])), report.get("other_files")
        right += check(what, (status, *found) == (0, count, 0, 0), f"{found} of {count} {words}")

    words = {
        "shift-jis": ("表", "能力", "十ソ貼", "ﾃｽﾄ", "予定表"),
        "big5": ("功夫", "許可", "蓋", "餐廳"),
        "gbk": ("乗", "表情", "漢字", "繁體"),
        "euc-jp": ("表", "能力", "ｱ"),
        "euc-kr": ("한국", "사진"),
        "cp437": ("é", "ñandú"),
        "cp850": ("Ø", "ß"),
        "utf-8": ("表", "é", "한국"),
    }
    for encoding, names in words.items():
        names = [name for name in names if name.encode(encoding, "ignore").decode(encoding, "ignore") == name]
        for flags in (0, 1 << 11):
            for shape in ("{}.png", "{}", "{0}/{0}.png", "{0}\\{0}.png", "x\\{}.png", "{0}/x.png", "{0}.{0}.png", "{0}{0}{0}\\x.png"):
                raw = [shape.format(name).encode(encoding) for name in names]
                # A flag that is not true makes zipfile refuse the archive.
                count = len(raw) if flags and encoding != "utf-8" else None
                whole(f"{encoding} names such as {shape.format(names[0])!r}, flags {flags}", zip_of([(name, flags, b"", contents[i]) for i, name in enumerate(raw)]), count)
        extra = lambda raw, name: struct.pack("<HHBI", 0x7075, 5 + len(name.encode()), 1, zlib.crc32(raw)) + name.encode()
        raw = [f"{name}.png".encode(encoding) for name in names]
        whole(f"{encoding} names with Unicode extra fields", zip_of([(own, 0, extra(own, f"{name}.png"), contents[i]) for i, (own, name) in enumerate(zip(raw, names))]))
        whole(f"{encoding} names with wrong Unicode extra fields", zip_of([(own, 0, extra(b"x", f"{name}.png"), contents[i]) for i, (own, name) in enumerate(zip(raw, names))]))
    for length in range(5, 65):
        first = b"n" * (length - 4) + b".png"
        for prefix in (b"", b"#!/bin/sh\n", b"\0" * 76):
            entries = [(first, 0, b"", contents[0]), (b"second.png", 0, b"", contents[1]), (b"third.png", 0, b"", contents[2])]
            # What begins like no archive needs the name of one.
            whole(f"zip64 records, a first name of {length}, {len(prefix)} bytes before", zip_of(entries, True, prefix))
    whole("a comment", zip_of(entries, False, b"", b"how a zip ends"))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for i, content in enumerate(contents):
            entry = tarfile.TarInfo(f"{'long' * 40 * (i % 2)}/{i}.png")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    data = out.getvalue()
    whole("a tar", data, len(contents), "tar")
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    for cut in range(600, end, 397):
        tried += 1
        path = folder / "cut.tar"
        path.write_bytes(data[:cut])
        status, report, words = dcgan_check(dcgan, path, "--no-cache")
        said = words + " ".join(file["reason"] for file in report.get("left_out", []))
        right += check(f"a tar cut at {cut} says so", "ends early" in said, said)
        tried += 1
        right += check(f"a tar cut at {cut} does not pass --strict", dcgan_check(dcgan, path, "--no-cache", "--strict")[0] != 0)
    print(f"{right} of {tried} archives are used whole, or say what is missing")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    dcgan = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        pictures(dcgan, Path(folder))
        archives(dcgan, Path(folder))
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
