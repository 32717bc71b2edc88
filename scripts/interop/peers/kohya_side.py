"""
kohya's half of the case kohya: builds the captioner of its caption script (finetune/make_captions.py), loads our checkpoint
into it with the script's own function, and saves the logits.

    python3 scripts/interop/peers/kohya_side.py SD_SCRIPTS FOLDER
"""
import json
import logging
import sys
import types
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

scripts, folder = Path(sys.argv[1]), Path(sys.argv[2])
# blip.py takes the logger's set-up from kohya's library, which wants all of diffusers; the model takes nothing from it.
utils = types.ModuleType("library.utils")
utils.setup_logging = lambda *args, **settings: logging.basicConfig(stream=sys.stderr)
sys.modules.update({"library": types.ModuleType("library"), "library.utils": utils})
sys.path.insert(0, str(scripts / "finetune"))

from blip import blip  # noqa: E402

# The vocabulary that a download would bring.
blip.BertTokenizer.from_pretrained = classmethod(lambda cls, name: cls(str(folder / "vocab.txt"), do_lower_case=True))

file = folder / "checkpoint.pth"
settings = {"image_size": 384, "vit": "large", "med_config": str(scripts / "finetune/blip/med_config.json")}
model = blip.blip_decoder(pretrained=str(file), **settings).eval()

theirs = {name: list(value.shape) for name, value in model.state_dict().items()}
ours = {name: list(value.shape) for name, value in torch.load(file, map_location="cpu")["model"].items()}
inputs = load_file(folder / "inputs.safetensors")
pixels = inputs["pixels"].permute(0, 3, 1, 2).contiguous()
with torch.no_grad():
    image = model.visual_encoder(pixels)
    out = model.text_decoder(
        inputs["ids"].long(),
        attention_mask=inputs["mask"].long(),
        encoder_hidden_states=image,
        encoder_attention_mask=torch.ones(image.shape[:-1], dtype=torch.long),
        return_dict=True,
    )
save_file({"logits": out.logits.contiguous()}, folder / "logits.safetensors")
print(
    json.dumps(
        {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "missing": sorted(set(theirs) - set(ours)),
            "unexpected": sorted(set(ours) - set(theirs)),
            "shapes": sorted(name for name in set(ours) & set(theirs) if ours[name] != theirs[name]),
            "names": len(theirs),
        }
    )
)
