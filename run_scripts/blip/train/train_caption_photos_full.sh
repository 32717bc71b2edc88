#!/usr/bin/env bash
# Fine-tunes all of BLIP base on one's own photos: name their folder.
# More options go through: bash run_scripts/blip/train/train_caption_photos_full.sh --options datasets.folder_caption.build_info.images.storage=/data/photos
set -euo pipefail
cd "$(dirname "$0")/../../.."
exec node bin/lavis.js train --cfg-path projects/blip/train/caption_photos_full.yaml "$@"
