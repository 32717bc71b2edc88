#!/usr/bin/env bash
# Fine-tunes BLIP large on COCO captions, counted in iterations, with 8 workers.
# More options go through: bash run_scripts/blip/train/train_caption_coco_large_iters.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/coco_cap_ft_iter.yaml --nproc-per-node 8 "$@"
