"""The capture loop of the homework: OpenCV reads and makes a grey picture of each frame.

Arguments: URL and number of frames. Prints JSON: each frame's number and when it was there, and the processor time.
"""
import json
import resource
import sys
import time

import cv2

url, count = sys.argv[1], int(sys.argv[2])
BITS, BLOCK, WARM_UP = 12, 64, 30
cv2.setNumThreads(1)
capture = cv2.VideoCapture(url)
seen = []
begin = None
while len(seen) < count:
    is_read, frame = capture.read()
    if not is_read:
        break
    at = time.time() * 1000
    if begin is None and len(seen) == WARM_UP:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        begin = (time.time(), usage.ru_utime + usage.ru_stime)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    number = sum(1 << bit for bit in range(BITS) if grey[BLOCK // 2, bit * BLOCK + BLOCK // 2] > 128)
    seen.append({'number': number, 'at': at})
usage = resource.getrusage(resource.RUSAGE_SELF)
seconds, processor = time.time() - begin[0], usage.ru_utime + usage.ru_stime - begin[1]
print(json.dumps({'seen': seen, 'processorPercent': processor / seconds * 100, 'version': cv2.__version__}))
