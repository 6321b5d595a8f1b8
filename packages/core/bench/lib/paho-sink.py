"""A sink as people write it: paho-mqtt, one callback that opens a file, writes it and syncs it.
Arguments: the port, a folder, how many messages to measure, how many before those."""
import json
import os
import sys
import time
import paho.mqtt.client as mqtt

port, folder, count, warm_up = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
durations = []
stored = 0
started = time.perf_counter()


def on_connect(client, userdata, flags, code):
    client.subscribe("faces", 1)
    if count == 0:
        client.disconnect()


def on_message(client, userdata, message):
    global started, stored
    now = time.perf_counter()
    with open(os.path.join(folder, f"{stored}.png"), "wb") as file:
        file.write(message.payload)
        file.flush()
        os.fsync(file.fileno())
    stored += 1
    if stored <= warm_up:
        started = time.perf_counter()
        return
    durations.append(time.perf_counter() - now)
    if len(durations) == count:
        seconds = time.perf_counter() - started
        durations.sort()
        p99 = durations[int(count * 0.99) - 1] * 1000
        print(json.dumps({"objectsPerSecond": round(count / seconds), "p99Milliseconds": round(p99, 1)}), flush=True)
        client.disconnect()


client = mqtt.Client("sink", clean_session=False)
client.on_connect = on_connect
client.on_message = on_message
client.connect("127.0.0.1", port)
client.loop_forever()
