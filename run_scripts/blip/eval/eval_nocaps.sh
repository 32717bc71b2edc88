#!/usr/bin/env bash
# Captions NoCaps with BLIP base and 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_nocaps.sh --options run.num_beams=5
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/nocaps_eval.yaml --nproc-per-node 8 "$@"
