#!/usr/bin/env bash
# Evaluates BLIP base on NLVR2 with 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_nlvr.sh --options run.batch_size_eval=16
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/nlvr_eval.yaml --nproc-per-node 8 "$@"
