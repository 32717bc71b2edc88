"""BLIP base with random weights as Hugging Face's transformers run it: a training step, or captions of a batch.

    transformers_blip.py --batch 4 --steps 3 [--threads 2] [--image 384] [--generate --beams 3 --max-len 20]
        [--tune full|frozen|remembered|lora|lora-remembered]    what a step trains; LoRA is PEFT's; remembered:
                                                                the image encoder's output is there before the steps

The last line of the output is JSON, with the names of the benchmark's other peers.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import transformers
from transformers import BlipConfig, BlipForConditionalGeneration


def model_of(image: int) -> BlipForConditionalGeneration:
    config = BlipConfig()  # base
    config.vision_config.image_size = image
    # How BLIP's captioner was trained; the defaults of the class are those of no model.
    config.text_config.update({"vocab_size": 30524, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
                               "bos_token_id": 30522, "eos_token_id": 102, "sep_token_id": 102, "pad_token_id": 0})
    return BlipForConditionalGeneration(config)


def tuned(model: BlipForConditionalGeneration, tune: str):
    """The model of which a step trains what `tune` says, and its own parts."""
    if tune.startswith("lora"):
        from peft import LoraConfig, get_peft_model

        adapters = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=["query", "key", "value", "dense"])
        return get_peft_model(model, adapters)
    if tune != "full":
        model.vision_model.requires_grad_(False)
    return model


def timed(work, steps: int) -> list[float]:
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        print(f"{times[-1]:.2f} s", flush=True)
    return times[1:]  # the first touches memory for the first time


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("batch", 4), ("steps", 3), ("threads", 2), ("image", 384), ("beams", 3), ("max-len", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--generate", action="store_true")
    parser.add_argument("--tune", choices=["full", "frozen", "remembered", "lora", "lora-remembered"], default="full")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    model = model_of(asked.image)
    pixels = torch.randn(asked.batch, 3, asked.image, asked.image)
    if asked.generate:
        model.eval()
        prompt = torch.tensor([[30522, 1037, 3861, 1997, 102]]).repeat(asked.batch, 1)  # its generate drops the [SEP]
        lengths = {"max_length": asked.max_len, "min_length": asked.max_len, "num_beams": asked.beams}
        times = timed(lambda: model.generate(pixel_values=pixels, input_ids=prompt, **lengths), asked.steps)
        found = {"seconds_per_generate_median": statistics.median(times)}
    else:
        whole = tuned(model, asked.tune).train()
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.05, fused=True)
        ids = torch.randint(1000, 30000, (asked.batch, 16))

        embeds = None
        if asked.tune.endswith("remembered"):
            with torch.no_grad():
                embeds = model.vision_model(pixel_values=pixels).last_hidden_state

        def loss():
            if embeds is None:
                return whole(pixel_values=pixels, input_ids=ids, labels=ids).loss
            # What the model's own forward does with what its image encoder gives.
            return model.text_decoder(input_ids=ids, encoder_hidden_states=embeds, labels=ids, reduction="mean").loss

        def step():
            loss().backward()
            optimizer.step()
            optimizer.zero_grad()

        found = {"seconds_per_step_median": statistics.median(timed(step, asked.steps))}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(found | {"peak_gb": peak, "versions": versions}))


if __name__ == "__main__":
    main()
