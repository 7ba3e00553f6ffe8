# Sourced by scripts that build for aarch64 on x86-64: finds a compiler, a linker and an emulator, and tells cargo of
# them. They come from Debian (12 or later): 290 MB that are downloaded once and unpacked below target/cross/aarch64
# (1.2 GB). Nothing is installed, and no rights are needed. Returns 1 and says why if they cannot be had.
#
# Sets RUSTC (unless rustup has the target), the linker and the runner of the target, AARCH64_ROOT and AARCH64_QEMU.

AARCH64_ROOT=$PWD/target/cross/aarch64
AARCH64_QEMU=$AARCH64_ROOT/usr/bin/qemu-aarch64-static

# Unpacks the packages into $AARCH64_ROOT.
get_aarch64_tools() {
    local lists=$AARCH64_ROOT.apt
    rm -rf "$AARCH64_ROOT" "$lists"
    mkdir -p "$AARCH64_ROOT" "$lists"/{lists,archives}/partial
    cp /var/lib/dpkg/status "$lists/status"
    cat >"$lists/apt.conf" <<CONF
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::State "$lists";
Dir::State::status "$lists/status";
Dir::Cache "$lists";
CONF
    export APT_CONFIG=$lists/apt.conf
    # The Rust that Debian's browsers are built with: the only one in a stable release that keeps up.
    apt-get update -qq &&
        apt-get install -qq --download-only --yes --no-install-recommends rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu \
            libc6-dev-arm64-cross qemu-user-static || return
    local package
    for package in "$lists"/archives/*_{amd64,all}.deb "$lists"/archives/libstd-rust-web-dev_*_arm64.deb; do
        dpkg-deb --extract "$package" "$AARCH64_ROOT" || return
    done
    rm -rf "$lists"
    # This compiler is for these scripts alone, so it brings its libraries with it instead of having them installed.
    cat >"$AARCH64_ROOT/rustc" <<RUSTC
#!/bin/sh
LD_LIBRARY_PATH=$AARCH64_ROOT/usr/lib/x86_64-linux-gnu exec $AARCH64_ROOT/usr/bin/rustc "\$@"
RUSTC
    # The C library's linker script names files by their absolute paths, which this makes those below the root.
    cat >"$AARCH64_ROOT/linker" <<LINKER
#!/bin/sh
exec $AARCH64_ROOT/usr/bin/aarch64-linux-gnu-gcc --sysroot=$AARCH64_ROOT "\$@"
LINKER
    chmod +x "$AARCH64_ROOT"/{rustc,linker}
}

use_aarch64_tools() {
    [[ $(uname -m) == x86_64 ]] || { echo "this is no x86-64" >&2 && return 1; }
    command -v apt-get dpkg-deb >/dev/null || { echo "this is no Debian" >&2 && return 1; }
    if ! "$AARCH64_ROOT/rustc" --version 2>/dev/null; then
        (get_aarch64_tools) || { echo "Debian's packages for aarch64 cannot be had here" >&2 && return 1; }
    fi
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$("$AARCH64_ROOT/rustc" --version | cut -d' ' -f2)
    if [[ ! -d $(rustc --print sysroot)/lib/rustlib/aarch64-unknown-linux-gnu/lib ]]; then
        [[ $(printf '%s\n' "$needed" "$found" | sort --version-sort | head -n1) == "$needed" ]] ||
            { echo "Debian's Rust is $found, and $needed is needed" >&2 && return 1; }
        export RUSTC=$AARCH64_ROOT/rustc
    fi
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$AARCH64_ROOT/linker
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$AARCH64_QEMU
}
use_aarch64_tools
