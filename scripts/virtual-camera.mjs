// node scripts/virtual-camera.mjs COMMAND [ARGUMENTS]: runs a command on a machine with webcams. It boots Debian's
// kernel under qemu (software emulation), where the driver `vivid` plays two webcams (/dev/video0 and /dev/video1;
// /dev/video2 is no camera). The command runs there as root, with this machine's files; what it changes is forgotten.

import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { capture, root } from './steps.mjs';

/** Debian's kernel, unpacked; fetched by `provideKernel()`. */
const kernel = join(root, 'node_modules', '.cache', 'virtual-camera', 'kernel');
/** Emulation is slow, and a machine that hangs says nothing: it is ended after so many seconds. */
const SECONDS = Number(process.env.VIRTUAL_CAMERA_SECONDS ?? 420);
const KEPT_LINES = 20;
const BEGIN = 'virtual-camera: begin';
const END = 'virtual-camera: end ';
/** Two webcams, the second with a device for output beside it, as UVC cameras have one for metadata. */
const VIVID = 'n_devs=2 node_types=0x1,0x101 input_types=0x0,0x0';

/** Whether the kernel is here; the programs are another matter. */
export function hasKernel() {
  return existsSync(join(kernel, 'release'));
}

/** Downloads and unpacks the kernel package that Debian has now, without installing it. */
export async function provideKernel() {
  const { output } = await capture('apt-cache', ['depends', 'linux-image-amd64']);
  const release = /Depends: linux-image-(\S+)/.exec(output)?.[1];
  if (!release) return { code: 1, output: `No package linux-image-amd64: ${output}` };
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-kernel-'));
  try {
    // The user _apt may not write where we may.
    const download = ['-o', 'APT::Sandbox::User=root', 'download', `linux-image-${release}`];
    const downloaded = await capture('apt-get', download, { cwd: folder });
    if (downloaded.code !== 0) return downloaded;
    rmSync(kernel, { recursive: true, force: true });
    mkdirSync(kernel, { recursive: true });
    const [archive] = readdirSync(folder);
    const unpacked = await capture('dpkg-deb', ['--extract', join(folder, archive), kernel]);
    if (unpacked.code !== 0) return unpacked;
    const indexed = await capture('depmod', ['--basedir', kernel, release]);
    if (indexed.code === 0) writeFileSync(join(kernel, 'release'), release);
    return indexed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resolves with the command's exit code; each line that it writes goes to `onLine`. */
async function boot(command, onLine) {
  const release = readFileSync(join(kernel, 'release'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-camera-'));
  try {
    const memoryDisk = await makeMemoryDisk(folder, release, command);
    return await runMachine(join(kernel, 'boot', `vmlinuz-${release}`), memoryDisk, onLine);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the kernel starts with: busybox, the modules, and a script that hands over to the command. */
async function makeMemoryDisk(folder, release, command) {
  const disk = join(folder, 'disk');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'files', 'changes', 'host', 'modules']) {
    mkdirSync(join(disk, name), { recursive: true });
  }
  const { output } = await capture('sh', ['-c', 'command -v busybox']);
  cpSync(output.trim(), join(disk, 'bin', 'busybox'), { dereference: true });
  const modules = await modulesOf(release, ['vivid', 'virtio_pci', '9pnet_virtio', '9p', 'overlay']);
  const load = modules.map((module) => {
    const name = basename(module);
    cpSync(module, join(disk, 'modules', name));
    return `insmod /modules/${name} ${name.startsWith('vivid') ? VIVID : ''}`;
  });
  writeFileSync(join(disk, 'init'), initScript(load, command), { mode: 0o755 });
  const packed = join(folder, 'disk.cpio');
  const pack = `find . | cpio --quiet --create --format=newc > ${packed}`;
  const { code, output: said } = await capture('sh', ['-c', pack], { cwd: disk });
  if (code !== 0) throw new Error(`The memory disk cannot be packed: ${said}`);
  return packed;
}

/** The files of modules and of those that they need, in the order of loading. */
async function modulesOf(release, names) {
  const files = new Set();
  for (const name of names) {
    const options = ['--dirname', kernel, '--set-version', release, '--show-depends', name];
    const { code, output } = await capture('modprobe', options);
    if (code !== 0) throw new Error(`The kernel has no module ${name}: ${output}`);
    for (const [, file] of output.matchAll(/^insmod (\S+)/gm)) files.add(file);
  }
  return [...files];
}

function initScript(load, command) {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
${load.join('\n')}
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 files /files
mount -t tmpfs changes /changes && mkdir /changes/upper /changes/work
mount -t overlay -o lowerdir=/files,upperdir=/changes/upper,workdir=/changes/work host /host
# Whatever the machine around it is, this one is no container.
rm -f /host/.dockerenv /host/run/.containerenv
for folder in dev proc sys; do mount -o bind /$folder /host/$folder; done
ip link set lo up
export PATH='${process.env.PATH}:/usr/sbin' TMPDIR=/tmp HOME=/tmp
echo '${BEGIN}'
chroot /host sh -c "cd '${root}' && exec \\"\\$@\\"" sh ${words} 2>&1
echo "${END}$?"
poweroff -f
`;
}

/** The machine has no disk and no network: it reads our files through qemu. */
function runMachine(vmlinuz, memoryDisk, onLine) {
  const share = 'local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap';
  const machine = ['-accel', 'tcg', '-cpu', 'max', '-smp', '2', '-m', '2048', '-nic', 'none', '-no-reboot'];
  const console = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-virtfs', share];
  // Emulation on a busy machine is too slow for the kernel's check of the timer, which would be a panic.
  const parameters = 'console=ttyS0 quiet panic=-1 no_timer_check';
  const system = ['-kernel', vmlinuz, '-initrd', memoryDisk, '-append', parameters];
  const qemu = spawn('qemu-system-x86_64', [...machine, ...console, ...system], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => qemu.kill('SIGKILL');
  const timer = setTimeout(end, SECONDS * 1000);
  process.once('exit', end);
  const lastLines = [];
  let hasBegun = false;
  let code;
  createInterface({ input: qemu.stdout }).on('line', (line) => {
    const text = line.replace(/\r$/, '');
    if (lastLines.push(text) > KEPT_LINES) lastLines.shift();
    if (text.startsWith(END)) code = Number(text.slice(END.length));
    else if (hasBegun && code === undefined) onLine(text);
    if (text.endsWith(BEGIN)) hasBegun = true;
  });
  return new Promise((resolve, reject) => {
    qemu.once('error', reject);
    qemu.once('close', (_, signal) => {
      clearTimeout(timer);
      process.off('exit', end);
      const fate = signal ? `was ended (${signal}; the limit is ${SECONDS} seconds)` : 'stopped';
      if (code !== undefined) resolve(code);
      else
        reject(new Error(`The machine ${fate} before its command ended. It said:\n${lastLines.join('\n')}`));
    });
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  process.exitCode = await boot(process.argv.slice(2), (line) => console.log(line));
}
