#!/usr/bin/env bash
# Fine-tunes BLIP base on NLVR2 with 16 workers.
# More options go through: bash run_scripts/blip/train/train_nlvr.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/nlvr_ft.yaml --nproc-per-node 16 "$@"
