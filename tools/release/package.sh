#!/usr/bin/env bash
# Makes what people without a Rust compiler install: an archive and a Debian package. Usage: package.sh [OPTION...]
#
#   --target TRIPLE   for this target instead of this machine's; see below for aarch64-unknown-linux-gnu
#   --no-build        packs target/release/dcgan (with --target: target/TRIPLE/release/dcgan) as it is
#   --deb             makes the Debian package too, with cargo-deb, which it builds once if it is missing
#
# Needs cargo, python3, and strip from binutils. Writes target/dist/dcgan-VERSION-TRIPLE.tar.gz, with --deb
# dcgan_VERSION-1_ARCHITECTURE.deb, and a .sha256 beside each. The program runs on systems whose glibc is as new as the
# one it was linked with; the last line says which.
#
# On aarch64 it works as it is. On x86-64 with Debian 12 or later, `--target aarch64-unknown-linux-gnu` takes the
# compiler and the linker from Debian if rustup has no standard library for that target; tools/cross/aarch64.sh says
# how.
set -euo pipefail
cd "$(dirname "$0")/../.."

target='' build=1 deb=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --target) target=${2:?--target needs a triple} && shift ;;
        --no-build) build='' ;;
        --deb) deb=1 ;;
        *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift
done

host=$(rustc --version --verbose | sed -n 's/^host: //p')
root=${CARGO_TARGET_DIR:-target}
cargo_target=()
release=$root/release
if [[ -n $target && $target != "$host" ]]; then
    cargo_target=(--target "$target")
    release=$root/$target/release
fi
target=${target:-$host}
run=() strip=strip variant=()
if [[ $target == aarch64-* && $host != aarch64-* ]]; then
    # Compiler, linker, and an emulator that prints the manual pages.
    source tools/cross/aarch64.sh || exit
    run=("$AARCH64_QEMU" -L "$AARCH64_ROOT/usr/aarch64-linux-gnu") variant=(--variant cross) strip=$AARCH64_ROOT/usr/bin/aarch64-linux-gnu-strip
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=dcgan-$version-$target
dist=$root/dist
# What both the archive and the Debian package have; crates/cli/Cargo.toml names these files.
files=$release/package

[[ -z $build ]] || cargo build --locked --release --package dcgan-cli "${cargo_target[@]}"
rm -rf "$files"
mkdir -p "$files/completions" "$dist"
"$strip" --strip-all -o "$files/dcgan" "$release/dcgan"
dcgan=("${run[@]}" "$release/dcgan")
"${dcgan[@]}" man "$files/man"
for shell in bash zsh fish; do
    "${dcgan[@]}" completions "$shell" >"$files/completions/dcgan.$shell"
done
python3 tools/release/licenses.py "$target" >"$files/THIRD-PARTY-LICENSES.txt"

# The same input gives the same archive: times are the commit's, owners are nobody.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
staged=$dist/$name
rm -rf "$staged"
mkdir -p "$staged"
cp -r "$files"/. README.md README.zh-CN.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE docs "$staged"
chmod -R u=rwX,go=rX "$staged"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --directory="$dist" "$name" |
    gzip --no-name --best >"$dist/$name.tar.gz.part"
mv "$dist/$name.tar.gz.part" "$dist/$name.tar.gz"
rm -rf "$staged"
made=("$name.tar.gz")

if [[ -n $deb ]]; then
    # Debian's policy: manual pages are compressed.
    mkdir "$files/man.gz"
    for page in "$files"/man/*.1; do
        gzip --no-name --best --stdout "$page" >"$files/man.gz/$(basename "$page").gz"
    done
    tools=$(realpath "$root")/tools
    export PATH=$tools/bin:$PATH
    if ! cargo deb --version >/dev/null 2>&1; then
        # Not optimised: that would take longer to build than it saves.
        cargo install --quiet --locked --debug cargo-deb@3.8.0 --root "$tools" --target-dir "$tools/build"
        rm -rf "$tools/build"
    fi
    package=$(cargo deb --quiet --locked --no-build --no-strip --package dcgan-cli "${variant[@]}" "${cargo_target[@]}" --output "$dist")
    made+=("$(basename "$package")")
fi
for file in "${made[@]}"; do
    (cd "$dist" && sha256sum "$file" >"$file.sha256")
    printf '%s, %d KiB\n' "$dist/$file" $(($(stat --format=%s "$dist/$file") / 1024))
done
# Names of symbol versions are plain text in the program.
printf 'for %s with glibc %s or later\n' "$target" \
    "$(grep --text --only-matching 'GLIBC_2\.[0-9.]*' "$files/dcgan" | cut -d_ -f2 | sort --version-sort | tail -n1)"
