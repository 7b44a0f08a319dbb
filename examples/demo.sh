#!/usr/bin/env bash
# The whole way, twice, on the built-in local Earth Engine: crops as a map, wind turbines as points. Each command is printed
# before it runs; with your own project, leave out --ee_url local and give --ee_project.
#
#   examples/demo.sh FOLDER      a folder that is there already is continued
set -euo pipefail
out=${1:?usage: examples/demo.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
export PATH="$here/../.venv/bin:$PATH"
run() { printf '\n$ %s\n' "$*"; "$@"; }

# Eight places in Iowa to learn from; Illinois, three years later, to be scored and mapped.
run rsbot export --recipe crops --region "$here/iowa.geojson" --period 2021-04-01,2021-11-01 --sampling stratified \
    --samples 70 --split 88,12,0 --output "$out/crops" --ee_url local
run rsbot train --dataset "$out/crops" --model utae --epochs 12 --output "$out/crops-model"
run rsbot export --recipe crops --region=-88.2,41.2,-88.12,41.24 --period 2024-04-01,2024-11-01 --split 100,0,0 \
    --output "$out/crops-elsewhere" --ee_url local
run rsbot evaluate --model "$out/crops-model" --dataset "$out/crops-elsewhere" --split all
run rsbot predict --model "$out/crops-model" --region=-88.2,41.2,-88.08,41.28 --year 2024 --bands class,probability,composite \
    --output "$out/crops-map" --ee_url local

run rsbot export --recipe wind --set labels=projects/rsbot/assets/world/wind_turbines --region=-94.5,41.2,-92.5,42.8 \
    --period 2022-05-01,2022-08-01 --sampling features --samples 90 --split 85,15,0 --output "$out/wind" --ee_url local
run rsbot train --dataset "$out/wind" --model centernet --epochs 25 --output "$out/wind-model"
run rsbot predict --model "$out/wind-model" --region=-87.6,41.2,-87.45,41.3 --year 2024 --geometry point \
    --output "$out/wind-map" --ee_url local

printf '\nLook at\n'
printf '  %s\n' "$out"/crops-map/map.png "$out"/crops-model/evaluation/*/examples.png "$out"/wind-map/detections.png \
    "$out"/crops/preview.png
