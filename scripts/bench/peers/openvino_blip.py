"""Captions of a batch by OpenVINO, over the graphs that `lavis export --format onnx` writes.

    openvino_blip.py FOLDER --batch 4 --steps 3 [--threads 2] [--beams 3] [--max-len 20] [--precision f32|bf16] [--int8]

`--int8` compresses the weights as OpenVINO's exporters do by default. Beams that follow each other in one search, all
of one length; what the image gives is bound once. The last line of the output is JSON.
"""
import argparse
import json
import re
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import openvino as ov


def without_ifs(model, cached: bool):
    """The merged decoder with one branch of each If in its place, which OpenVINO plans better, and nncf can compress."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "If":
            continue
        branch = 0 if cached else 1
        body = node.get_function(branch)
        for description in node.get_input_descriptions(branch):
            body.get_parameters()[description.body_parameter_index].output(0).replace(
                node.input_value(description.input_index))
        for description in node.get_output_descriptions(branch):
            result = body.get_results()[description.body_value_index].input_value(0)
            node.output(description.output_index).replace(result)
    model.validate_nodes_and_infer_types()
    return model


def compiled(path: Path, asked, change=lambda model: model):
    core = ov.Core()
    model = change(core.read_model(path))
    if asked.int8:
        import nncf

        model = nncf.compress_weights(model)
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": asked.precision,
                                             "INFERENCE_NUM_THREADS": asked.threads})


class Captioner:
    def __init__(self, asked):
        folder = Path(asked.folder)
        self.prompt = json.loads((folder / "lavis_captioner.json").read_text())["prompt"]["ids"]
        self.encoder = compiled(folder / "onnx/encoder_model.onnx", asked)
        merged = folder / "onnx/decoder_model_merged.onnx"
        self.first = compiled(merged, asked, lambda model: without_ifs(model, False))
        self.next = compiled(merged, asked, lambda model: without_ifs(model, True))
        names = [name for port in self.next.inputs for name in port.names
                 if re.fullmatch(r"past_key_values\.\d+\.\w+\.(key|value)", name)]
        self.own = [name for name in names if ".decoder." in name]
        self.image = [name for name in names if ".encoder." in name]
        shape = self.next.input(self.own[0]).get_partial_shape()
        self.nothing = np.zeros((1, shape[1].get_length(), 0, shape[3].get_length()), np.float32)

    def run(self, pixels, beams, longest):
        batch = len(pixels)
        states = self.encoder(pixels)[0]
        first, request = self.first.create_infer_request(), self.next.create_infer_request()
        feeds = {name: np.repeat(self.nothing, batch, 0) for name in self.own}
        ids = np.array([self.prompt] * batch, np.int64)
        out = first.infer(feeds | {"input_ids": ids, "encoder_hidden_states": states})
        logits = out["logits"][:, -1]
        present = lambda name: out[name.replace("past_key_values", "present")]
        # From here on every image has as many rows as beams; the image's keys and values stay where they are.
        shared = {name: np.repeat(present(name), beams, 0) for name in self.image}
        own = {name: np.repeat(present(name), beams, 0) for name in self.own}
        for name, value in shared.items():
            request.set_tensor(name, ov.Tensor(value, shared_memory=True))
        sums = np.full((batch, beams), -1e9, np.float32)
        sums[:, 0] = 0
        texts = np.repeat(ids, beams, 0)
        logits = np.repeat(logits, beams, 0)
        while True:
            most = logits.max(-1, keepdims=True)
            scores = logits - most - np.log(np.exp(logits - most).sum(-1, keepdims=True))
            scores = (scores.reshape(batch, beams, -1) + sums[..., None]).reshape(batch, -1)
            best = np.argpartition(scores, -beams, 1)[:, -beams:]
            sums = np.take_along_axis(scores, best, 1)
            words = logits.shape[-1]
            parents = (best // words + np.arange(batch)[:, None] * beams).reshape(-1)
            texts = np.concatenate([texts[parents], (best % words).reshape(-1, 1)], 1)
            if texts.shape[1] >= longest:
                return texts
            for name in self.own:
                own[name] = np.ascontiguousarray(own[name][parents])
                request.set_tensor(name, ov.Tensor(own[name], shared_memory=True))
            request.set_tensor("input_ids", ov.Tensor(np.ascontiguousarray(texts[:, -1:])))
            request.infer()
            logits = request.get_tensor("logits").data[:, -1].copy()
            for name in self.own:
                own[name] = request.get_tensor(name.replace("past_key_values", "present")).data.copy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    for name, value in (("batch", 4), ("steps", 3), ("threads", 2), ("image", 384), ("beams", 3), ("max-len", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--int8", action="store_true")
    asked = parser.parse_args()
    captioner = Captioner(asked)
    pixels = np.random.default_rng(0).standard_normal((asked.batch, 3, asked.image, asked.image), np.float32)
    times = []
    for _ in range(asked.steps + 1):
        start = time.perf_counter()
        captioner.run(pixels, asked.beams, asked.max_len)
        times.append(time.perf_counter() - start)
        print(f"{times[-1]:.2f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds_per_generate_median": statistics.median(times[1:]), "peak_gb": peak,
                      "versions": {"openvino": ov.__version__}}))


if __name__ == "__main__":
    main()
