#!/usr/bin/env python3
"""Runs the benchmark's PyTorch peer on a graphics card, unchanged.

    torch_on_gpu.py DEVICE PRECISION FILE [the peer's own arguments]

DEVICE is cuda, or cpu to try this script; PRECISION float32, or float16 for autocast. What the peer makes is made on
the card, and its clock waits for the card before it is read. Its last line of JSON gets the card's peak memory and
the rate of products of [2308, 768] x [768, 3072] and the like, as scripts/bench/lib/product_rate.mjs has them.
"""
import contextlib
import io
import json
import runpy
import sys
import time

import torch

SHAPES = [(2308, 768, 3072), (2308, 3072, 768), (2308, 768, 2304), (2308, 768, 768)]
clock = time.perf_counter


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def product_gflops(device, dtype):
    flops, seconds = 0, 0.0
    for m, k, n in SHAPES:
        a, b = torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)
        runs = 50 if device == "cuda" else 2
        for timed in (False, True):
            wait(device)
            start = clock()
            for _ in range(runs):
                a @ b
            wait(device)
        seconds += clock() - start
        flops += 2 * m * k * n * runs
    return flops / seconds / 1e9


def main():
    device, precision, peer, *arguments = sys.argv[1:]
    if device == "cuda":
        if hasattr(torch, "set_default_device"):
            torch.set_default_device("cuda")
        else:
            torch.set_default_tensor_type("torch.cuda.FloatTensor")

    def waiting_clock():
        wait(device)
        return clock()

    time.perf_counter = waiting_clock
    half = precision == "float16"
    autocast = torch.autocast(device, dtype=torch.float16) if half else contextlib.nullcontext()
    sys.argv = [peer, *arguments]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), autocast:
        runpy.run_path(peer, run_name="__main__")
    result = json.loads(output.getvalue().strip().splitlines()[-1])
    result["torch"] = torch.__version__
    if device == "cuda":
        result["card"] = torch.cuda.get_device_name()
        result["card_peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    result["product_gflops"] = product_gflops(device, torch.float16 if half else torch.float32)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
