#!/usr/bin/env bash
# Fine-tunes BLIP large on COCO captions with 8 workers.
# More options go through: bash run_scripts/blip/train/train_caption_coco_large.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/caption_coco_large_ft.yaml --nproc-per-node 8 "$@"
