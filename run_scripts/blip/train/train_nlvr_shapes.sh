#!/usr/bin/env bash
# Fine-tunes a small BLIP to judge sentences about two drawn scenes: minutes on 2 cores, after pretrain_shapes.sh.
# More options go through: bash run_scripts/blip/train/train_nlvr_shapes.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/nlvr_shapes.yaml "$@"
