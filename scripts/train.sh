#!/bin/bash
# Train the models the kiosk ships: simulated deposits -> the product's own features -> SOM-GAN -> models/artifacts.
# The same seeds make the same data. Clips are made in parts and thrown away, so that /tmp holds < 1 GB.
#   TRAIN_DEPOSITS=760 MACHINE_DEPOSITS=1600 KIOSKS=48 CHECK_DEPOSITS=120 JOBS=2 OUT=models/artifacts scripts/train.sh
set -euo pipefail
cd "$(dirname "$0")/.."

deposits=${TRAIN_DEPOSITS:-760}   # half of them calibrate the grades: p can fall to 1/(n+1), and high needs 0.005
machine=${MACHINE_DEPOSITS:-1600} # readings cost hardly anything to make, so there are more of them
kiosks=${KIOSKS:-48}              # lives of kiosks, 50 deposits each to learn from
check=${CHECK_DEPOSITS:-120}      # fresh normal deposits, and half as many with something happening
jobs=${JOBS:-2}
out=${OUT:-models/artifacts}
part=40
seed_train=11 seed_normal=112 seed_events=113  # the last two were never looked at while features and settings were chosen
export bin=$PWD/.venv/bin OMP_NUM_THREADS=1

work=$(mktemp -d "${TMPDIR:-/tmp}/kiosk-train.XXXXXX")
export work
trap 'rm -rf "$work"' EXIT

make_part() { # name seed first count events
    local folder
    folder=$(mktemp -d "$work/part.XXXXXX")
    nice "$bin/hwsim" dataset --out "$folder" --seed "$2" --first "$3" --deposits "$4" --events "$5"
    local number
    number=$(printf %05d "$3")
    for stream in scene machine; do
        [ "$1.$stream" = train.machine ] || # these are made apart
            nice "$bin/kiosk" features --clips "$folder" --stream "$stream" --out "$work/$1.$stream.$number.npz"
    done
    rm -r "$folder"
}
export -f make_part

plan() { # name seed count events
    local first
    for ((first = 0; first < $3; first += part)); do
        echo "$1 $2 $first $((first + part <= $3 ? part : $3 - first)) $4"
    done
}

started=$SECONDS
echo "train: simulating $deposits normal deposits to learn from, $check + $((check / 2)) to check with, in $jobs jobs"
{
    plan train "$seed_train" "$deposits" none
    plan normal "$seed_normal" "$check" none
    plan events "$seed_events" $((check / 2)) onlooker,crowding,covered,onlooker,crowding,frozen
} | xargs -P "$jobs" -L 1 bash -euo pipefail -c 'make_part "$@"' make_part
echo "train: data after $((SECONDS - started)) s"

nice "$bin/hwsim" dataset --out "$work/readings" --seed "$seed_train" --deposits "$machine" --only machine
nice "$bin/kiosk" features --clips "$work/readings" --stream machine --out "$work/train.machine.00000.npz"
"$bin/hwsim" transactions --out "$work/lives" --seed "$seed_train" --kiosks "$kiosks"
"$bin/kiosk" features --clips "$work/lives" --stream transaction --out "$work/train.transaction.npz"
nice "$bin/python" -m somgan train --data "$work/train.transaction.npz" --stream transaction --out "$out/transaction" \
    --seed 1 --smoothing-rows 1 --steps 1500

for stream in scene machine; do
    for name in train normal events; do
        "$bin/kiosk" features --stream "$stream" --join "$work/$name.$stream".*.npz --out "$work/$name.$stream.npz"
    done
    # Half a second of frames, a second of readings: about a dozen and at most four a second.
    smoothing=6 steps=1500
    [ "$stream" = scene ] || smoothing=4 steps=3000
    # The labels say what the camera could see: they are no test of the machine stream.
    evaluate=()
    [ "$stream" = machine ] || evaluate=(--evaluate "$work/normal.$stream.npz" "$work/events.$stream.npz")
    nice "$bin/python" -m somgan train --data "$work/train.$stream.npz" --stream "$stream" --out "$out/$stream" \
        --seed 1 --smoothing-rows "$smoothing" --steps "$steps" "${evaluate[@]}"
done

echo "train: graded as the watcher grades, on deposits the models have not seen"
for name in normal events; do
    "$bin/python" -m kiosk.monitoring.judge --models "$out" \
        --scene "$work/$name.scene.npz" --machine "$work/$name.machine.npz"
done
echo "train: $out after $((SECONDS - started)) s, $(du -cb "$out"/*/model.onnx | tail -1 | cut -f1) bytes of graphs"
