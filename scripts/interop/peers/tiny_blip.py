"""The captioner of tests/fixtures/tiny_caption as Hugging Face's transformers build it: what the scripts here share."""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BlipConfig, BlipForConditionalGeneration

FIXTURE = Path(__file__).parents[3] / "tests/fixtures/tiny_caption"

RENAMED = [
    ("visual_encoder.cls_token", "vision_model.embeddings.class_embedding"),
    ("visual_encoder.pos_embed", "vision_model.embeddings.position_embedding"),
    ("visual_encoder.patch_embed.proj.", "vision_model.embeddings.patch_embedding."),
    ("visual_encoder.blocks.", "vision_model.encoder.layers."),
    ("visual_encoder.norm.", "vision_model.post_layernorm."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".attn.qkv.", ".self_attn.qkv."),
    (".attn.proj.", ".self_attn.projection."),
]


def hugging_face_name(name: str) -> str:
    if name.startswith("visual_encoder"):
        for ours, theirs in RENAMED:
            name = name.replace(ours, theirs)
    return name


def tiny_blip() -> BlipForConditionalGeneration:
    """With the fixture's weights, no dropout, and LAVIS's epsilon and label smoothing."""
    config = json.loads((FIXTURE / "config.json").read_text())
    med, vit = config["med_config"], config["vit"]
    text = {key: med[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                                      "num_attention_heads", "max_position_embeddings", "layer_norm_eps", "hidden_act")}
    special = config["tokenizer"]["special"]
    text |= {"encoder_hidden_size": med["encoder_width"], "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
             "label_smoothing": config["label_smoothing"], "is_decoder": True, "bos_token_id": special["bos"]["id"],
             "sep_token_id": special["sep"]["id"], "pad_token_id": special["pad"]["id"]}
    vision = {"hidden_size": vit["embed_dim"], "intermediate_size": 4 * vit["embed_dim"], "num_hidden_layers": vit["depth"],
              "num_attention_heads": vit["num_heads"], "image_size": config["image_size"], "patch_size": vit["patch_size"],
              "layer_norm_eps": 1e-6}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))
    state = {hugging_face_name(name): value for name, value in load_file(FIXTURE / "weights.safetensors").items()
             if not name.endswith("position_ids")}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("position_ids") for name in missing), (missing, unexpected)
    return model


def tiny_batch() -> dict:
    """All of the fixture's images, NCHW, and their texts as ids, with labels."""
    forward = load_file(FIXTURE / "forward.safetensors")
    image = load_file(FIXTURE / "inputs.safetensors")["image"]
    return {"pixel_values": image, "input_ids": forward["input_ids"].long(),
            "attention_mask": forward["attention_mask"].long(), "labels": forward["decoder_targets"].long()}


def five_losses(model: torch.nn.Module, rows: list, lr: float, weight_decay: float) -> list:
    """AdamW with LAVIS's two groups, over what requires a gradient."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    plain = [p for name, p in trained if p.ndim < 2 or any(part in name for part in ("bias", "ln", "bn"))]
    decayed = [p for name, p in trained if all(p is not other for other in plain)]
    groups = [{"params": group, "weight_decay": decay} for group, decay in ((decayed, weight_decay), (plain, 0.0)) if group]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8)
    batch, losses = tiny_batch(), []
    model.train()
    for chosen in rows[:5]:
        loss = model(**{key: value[chosen] for key, value in batch.items()}).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
