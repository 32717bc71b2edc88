#!/usr/bin/env bash
# Fine-tunes BLIP base on one's own photos, with small matrices beside its weights: name their folder.
# More options go through: bash run_scripts/blip/train/train_caption_photos_lora.sh --options datasets.folder_caption.build_info.images.storage=/data/photos
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/caption_photos_lora.yaml "$@"
