#!/usr/bin/env bash
# Everything that must hold before a change goes in; continuous integration runs it too.
#
#   tools/check/run.sh            all of it
#   tools/check/run.sh rust       format, lints, tests, documentation, examples: needs cargo only, and of Debian for aarch64.sh what that downloads
#   tools/check/run.sh gpu        the GPU engine on Mesa's software Vulkan device, which it installs if it can
#   tools/check/run.sh mpi        training on several ranks, with Open MPI, which it installs if it can
#   tools/check/run.sh page       the web page in Chromium during a training: needs node, and Debian's chromium, which it installs if it can
#   tools/check/run.sh python     the Python package in fresh environments, against the release program and PyTorch: needs python3 with pip
#   tools/check/run.sh pytorch    the release program against PyTorch: needs python3 with pip as well
#
# PyTorch goes into target/check/venv, 5 GB that are downloaded once. To use another interpreter that has what
# requirements.txt lists: PYTHON=/path/to/python tools/check/run.sh pytorch
set -euo pipefail
cd "$(dirname "$0")/../.."

work=target/check
dcgan=target/release/dcgan
passed=0
failed=0
report=()

# Seconds of CPU time of what this script has started and seen the end of.
cpu_seconds() {
    LC_ALL=C awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($14 + $15) / ticks }' "/proc/$$/stat"
}

