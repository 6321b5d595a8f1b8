import type { AuditReport, CameraAudit, Finding } from 'edge-relay';
import { counted } from 'edge-relay-command-line';
import { duration, megabytes, table } from './table';

/** An audit as people read it. */
export function auditText(report: AuditReport): string {
  const { cameras, location, rows } = report;
  const parts = [
    `${location}: ${counted(rows, 'row')} in the manifest, ${counted(cameras.length, 'camera')}\n`,
    table(
      [
        'camera',
        'pictures',
        'size',
        'conflicts',
        'rejected',
        'forgotten',
        'removed',
        'dropped',
        'missing',
        'first',
        'last',
      ],
      cameras.map((camera) => [
        camera.camera,
        camera.stored,
        megabytes(camera.bytes),
        camera.conflicts,
        camera.rejected,
        camera.forgotten,
        camera.removed,
        camera.dropped,
        camera.missing,
        camera.first ?? '-',
        camera.last ?? '-',
      ]),
    ),
    latencies(cameras),
    ...cameras.map(clock),
    ...cameras.map(missingNumbers),
    finding('Objects that are missing', report.missingObjects),
    finding(
      `Objects of another ${report.verified ? 'content' : 'size'} than was stored`,
      report.damagedObjects,
    ),
    report.unlistedObjects ? finding('Objects without a row in the manifest', report.unlistedObjects) : '',
    report.damagedRows > 0 ? `Damaged lines of the manifest: ${report.damagedRows}\n` : '',
    verdict(report),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function latencies(cameras: readonly CameraAudit[]): string {
  const rows = cameras.flatMap(({ camera, hops, total }) => {
    const line = (name: string, { p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) => [
      camera,
      name,
      duration(p50Ms),
      duration(p99Ms),
    ];
    const lines = hops.map((hop) => line(`${hop.from} to ${hop.to}`, hop));
    return total ? [...lines, line('frame to object', total)] : lines;
  });
  return rows.length === 0 ? '' : table(['camera', 'hop', 'p50', 'p99'], rows);
}

function clock({ camera, clock: difference }: CameraAudit): string {
  if (!difference) return '';
  const { cloudAheadMs: ahead, uncertaintyMs, movedMs } = difference;
  if (movedMs > 0) {
    return `${camera}: the edge's and the cloud's clock moved against each other by ${duration(movedMs)} or more: look at a shorter time (--since).\n`;
  }
  const by = `${ahead > 0 ? 'ahead of' : 'behind'} the edge's by ${duration(Math.abs(ahead))}`;
  if (uncertaintyMs !== undefined) {
    return `${camera}: the cloud's clock is ${by}, give or take ${duration(uncertaintyMs)}; that is corrected above.\n`;
  }
  return ahead === 0 ? '' : `${camera}: the cloud's clock is ${by} or more; that is corrected above.\n`;
}

function missingNumbers({ camera, missingNumbers: missing }: CameraAudit): string {
  return missing.map(({ boot, numbers }) => `${camera}, run ${boot}: missing ${numbers}\n`).join('');
}

function finding(title: string, { count, keys }: Finding): string {
  if (count === 0) return '';
  const more = count > keys.length ? [`and ${count - keys.length} more`] : [];
  return `${title}: ${count}\n${[...keys, ...more].map((key) => `  ${key}\n`).join('')}`;
}

function verdict({ complete, verified, rows, missingObjects, damagedObjects, cameras }: AuditReport): string {
  const numbers = cameras.reduce((sum, { missing }) => sum + missing, 0);
  if (rows === 0) return 'There is no manifest here, or it is empty.\n';
  if (complete) {
    return verified ? 'Nothing is missing, and every byte is as it was stored.\n' : 'Nothing is missing.\n';
  }
  return `Not complete: ${counted(numbers, 'number')} and ${counted(missingObjects.count, 'object')} missing, ${counted(damagedObjects.count, 'object')} damaged.\n`;
}
