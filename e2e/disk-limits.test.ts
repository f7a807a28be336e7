// test:vmm: every VMM
/** A disk with a rate limit: what the guest writes in a time is no more than the bucket's arithmetic allows, and without one it is faster. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SpecDevice } from '../src/oci/defaults/default-spec.ts'
import { finish, Pod } from './devices/pod.ts'
import { LoopDevice } from './harness/host/disks.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

const [block, blocks] = [64 * 1024, 48]
const written = block * blocks
const bytesPerSecond = 250_000
/** What goes through at once: QEMU lets a tenth of a second's worth, the others a second's, and all the whole request that goes beyond it. */
const bucket = bytesPerSecond / (vmm.driver === 'qemu' ? 10 : 1) + block
/** What goes through in so many milliseconds. */
const allowed = (ms: number) => bucket + (bytesPerSecond * ms) / 1000

let disk: LoopDevice

beforeAll(() => {
  disk = new LoopDevice(8)
})
afterAll(() => disk[Symbol.dispose]())

const device = (): SpecDevice => ({
  what: 'block',
  destination: '/dev/xvda',
  readonly: false,
  ...disk.numbers,
})

/** Milliseconds that it takes until everything is on the disk. */
async function write(pod: Pod): Promise<number> {
  // Past the guest's cache, which makes one request of many writes.
  const script = `busybox dd if=/dev/zero of=/dev/xvda bs=${block} count=${blocks} oflag=direct 2>&1`
  const container = await pod.create(script, { devices: [device()] })
  const started = performance.now()
  const { status, stdout } = await finish(container)
  const ms = performance.now() - started
  expect({ status, stdout }).toEqual({
    status: 0,
    stdout: expect.stringContaining(`${blocks}+0 records out`),
  })
  await container.remove()
  return ms
}

/** Writes to a disk of a pod of its own; then writes to it once more, and returns the time of the first. */
async function writeIn(hypervisor: Parameters<typeof Pod.start>[0]): Promise<number> {
  await using pod = await Pod.start(hypervisor)
  const ms = await write(pod)
  // A limit goes with its disk, and comes again with the next.
  const { stdout } = await pod.run('printf again >/dev/xvda; sync; echo done', { devices: [device()] })
  expect(stdout).toBe('done\n')
  expect(disk.read().toString('latin1', 0, 5)).toBe('again')
  return ms
}

const buses = (['virtio-blk', 'virtio-scsi'] as const).filter(
  (bus) => vmm.driver === 'qemu' || bus === 'virtio-blk',
)

test.each(buses)(
  'a guest writes to a limited %s no faster than it may, and faster to one that is not',
  async (blockDeviceDriver) => {
    const limited = await writeIn({ blockDeviceDriver, diskRateLimiterBwMaxRate: 8 * bytesPerSecond })
    expect(allowed(limited)).toBeGreaterThanOrEqual(written)
    expect(await writeIn({ blockDeviceDriver })).toBeLessThan(limited)
  },
  slow(120_000),
)
