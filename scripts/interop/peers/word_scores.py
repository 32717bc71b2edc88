"""What transformers' model of tests/fixtures/tiny_caption thinks of LAVIS's own captions, word by word.

    python word_scores.py > tests/fixtures/word_scores.json

For every sequence of tiny_caption/generation.json, read in one pass: the natural logarithm of each word's probability
behind the prompt, the end token included, and for the first case the cross-attention of each word, the mean over heads
and layers, over the image's patches (the class token left out), as rows of a grid. Needs torch, transformers and
safetensors; the versions used stand in the file.
"""
import json
import sys

import torch
import transformers
from safetensors.torch import load_file

from tiny_blip import FIXTURE, tiny_blip


def main():
    model = tiny_blip().eval()
    pixels = load_file(FIXTURE / "generation_inputs.safetensors")["image"]
    prompt = len(json.loads((FIXTURE.parent / "hf_caption/expected.json").read_text())["prompt_ids"])
    end = model.config.text_config.sep_token_id
    generation = json.loads((FIXTURE / "generation.json").read_text())
    cases = []
    with torch.no_grad():
        states = model.vision_model(pixel_values=pixels).last_hidden_state
        for case in generation["cases"]:
            images = [1] if case["name"].startswith("single_image") else range(len(pixels))
            each = len(case["sequences"]) // len(images)
            rows, looks = [], []
            for i, sequence in enumerate(case["sequences"]):
                if end in sequence:
                    sequence = sequence[: sequence.index(end) + 1]
                ids = torch.tensor([sequence])
                out = model.text_decoder(input_ids=ids, attention_mask=torch.ones_like(ids),
                                         encoder_hidden_states=states[[images[i // each]]],
                                         output_attentions=True)
                scores = out.logits[0].log_softmax(-1)
                rows.append([scores[t - 1, sequence[t]].item() for t in range(prompt, len(sequence))])
                mean = torch.stack(out.cross_attentions).mean((0, 2))[0]  # [T, N]
                # What a word was chosen by stands where the word before it is read.
                side = int((mean.shape[1] - 1) ** 0.5)
                looks.append(mean[prompt - 1 : len(sequence) - 1, 1:].reshape(-1, side, side).tolist())
            cases.append({"name": case["name"], "log_probabilities": rows} | ({} if cases else {"looks": looks}))
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    text = json.dumps({"versions": versions, "cases": cases}, indent=None)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
