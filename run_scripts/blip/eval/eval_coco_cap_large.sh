#!/usr/bin/env bash
# Evaluates BLIP large on the COCO Karpathy test split with 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_coco_cap_large.sh --options run.num_beams=5
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/caption_coco_eval_large.yaml --nproc-per-node 8 "$@"
