"""Native OpenCV for bench/detect.ts: reads a job as JSON from stdin, writes times and boxes as JSON.

The clock runs from decoded colour pixels to boxes in pixels of the full frame, as it does in detect.ts.
"""
import json
import math
import sys
import time

import cv2

job = json.load(sys.stdin)
cv2.setNumThreads(job["threads"])
cascade = cv2.CascadeClassifier(job["cascade"])
pictures = [cv2.imread(path) for path in job["paths"]]


def detect(picture):
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    wanted = job["detectionWidth"]
    if 0 < wanted < width:
        grey = cv2.resize(grey, (wanted, round(height * wanted / width)), interpolation=cv2.INTER_AREA)
    scale_x, scale_y = width / grey.shape[1], height / grey.shape[0]
    boxes = []
    for x, y, w, h in cascade.detectMultiScale(grey, job["scaleFactor"], job["minNeighbors"]):
        left, right = (math.floor(edge * scale_x + 0.5) for edge in (x, x + w))
        top, bottom = (math.floor(edge * scale_y + 0.5) for edge in (y, y + h))
        boxes.append({"x": left, "y": top, "width": right - left, "height": bottom - top})
    return boxes


detect(pictures[0])
started = time.perf_counter()
processor = time.process_time()
found = [detect(picture) for _ in range(job["repeat"]) for picture in pictures]
milliseconds = (time.perf_counter() - started) * 1000
processor_milliseconds = (time.process_time() - processor) * 1000
result = {"version": cv2.__version__, "milliseconds": milliseconds, "boxes": found}
json.dump({**result, "processorMilliseconds": processor_milliseconds}, sys.stdout)
