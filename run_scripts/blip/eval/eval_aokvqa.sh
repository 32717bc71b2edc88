#!/usr/bin/env bash
# Evaluates BLIP base on A-OKVQA.
# More options go through: bash run_scripts/blip/eval/eval_aokvqa.sh --options run.inference_method=generate
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/aokvqa_eval.yaml "$@"
