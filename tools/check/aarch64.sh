#!/usr/bin/env bash
# Runs tests of the kernels and the engine as programs for aarch64, so that NEON is tested on x86-64 too. Usage:
# aarch64.sh [all]
#
# It needs cargo and, from Debian 12 or later, a compiler, a linker and QEMU; tools/cross/aarch64.sh gets them. Without
# them this script says so and is content. With `all` it runs every test; without, it leaves out those that take long
# under QEMU and whose subject is no arithmetic: threads, ranks, states and reports are the same code everywhere. Of the
# tests that resume, the one with an average stays.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$PWD/target/check/aarch64

source tools/cross/aarch64.sh || {
    echo "skipped, NEON is not tested; on aarch64 the ordinary tests do it"
    exit
}
# Linked to nothing that would have to be there when it runs.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Ctarget-feature=+crt-static
test_aarch64() {
    cargo test --locked --target aarch64-unknown-linux-gnu --target-dir "$work" "$@"
}
# How fast an emulator is says nothing.
slow=(--skip every_instruction_set_has_a_rate)
if [[ ${1:-} == all ]]; then
    test_aarch64 -p dcgan-kernels -p dcgan-engine-cpu -- "${slow[@]}"
else
    test_aarch64 -p dcgan-kernels -p dcgan-engine-cpu --lib --test conv --test layers --test matmul --test suite -- "${slow[@]}" \
        --skip threads_change_no_bit --skip ranks_change_no_bit \
        --skip stopping_and_going_on --skip each_part_leaves --skip a_picture_depends --skip resuming_from_a_state \
        --skip reports_wait_in_order --skip states_of_other_networks --skip failures_of_ranks
fi
