#!/usr/bin/env bash
# Fine-tunes a small BLIP to answer questions about drawn scenes: minutes on 2 cores, after pretrain_shapes.sh.
# More options go through: bash run_scripts/blip/train/train_vqa_shapes.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/vqa_shapes.yaml "$@"
