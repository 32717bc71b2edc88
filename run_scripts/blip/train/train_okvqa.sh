#!/usr/bin/env bash
# Fine-tunes BLIP base on OK-VQA with 16 workers.
# More options go through: bash run_scripts/blip/train/train_okvqa.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/okvqa_ft.yaml --nproc-per-node 16 "$@"
