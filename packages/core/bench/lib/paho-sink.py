"""A sink as people write it: paho-mqtt, one callback that opens a file, writes it and syncs it.
Arguments: the port, a folder, how many messages to wait for."""
import json
import os
import sys
import time
import paho.mqtt.client as mqtt

port, folder, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
durations = []
started = None


def on_connect(client, userdata, flags, code):
    client.subscribe("faces", 1)
    if count == 0:
        client.disconnect()


def on_message(client, userdata, message):
    global started
    now = time.perf_counter()
    started = started or now
    with open(os.path.join(folder, f"{len(durations)}.png"), "wb") as file:
        file.write(message.payload)
        file.flush()
        os.fsync(file.fileno())
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
