import { expect, it } from 'vitest';
import { withoutCredentials } from './credentials';

it.each([
  ['Input http://host/a@b and rtsp://u:p@h/1', 'Input http://host/a@b and rtsp://***@h/1'],
  ['rtsp://user:p@ss@host/1', 'rtsp://***@host/1'],
  ['http://10.0.0.5/video?user=anna&pwd=secret&ch=1', 'http://10.0.0.5/video?user=***&pwd=***&ch=1'],
  ['rtsp://h:554/user=admin&password=x1&channel=1.sdp', 'rtsp://h:554/user=***&password=***&channel=1.sdp'],
  ['rtspsrc location=rtsp://h user-pw=secret', 'rtspsrc location=rtsp://h user-pw=***'],
  ['frame=  12 fps=30 size=1kB', 'frame=  12 fps=30 size=1kB'],
  ['endpoint "http://anna:se/c@r/et@host:1/a"', 'endpoint "http://***@host:1/a"'],
  ['http://host:8080/a@b/c', 'http://host:8080/a@b/c'],
  ['http://[::1]:8080/a@b', 'http://[::1]:8080/a@b'],
  ['mqtt://anna:a@g:1/x,mqtt://anna:b/c@h', 'mqtt://***@g:1/x,mqtt://***@h'],
  ['mqtt://anna:***@h, mqtt://anna:secret@h', 'mqtt://anna:***@h, mqtt://***@h'],
])('withoutCredentials: %s', (text, expected) => {
  expect(withoutCredentials(text)).toBe(expected);
});
