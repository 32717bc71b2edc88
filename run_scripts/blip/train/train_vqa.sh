#!/usr/bin/env bash
# Fine-tunes BLIP base on VQA v2 and Visual Genome with 16 workers.
# More options go through: bash run_scripts/blip/train/train_vqa.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/vqav2_ft.yaml --nproc-per-node 16 "$@"
