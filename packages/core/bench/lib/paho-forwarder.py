"""A forwarder as people write it: paho-mqtt, one callback that publishes on. Arguments: the two ports, and the window."""
import sys
import paho.mqtt.client as mqtt

near_port, far_port, window = map(int, sys.argv[1:4])
far = mqtt.Client("far")
far.max_inflight_messages_set(window)
far.max_queued_messages_set(0)
far.connect("127.0.0.1", far_port)
far.loop_start()


def on_connect(client, userdata, flags, code):
    client.subscribe("edge", 1)


def on_message(client, userdata, message):
    far.publish("cloud", message.payload, 1)


near = mqtt.Client("near")
near.on_connect = on_connect
near.on_message = on_message
near.connect("127.0.0.1", near_port)
print("ready", flush=True)
near.loop_forever()
