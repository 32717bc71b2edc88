"""The same work as bench_processors.mjs by Pillow, OpenCV and numpy, on one core: FILE SIZE ROUNDS."""
import io
import json
import math
import random
import resource
import sys
import time

import cv2
import numpy as np
from PIL import Image

path, size, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
jpeg = open(path, "rb").read()
cv2.setNumThreads(1)
mean = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
std = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def decode():
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def normalize(array):
    return (array.astype(np.float32) / np.float32(255) - mean) / std


def per_channel(table_of):
    return lambda image: cv2.merge([table_of(c)[c] for c in cv2.split(image)])


def stretched(channel):
    low, high = int(channel.min()), int(channel.max())
    if high <= low:
        return np.arange(256, dtype=np.uint8)
    scale = 255 / (high - low)
    return (np.arange(256) * scale - low * scale).clip(0, 255).astype(np.uint8)


def equalized(channel):
    counts = cv2.calcHist([channel], [0], None, [256], [0, 256]).ravel()
    step = counts[counts != 0][:-1].sum() // 255
    if step == 0:
        return np.arange(256, dtype=np.uint8)
    sums = np.concatenate(([step // 2], counts[:-1])).cumsum()
    return (sums // step).clip(0, 255).astype(np.uint8)


def warp(matrix_of):
    def run(image):
        height, width = image.shape[:2]
        matrix = matrix_of(random.choice((-1, 1)), width, height)
        return cv2.warpAffine(image, matrix, (width, height), borderValue=(128, 128, 128))

    return run


OPERATIONS = [
    lambda image: image,
    per_channel(stretched),
    lambda image: (np.arange(256, dtype=np.float32) * 1.0).clip(0, 255).astype(np.uint8)[image],
    lambda image: cv2.filter2D(image, -1, np.ones((3, 3), np.float32) / 13) is None or image,
    per_channel(equalized),
    warp(lambda s, w, h: np.float32([[1, s * 0.15, 0], [0, 1, 0]])),
    warp(lambda s, w, h: np.float32([[1, 0, 0], [s * 0.15, 1, 0]])),
    warp(lambda s, w, h: np.float32([[1, 0, s * 5], [0, 1, 0]])),
    warp(lambda s, w, h: np.float32([[1, 0, 0], [0, 1, s * 5]])),
    warp(lambda s, w, h: cv2.getRotationMatrix2D((w / 2, h / 2), s * 15, 1)),
]


def crop_box(width, height):
    while True:
        area = width * height * random.uniform(0.5, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if w <= width and h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h


def evaluate(image):
    return normalize(np.asarray(image.resize((size, size), Image.BICUBIC)))


def train(image):
    image = image.crop(crop_box(*image.size)).resize((size, size), Image.BICUBIC)
    if random.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    array = np.array(image)
    for operation in random.choices(OPERATIONS, k=2):
        if random.random() <= 0.5:
            array = operation(array)
    return normalize(array)


def measure(name, run):
    """Milliseconds by the clock, and of processor time over all threads."""
    for _ in range(10):
        run()
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        run()
    ms = (time.perf_counter() - start) / rounds * 1000
    cpu_ms = (time.process_time() - cpu_start) / rounds * 1000
    print(f"{'Pillow + OpenCV: ' + name:<32}{ms:.2f} ms, {cpu_ms:.2f} ms of processor time")
    return {"ms": ms, "cpuMs": cpu_ms}


pixels = decode()
result = {
    "decode": measure("decode", decode),
    "eval, decoded": measure("eval, decoded", lambda: evaluate(pixels)),
    "train, decoded": measure("train, decoded", lambda: train(pixels)),
    "eval": measure("eval", lambda: evaluate(decode())),
    "train": measure("train", lambda: train(decode())),
    "peakGb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
}
print(json.dumps(result))
