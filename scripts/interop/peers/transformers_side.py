"""
transformers' half of the case hf: loads the folder that was written there, computes logits and greedy captions on the
same pixels, and saves the model again.

    python3 scripts/interop/peers/transformers_side.py FOLDER
"""
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BlipForConditionalGeneration

folder = Path(sys.argv[1])
model, info = BlipForConditionalGeneration.from_pretrained(folder / "ours", output_loading_info=True)
model.eval()
tokenizer = AutoTokenizer.from_pretrained(folder / "ours")
inputs = load_file(folder / "inputs.safetensors")
given = json.loads((folder / "texts.json").read_text())
pixels = inputs["pixels"].permute(0, 3, 1, 2).contiguous()

with torch.no_grad():
    out = model(pixel_values=pixels, input_ids=inputs["ids"].long(), attention_mask=inputs["mask"].long())
    written = model.generate(
        pixel_values=pixels,
        input_ids=torch.tensor([given["prompt"]] * len(pixels)),
        attention_mask=torch.ones(len(pixels), len(given["prompt"]), dtype=torch.long),
        num_beams=1,
        do_sample=False,
        max_length=20,
    )
save_file({"logits": out.logits.contiguous().float()}, folder / "logits.safetensors")
model.save_pretrained(folder / "theirs")
tokenizer.save_pretrained(folder / "theirs")
print(
    json.dumps(
        {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "loading": {key: sorted(map(str, value)) for key, value in info.items() if key != "error_msgs"},
            "greedy": written.tolist(),
            "tokens": [tokenizer(text).input_ids for text in given["texts"]],
        }
    )
)
