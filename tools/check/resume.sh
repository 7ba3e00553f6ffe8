#!/usr/bin/env bash
# Proves that a full-size run that is stopped in every way comes to the same bytes. Usage: resume.sh DCGAN DATA FOLDER
#
# It needs the program DCGAN, a folder DATA of 160 pictures or more, and a FOLDER to write to. Two epochs of two steps,
# the second with a short batch: once in one go; once with an end and a Ctrl-C within an epoch, and killed while it
# works and while it saves.
set -euo pipefail
dcgan=$1 data=$2 folder=$3

rm -rf "$folder"
mkdir -p "$folder"
"$dcgan" train "$data" --max-images 160 --epochs 2 --max-steps 4 --save-every 1 --out "$folder/whole"

parts=$folder/parts
"$dcgan" train "$data" --max-images 160 --epochs 2 --max-steps 1 --save-every 1 --out "$parts"

# Goes on until there is a new file like $2, then sends the signal $1 and prints the exit status.
go_on_until() {
    "$dcgan" train --resume "$parts" --max-steps 4 >/dev/null 2>&1 &
    local process=$! status=0
    until compgen -G "$parts/$2" >/dev/null; do
        # It may be over before it is seen: that shows in its status.
        kill -0 "$process" 2>/dev/null || break
    done
    kill -s "$1" "$process" 2>/dev/null || true
    wait "$process" || status=$?
    echo "$status"
}
[[ $(go_on_until INT 'checkpoints/step-00000002*') == 130 ]]
[[ -e $parts/checkpoints/step-00000003.safetensors ]]
[[ $(go_on_until KILL 'samples/epoch-0002.png') == 137 ]]
[[ $(go_on_until KILL 'checkpoints/.step-00000004*.tmp*') == 137 ]]
"$dcgan" train --resume "$parts" --max-steps 4

for file in generator.safetensors generator.pt samples/epoch-0002.png checkpoints/step-00000003.safetensors \
    checkpoints/step-00000004-epoch-0002.safetensors; do
    cmp "$folder/whole/$file" "$parts/$file"
done
echo "the same bytes after an end, a Ctrl-C and two kills on the way"
