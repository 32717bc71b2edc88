#!/usr/bin/env bash
# Evaluates BLIP base on the validation questions of VQA v2 with 8 workers.
# More options go through: bash run_scripts/blip/eval/validate_vqa.sh --options run.inference_method=generate
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/vqav2_eval.yaml --nproc-per-node 8 "$@"
