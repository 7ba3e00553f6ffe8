#!/usr/bin/env bash
# Proves that the number of threads changes no bit of a full-size run. Usage: threads.sh DCGAN DATA FOLDER
#
# It needs the program DCGAN, a folder DATA of 160 pictures or more, and a FOLDER to write to. Two steps, the second
# with a short batch.
set -euo pipefail
dcgan=$1 data=$2 folder=$3

mkdir -p "$folder"
for threads in 1 2 3; do
    rm -rf "$folder/$threads"
    "$dcgan" train "$data" --max-images 160 --epochs 1 --threads "$threads" --out "$folder/$threads"
done
for threads in 2 3; do
    cmp "$folder/1/generator.safetensors" "$folder/$threads/generator.safetensors"
    cmp "$folder/1/samples/epoch-0001.png" "$folder/$threads/samples/epoch-0001.png"
done
echo "the same bytes with 1, 2 and 3 threads"
