#!/usr/bin/env bash
# Fine-tunes BLIP base for retrieval on Flickr30k with 8 workers.
# More options go through: bash run_scripts/blip/train/train_retrieval_flickr.sh --options run.max_epoch=1
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/retrieval_flickr_ft.yaml --nproc-per-node 8 "$@"
