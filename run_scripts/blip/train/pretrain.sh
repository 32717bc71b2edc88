#!/usr/bin/env bash
# Pretrains BLIP base on 14 million images with 16 workers.
# More options go through: bash run_scripts/blip/train/pretrain.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/pretrain_14m.yaml --nproc-per-node 16 "$@"
