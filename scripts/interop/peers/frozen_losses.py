"""
Five training steps of the tiny captioner with parts frozen, in PyTorch (requires_grad False): what
tests/fixtures/frozen_caption holds. Checks itself on the reference's losses of unfrozen training first.

    python3 scripts/interop/peers/frozen_losses.py > tests/fixtures/frozen_caption/train_steps.json
"""
import json

import torch
import transformers
from tiny_blip import FIXTURE, five_losses, hugging_face_name, tiny_blip

# What is frozen as `model.freeze` says it, and by the beginnings of names.
VIT_START = ["visual_encoder.cls_token", "visual_encoder.pos_embed", "visual_encoder.patch_embed.proj."]
CASES = {
    "the image encoder": (["visual_encoder"], ["vision_model."]),
    "the first two blocks of the image encoder, and what comes before": (
        ["visual_encoder.{cls_token,pos_embed,patch_embed}", "visual_encoder.blocks.{0..1}"],
        [*VIT_START, "visual_encoder.blocks.0.", "visual_encoder.blocks.1."],
    ),
    "a block between trained ones": (["visual_encoder.blocks.1"], ["visual_encoder.blocks.1."]),
    "the words, tied to the output layer": (["text_decoder.bert.embeddings"], ["text_decoder.bert.embeddings."]),
    "all but cross-attention": (
        ["visual_encoder", "text_decoder.bert.embeddings", "text_decoder.cls", "text_decoder.**.layer.*.{attention,intermediate,output}"],
        None,
    ),
}


def frozen(name: str, beginnings) -> bool:
    if beginnings is None:
        return "crossattention" not in name
    return any(name.startswith(hugging_face_name(beginning)) for beginning in beginnings)


torch.set_num_threads(1)
steps = json.loads((FIXTURE / "train_steps.json").read_text())
rows, optimizer, wanted = steps["batch_rows"], steps["optimizer"], steps["accum1_5steps"]["loss"]
settings = {"lr": optimizer["lr"], "weight_decay": optimizer["weight_decay"]}
unfrozen = five_losses(tiny_blip(), rows, **settings)
worst = max(abs(a / b - 1) for a, b in zip(unfrozen, wanted))
assert worst < 1e-4, (unfrozen, wanted)

cases = []
for what, (freeze, beginnings) in CASES.items():
    model = tiny_blip()
    names = [name for name, _ in model.named_parameters()]
    for beginning in beginnings or []:
        assert any(frozen(name, [beginning]) for name in names), beginning
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not frozen(name, beginnings)
    everything = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert 0 < trained < everything, what
    cases.append({"what": what, "freeze": freeze, "trained": trained, "loss": five_losses(model, rows, **settings)})

origin = (f"scripts/interop/peers/frozen_losses.py: PyTorch {torch.__version__}, transformers {transformers.__version__}; "
          f"unfrozen, its losses are within {worst:.1e} of tiny_caption/train_steps.json")
print(json.dumps({"origin": origin, "cases": cases}, indent=1))
