"""Writes the licences of all crates that are linked into the program.

    python3 tools/release/licenses.py TARGET > THIRD-PARTY-LICENSES.txt

Asks cargo which crates the program is built from for the target triple TARGET, without features and without what only
tests need. For each crate it writes name, version, authors, licence expression and every licence file of its source;
equal texts are written once. A crate whose source has no licence file gets the text of its licence from another crate.
"""

import collections
import json
import re
import subprocess
import sys
from pathlib import Path

RULE = "=" * 100
FILES = re.compile(r"((un)?licen[cs]e|copying|notice|copyright)([-_.][^/]*)?(?<!\.rs)", re.IGNORECASE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def linked_crates(target):
    """Names and versions of the crates that the program is linked from."""
    options = ["--package", "dcgan-cli", "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    lines = cargo("tree", "--locked", *options).splitlines()
    # Macros run in the compiler and are not linked. Lines are "name v1.2.3 (*)".
    words = [line.split() for line in lines if line]
    return sorted({(name, version.removeprefix("v")) for name, version, *_ in words})


def licence_texts(package):
    folder = Path(package["manifest_path"]).parent
    # Also what the source brings along, such as a font with its own licence.
    files = {path for path in folder.rglob("*") if path.is_file() and FILES.fullmatch(path.name)}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    return {str(path.relative_to(folder)): path.read_text(errors="replace").strip() for path in sorted(files)}


def label(package):
    return f"{package['name']} {package['version']}"


def main():
    target = sys.argv[1]
    packages = {}
    for package in json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]:
        packages[package["name"], package["version"]] = package
    linked = [packages[crate] for crate in linked_crates(target)]
    # Our own crates have no source. Their licences lie beside this list; what they bundle of others has licence files
    # in their folders.
    crates = [package for package in linked if package["source"] or licence_texts(package)]
    texts = collections.defaultdict(list)
    for package in crates:
        for name, text in licence_texts(package).items():
            texts[text].append((package, name))
    without = [package for package in crates if not licence_texts(package)]
    unclear = [label(package) for package in crates if not package["license"] and package in without]
    if unclear:
        sys.exit(f"no licence is known of {', '.join(unclear)}")

    print("The program dcgan is linked from these crates of other authors, and from the standard library of Rust (MIT OR Apache-2.0).")
    print("Their licence texts follow the list.\n")
    for package in crates:
        print(f"{label(package)}: {package['license'] or 'as its file says'}; {package['repository'] or 'no repository'}")
    for text, uses in texts.items():
        print(f"\n{RULE}\n{', '.join(f'{label(package)} ({name})' for package, name in uses)}\n\n{text}")
    for package in without:
        authors = ", ".join(package["authors"]) or f"the authors of {package['name']}"
        print(f"\n{RULE}\n{label(package)}, by {authors}: {package['license']}. Its source has no file with the text.")


main()
