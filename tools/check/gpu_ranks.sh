#!/usr/bin/env bash
# Two ranks that share the first GPU, which is Mesa's software device if there is no other: the same bits as one process
# with the same shards, also when two ranks go on with its run; and a rank on the CPU beside one on the GPU is refused.
#
# tools/check/gpu_ranks.sh OPTIONS-OF-CARGO-BUILD
set -euo pipefail
cd "$(dirname "$0")/../.."
bash tools/check/install_mpi.sh
cargo build "$@" --features dcgan-cli/mpi

dcgan=target/gpu-dev/dcgan
work=target/check/gpu-ranks
# This may run as root, and with fewer cores than ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
rm -rf "$work"
mkdir -p "$work"
"$dcgan" demo-data "$work/faces" --count 21 --size 32
# Shards of different sizes, and a last batch of 5 images.
train=(train "$work/faces" --image-size 32 --base-channels 4 --latent-dim 8 --batch-size 16 --seed 3 --threads 1
    --no-cache --shards 3)
gpu=(--device gpu:0)

"$dcgan" "${train[@]}" "${gpu[@]}" --epochs 2 --out "$work/alone"
mpirun -n 2 "$dcgan" "${train[@]}" "${gpu[@]}" --epochs 2 --out "$work/ranks"
"$dcgan" "${train[@]}" "${gpu[@]}" --epochs 1 --out "$work/resumed"
mpirun -n 2 "$dcgan" train --resume "$work/resumed" "${gpu[@]}" --epochs 2
for run in ranks resumed; do
    cmp "$work/alone/generator.safetensors" "$work/$run/generator.safetensors"
done

mixed=(mpirun -n 1 "$dcgan" "${train[@]}" "${gpu[@]}" --out "$work/mixed" :
    -n 1 "$dcgan" "${train[@]}" --device cpu --out "$work/mixed")
if "${mixed[@]}" 2>"$work/mixed.txt"; then
    echo 'a rank on the CPU trains with one on the GPU' >&2
    exit 1
fi
grep 'rank 1 differs from rank 0 in its device' "$work/mixed.txt" || { cat "$work/mixed.txt" >&2; exit 1; }
