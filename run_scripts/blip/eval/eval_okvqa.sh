#!/usr/bin/env bash
# Evaluates BLIP base on OK-VQA with 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_okvqa.sh --options run.inference_method=generate
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/okvqa_eval.yaml --nproc-per-node 8 "$@"
