"""
PEFT's half of peft.mjs: loads the adapters that were trained there and writes its logits with them; then makes adapters
of its own, saves them, and writes its logits with those.

    python3 scripts/interop/peers/peft_side.py FOLDER
"""
import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from tiny_blip import tiny_batch, tiny_blip

folder = Path(sys.argv[1])
batch = tiny_batch()
del batch["labels"]


@torch.no_grad()
def logits(model) -> torch.Tensor:
    model.eval()
    # What captions are predicted by; `forward` of BLIP returns the same beside a loss.
    return model(**batch).logits.contiguous()


for ours in sorted(folder.glob("ours_*")):
    model = PeftModel.from_pretrained(tiny_blip(), ours)
    assert all("default" in name for name, p in model.named_parameters() if "lora_" in name)
    save_file({"logits": logits(model)}, folder / f"{ours.name}.logits.safetensors")

torch.manual_seed(0)
THEIRS = {
    "text": dict(r=4, lora_alpha=8, target_modules=["query", "key", "value", "dense"]),
    "vision": dict(r=3, lora_alpha=8, target_modules=["qkv", "projection", "fc1", "fc2"], use_rslora=True),
    "patterns": dict(r=4, lora_alpha=8, target_modules=["query", "qkv"], rank_pattern={"qkv": 2}, alpha_pattern={"qkv": 16}),
    "regex": dict(r=2, lora_alpha=2, target_modules=r".*layer\.1\..*\.(query|value)"),
    "whole": dict(r=2, lora_alpha=4, target_modules=["query"], modules_to_save=["post_layernorm"]),
}
for name, settings in THEIRS.items():
    model = get_peft_model(tiny_blip(), LoraConfig(lora_dropout=0.1, **settings))
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    save_file({"logits": logits(model)}, folder / f"theirs_{name}.logits.safetensors")
    model.save_pretrained(folder / f"theirs_{name}")

print(json.dumps({"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__}))
