#!/usr/bin/env bash
# Trains a small BLIP from scratch to find drawn scenes by sentences: needs nothing, minutes on 2 cores.
# More options go through: bash run_scripts/blip/train/train_retrieval_shapes.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/retrieval_shapes.yaml "$@"
