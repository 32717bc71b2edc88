#!/usr/bin/env bash
# Pretrains a small BLIP from scratch on drawn scenes: needs nothing, minutes on 2 cores.
# More options go through: bash run_scripts/blip/train/pretrain_shapes.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/pretrain_shapes.yaml "$@"