# check NAME COMMAND...: runs the command and takes down how it went, the seconds, and the seconds of CPU time. What ran
# in the background counts in the check in which it ended.
check() {
    local name=$1 start=$SECONDS outcome=ok cpu
    cpu=$(cpu_seconds)
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    "$@" || outcome=FAILED
    if [[ $outcome == ok ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    report+=("$(printf '%-6s %4d s %5d s CPU  %s' "$outcome" $((SECONDS - start)) $(($(cpu_seconds) - cpu)) "$name")")
    printf '=== %s: %s after %d s\n' "$name" "$outcome" $((SECONDS - start))
    [[ $outcome == ok ]]
}

# background NAME COMMAND...: starts the command while others run. `check NAME finished NAME` waits for it.
declare -A background ended
background() {
    mkdir -p "$work/background"
    "${@:2}" >"$work/background/$1.log" 2>&1 &
    background[$1]=$!
}
finished() {
    if [[ ! -v ended[$1] ]]; then
        ended[$1]=0
        wait "${background[$1]}" || ended[$1]=$?
    fi
    cat "$work/background/$1.log"
    return "${ended[$1]}"
}

# Downloads gigabytes, so it begins before PyTorch is needed.
install_pytorch() {
    [[ -n ${PYTHON:-} || -v background[pytorch] ]] || background pytorch bash tools/check/install_pytorch.sh "$work/venv"
}

rust() {
    # On one processor, while the others often wait for the compiler's last crate.
    background miri bash tools/check/miri.sh
    check "format" cargo fmt --all --check || true
    check "lints" cargo clippy --locked --all-targets -- -D warnings || true
    check "tests" cargo test --locked || true
    # Those of the kernels run on every instruction set by themselves.
    check "tests without SIMD" env DCGAN_ISA=portable cargo test --locked -p dcgan-engine-cpu -p dcgan-cli || true
    check "kernels under Miri" finished miri || true
    check "tests with NEON" bash tools/check/aarch64.sh || true
    # What is ignored otherwise: a whole data set of faces, more broken files, and the measurements, which must go on
    # working. As the tests are built already: another profile, or fewer packages, would cost two minutes more.
    check "long tests" cargo test --locked -- --ignored || true
    check "documentation" env RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps || true
    check "examples" bash tools/check/examples.sh || true
    check "fuzz targets" cargo clippy --manifest-path fuzz/Cargo.toml --target-dir "$work/fuzz" -- -D warnings || true
}

# All of it with the same packages and features, so that Burn is built once, in 7 minutes of CPU time.
gpu() {
    local build=(--locked --profile gpu-dev -p dcgan-engine-gpu -p dcgan-cli --features dcgan-cli/gpu)
    check "GPU driver" bash tools/check/software_gpu.sh || return 0
    check "GPU engine" cargo test "${build[@]}" --test suite --test memory --lib -- --include-ignored || true
    check "GPU program" cargo test "${build[@]}" --test cli every_device || true
    check "GPU ranks" bash tools/check/gpu_ranks.sh "${build[@]}" || true
    # CUDA cannot run here. It can be read by the compiler: with DOCS_RS, Burn's CUDA does without the LLVM that its
    # build downloads otherwise.
    check "GPU lints" env DOCS_RS=1 cargo clippy "${build[@]},dcgan-cli/cuda" --all-targets -- -D warnings || true
    check "GPU documentation" env DOCS_RS=1 RUSTDOCFLAGS=-Dwarnings cargo doc "${build[@]},dcgan-cli/cuda" --no-deps || true
}

mpi() {
    check "several ranks" bash tools/check/mpi.sh || true
}

# In Debian's chromium, which it installs if it can; two minutes.
page() {
    check "release build" cargo build --locked --release || return 0
    check "page" bash tools/check/page.sh "$dcgan" || true
}

pytorch() {
    install_pytorch
    check "release build" cargo build --locked --release || return 0
    check "release files" bash tools/check/release.sh "$work/release" || true
    if [[ -z ${PYTHON:-} ]]; then
        check "PyTorch" finished pytorch || return 0
    fi
    local python=${PYTHON:-$work/venv/bin/python}

    check "fixtures" "$python" tools/check/fixtures.py || true

    # The tutorial's recipe at full size with the same seed: 8 steps of ours, and of PyTorch in three ways.
    rm -rf "$work/faces" "$work/runs"
    mkdir -p "$work"/runs/{float32,channels-last,float64}
    check "demo data" "$dcgan" demo-data "$work/faces" --count 1024 || return 0
    check "training" "$dcgan" train "$work/faces" --epochs 1 --seed 1 --out "$work/runs/ours" || return 0
    check "event file" "$python" tools/check/event_file.py "$work/runs/ours" || true
    check "training with other threads" bash tools/check/threads.sh "$dcgan" "$work/faces" "$work/runs/threads" || true
    check "stopping and going on" bash tools/check/resume.sh "$dcgan" "$work/faces" "$work/runs/resume" || true
    check "kills" python3 tools/check/nothing_lost.py "$dcgan" kills --count 40 || true
    check "full disks" python3 tools/check/nothing_lost.py "$dcgan" full-disks --count 30 || true
    check "damaged files" python3 tools/check/nothing_lost.py "$dcgan" mutations --count 420 || true
    check "limits" python3 tools/check/nothing_lost.py "$dcgan" limits || true
    tutorial() {
        local run=$work/runs/$1
        check "training in PyTorch, $1" "$python" bench/pytorch/tutorial.py --data "$work/faces" --epochs 1 --seed 1 \
            --losses-out "$run/metrics.jsonl" --save "$run/generator.pt" "${@:2}"
    }
    tutorial float32 || return 0
    tutorial channels-last --channels-last || return 0
    tutorial float64 --dtype float64 || return 0
    check "losses" "$python" tools/check/training.py "$work"/runs/{ours,float64,float32,channels-last} || true

    check "TorchScript" "$python" tools/reference/check_torchscript.py "$work/runs/ours/generator.pt" || true
    check "pictures" "$python" tools/check/pictures.py "$dcgan" "$work"/runs/{ours,float32}/generator.pt || true
    check "formats" "$python" tools/check/peers.py "$dcgan" "$work/runs/ours/generator.pt" || true
    check "checkpoints" "$python" tools/check/checkpoints.py "$dcgan" || true
    check "unusual pictures" "$python" tools/check/pictures_read.py "$dcgan" || true
    check "torch-fidelity" "$python" tools/check/fidelity.py "$dcgan" "$work/runs/ours/generator.pt" || true
}

python_package() {
    install_pytorch
    check "release build" cargo build --locked --release || return 0
    if [[ -z ${PYTHON:-} ]]; then
        check "PyTorch" finished pytorch || return 0
    fi
    check "Python package" bash tools/check/python.sh "$dcgan" "$work/python" "${PYTHON:-$work/venv/bin/python}" || true
}

case ${1:-all} in
    all)
        # Beside the others, which leave processors idle when a build waits for its last crate or a check uses one only.
        # What it compiles is of no use to them.
        background gpu bash tools/check/run.sh gpu
        install_pytorch
        rust; mpi; page
        # These two leave processors idle too. What both need is here now: the program and, once installed, PyTorch.
        [[ -n ${PYTHON:-} ]] || finished pytorch >/dev/null || true
        background python bash tools/check/run.sh python
        pytorch
        check "Python" finished python || true
        check "GPU" finished gpu || true
        ;;
    rust) rust ;;
    gpu) gpu ;;
    mpi) mpi ;;
    page) page ;;
    pytorch) pytorch ;;
    python) python_package ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac

printf '\n'
printf '%s\n' "${report[@]}"
printf '%d s in all\n' "$SECONDS"
printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed == 0 ]]
