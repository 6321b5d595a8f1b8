"""The homework's loop for bench/video.ts: every frame of a video, every face of it a PNG. Writes figures as JSON.

python3 homework.py VIDEO CASCADE [FRAMES]
"""
import json
import sys
import time

import cv2

path, cascade_path = sys.argv[1:3]
limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
cascade = cv2.CascadeClassifier(cascade_path)
video = cv2.VideoCapture(path)
frames = faces = size = 0
started = time.perf_counter()
processor = time.process_time()
while limit is None or frames < limit:
    ok, frame = video.read()
    if not ok:
        break
    frames += 1
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    for x, y, w, h in cascade.detectMultiScale(grey, 1.3, 5):
        ok, png = cv2.imencode(".png", grey[y : y + h, x : x + w])
        faces += 1
        size += len(png)
milliseconds = (time.perf_counter() - started) * 1000
processor_milliseconds = (time.process_time() - processor) * 1000
result = {"version": cv2.__version__, "frames": frames, "faces": faces, "bytes": size}
json.dump({**result, "milliseconds": milliseconds, "processorMilliseconds": processor_milliseconds}, sys.stdout)
