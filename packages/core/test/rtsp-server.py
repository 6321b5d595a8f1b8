"""An RTSP server on a free port of the loopback. Each frame holds its number in 24 blocks of pixels.

Prints the port as a line once it listens, and each frame's number with its wall clock time in milliseconds.
Lines on standard input steer it: `stall` and `resume`; it ends when standard input does.
"""
import json
import sys
import threading
import time

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

settings = json.loads(sys.argv[1])
WIDTH, HEIGHT, RATE = settings['width'], settings['height'], settings['framesPerSecond']
BLOCK = settings['block']
COLUMNS = WIDTH // BLOCK

Gst.init(None)
running = threading.Event()
running.set()


def say(text):
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


def picture(number):
    """A grey frame; bit i of the number is the block i, white or black."""
    rows = bytearray(b'\x80' * (WIDTH * HEIGHT))
    for bit in range(24):
        left, top = (bit % COLUMNS) * BLOCK, (bit // COLUMNS) * BLOCK
        value = b'\xeb' if number >> bit & 1 else b'\x10'
        for row in range(top, top + BLOCK):
            start = row * WIDTH + left
            rows[start : start + BLOCK] = value * BLOCK
    return bytes(rows) + b'\x80' * (WIDTH * HEIGHT // 2)


class Camera:
    """What a client that connects is shown: frames at their time, from 0."""

    def __init__(self, source):
        self.source = source
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        started = time.monotonic()
        number = 0
        while True:
            running.wait()
            wait = started + number / RATE - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            data = picture(number)
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = number * Gst.SECOND // RATE
            buffer.duration = Gst.SECOND // RATE
            at = time.time() * 1000
            if self.source.emit('push-buffer', buffer) != Gst.FlowReturn.OK:
                return
            say(f'frame {number} {at:.1f}')
            number += 1


class Factory(GstRtspServer.RTSPMediaFactory):
    def do_create_element(self, url):
        caps = f'video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={RATE}/1'
        encoders = {
            'h264': f'x264enc tune=zerolatency speed-preset=ultrafast key-int-max={RATE} bitrate=4000 ! rtph264pay name=pay0 pt=96',
            'h264-b': f'x264enc bframes=2 b-adapt=false rc-lookahead=4 sync-lookahead=0 speed-preset=ultrafast key-int-max={RATE} bitrate=4000 ! rtph264pay name=pay0 pt=96',
            'mjpeg': 'jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26',
        }
        return Gst.parse_launch(
            f'( appsrc name=source is-live=true format=time caps={caps} ! {encoders[settings["codec"]]} )'
        )

    def do_configure(self, media):
        # Its own buffer would make every frame late by 200 ms.
        media.set_latency(0)
        Camera(media.get_element().get_child_by_name('source'))


server = GstRtspServer.RTSPServer()
server.set_address('127.0.0.1')
server.set_service(str(settings.get('port', 0)))
factory = Factory()
if settings.get('user'):
    auth = GstRtspServer.RTSPAuth()
    if settings.get('digest'):
        gi.require_version('GstRtsp', '1.0')
        from gi.repository import GstRtsp  # noqa: E402

        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', 'viewer')
    if settings.get('digest'):
        auth.add_digest(settings['user'], settings['password'], token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(settings['user'], settings['password']), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role('viewer', 'media.factory.access', True)
    permissions.add_permission_for_role('viewer', 'media.factory.construct', True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory('/live', factory)
if server.attach(None) == 0:
    sys.exit(f'The port {settings.get("port", 0)} is taken.')

say(f'port {server.get_bound_port()}')
loop = GLib.MainLoop()


def listen():
    for line in sys.stdin:
        running.clear() if line.strip() == 'stall' else running.set()
    loop.quit()


threading.Thread(target=listen, daemon=True).start()
loop.run()
