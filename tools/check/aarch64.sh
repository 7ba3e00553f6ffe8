#!/usr/bin/env bash
# Runs tests of the kernels and the engine as programs for aarch64, so that NEON is tested on x86-64 too. Usage: aarch64.sh [all]
#
# It needs cargo and Debian 12 or later. What it takes from there, a compiler with the standard library for both processors, a linker and QEMU,
# is downloaded once (290 MB) and unpacked below target/check/aarch64 (1.2 GB): nothing is installed, and no rights are needed. Without them it
# says so and is content. With `all` it runs every test; without, it leaves out those that take minutes under QEMU.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$PWD/target/check/aarch64
root=$work/root

skip() {
    echo "skipped, NEON is not tested: $1"
    exit
}

# get_tools: unpacks the packages into $root.
get_tools() {
    local lists=$work/apt
    rm -rf "$root" "$lists"
    mkdir -p "$root" "$lists"/{lists,archives}/partial
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
        dpkg-deb --extract "$package" "$root" || return
    done
    rm -rf "$lists"
    # This compiler is for this script alone, so it brings its libraries with it instead of having them installed.
    cat >"$root/rustc" <<RUSTC
#!/bin/sh
LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu exec $root/usr/bin/rustc "\$@"
RUSTC
    chmod +x "$root/rustc"
}

[[ $(uname -m) == x86_64 ]] || skip "this is no x86-64; on aarch64 the ordinary tests do it"
command -v apt-get dpkg-deb >/dev/null || skip "this is no Debian"
if ! "$root/rustc" --version 2>/dev/null; then
    (get_tools) || skip "Debian's packages for it cannot be had here"
fi
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$("$root/rustc" --version | cut -d' ' -f2)
[[ $(printf '%s\n' "$needed" "$found" | sort --version-sort | head -n1) == "$needed" ]] || skip "Debian's Rust is $found, and $needed is needed"

export RUSTC=$root/rustc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$root/usr/bin/aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$root/usr/bin/qemu-aarch64-static
# Linked to nothing that would have to be there when it runs.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Ctarget-feature=+crt-static
test_aarch64() {
    cargo test --locked --target aarch64-unknown-linux-gnu --target-dir "$work/target" "$@"
}
# How fast an emulator is says nothing.
slow=(--skip every_instruction_set_has_a_rate)
if [[ ${1:-} == all ]]; then
    test_aarch64 -p dcgan-kernels -p dcgan-engine-cpu -- "${slow[@]}"
else
    test_aarch64 -p dcgan-kernels -p dcgan-engine-cpu --lib --test layers --test suite -- "${slow[@]}" --skip threads_change_no_bit \
        --skip stopping_and_going_on --skip each_part_leaves --skip a_picture_depends
fi
