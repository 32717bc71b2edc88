#!/usr/bin/env bash
# Evaluates BLIP base on the COCO Karpathy test split with 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_coco_cap.sh --options run.num_beams=5
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/caption_coco_eval.yaml --nproc-per-node 8 "$@"
