#!/usr/bin/env bash
# Evaluates BLIP base on retrieval with Flickr30k with 8 workers.
# More options go through: bash run_scripts/blip/eval/eval_ret_flickr.sh --options run.k_test=64
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js eval --cfg-path projects/blip/eval/ret_flickr_eval.yaml --nproc-per-node 8 "$@"
