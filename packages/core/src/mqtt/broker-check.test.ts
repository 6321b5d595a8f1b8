import { expect, it } from 'vitest';
import { describeWith } from '../../test/requirements';
import { freePort } from '../testing/free-port';
import { startMosquitto } from '../testing/mosquitto';
import { checkBroker } from './broker-check';
import { Subscriber } from './subscriber';

describeWith('mosquitto', 'checkBroker', () => {
  it('tells the limits, and leaves no session behind', async () => {
    const broker = await startMosquitto({
      config: 'max_packet_size 123456\nmax_inflight_messages 7\nsys_interval 1',
    });
    try {
      const { url } = broker;
      const report = await checkBroker({ url });
      expect(report).toMatchObject({
        url,
        protocolVersion: 5,
        maximumPacketSize: 123_456,
        receiveMaximum: 7,
      });
      expect(report.sessionExpirySeconds).toBe(604_800);
      expect(report.skipped).toBeUndefined();
      // A session that stays would be kept for all of the time that was asked for. The broker counts once a second.
      let away = '';
      let seconds = 0;
      const figures = new Subscriber({
        url,
        topic: ['$SYS/broker/uptime', '$SYS/broker/clients/disconnected'],
      });
      for await (const { topic, payload } of figures) {
        if (topic.endsWith('disconnected')) away = Buffer.from(payload).toString();
        else seconds += 1;
        if (seconds === 3) break;
      }
      expect(away).toBe('0');
    } finally {
      await broker.close();
    }
  });

  it('says which of several addresses did not answer, and rejects where none does', async () => {
    const broker = await startMosquitto();
    try {
      const nowhere = `mqtt://127.0.0.1:${await freePort()}`;
      const report = await checkBroker({ url: [nowhere, broker.url], protocolVersion: 4 });
      expect(report).toMatchObject({ url: broker.url, protocolVersion: 4, sessionExpirySeconds: undefined });
      expect(report.skipped?.message).toContain(nowhere);
      await expect(checkBroker({ url: nowhere })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
    } finally {
      await broker.close();
    }
  });
});
