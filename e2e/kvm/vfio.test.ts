// test:vmm: qemu
/**
 * PCI disks of the host, driven by a guest through VFIO and iommufd: what the guest writes by the device's own DMA is there when
 * the host has the device back.
 */
import { afterAll, beforeAll, expect } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { processesOfUid } from '../../src/linux/processes/proc.ts'
import { readPosture } from '../../src/rootless/posture/posture.ts'
import { tool } from '../harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { eventually, Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration } from '../harness/vmm.ts'
import { spareDisks, testWith } from './only.ts'

const limitMs = slow(240_000)
const [nvme = '', virtio = ''] = spareDisks
const needs = ['spare disks', 'kvm', 'qemu'] as const

let kata: Kata
let before: HostState
beforeAll(() => {
  kata = new Kata()
  for (const address of spareDisks) {
    native.set(address, driverOf(address))
    giveToVfio(address)
  }
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  for (const address of spareDisks) giveBack(address)
})

const sysfs = (address: string) => `/sys/bus/pci/devices/${address}`
const giveToVfio = (address: string) => tool(['driverctl', '--nosave', 'set-override', address, 'vfio-pci'])
const driverOf = (address: string) =>
  readlinkSync(`${sysfs(address)}/driver`)
    .split('/')
    .at(-1)!
/** The drivers that the host has for them. */
const native = new Map<string, string>()

/** To the host's own driver: the kernel's probe alone may settle on vfio-pci again, where that was loaded first. */
function giveBack(address: string): void {
  tool(['driverctl', '--nosave', 'unset-override', address])
  const [now, driver] = [driverOf(address), native.get(address)!]
  if (now === driver) return
  writeFileSync(`/sys/bus/pci/drivers/${now}/unbind`, address)
  writeFileSync(`/sys/bus/pci/drivers/${driver}/bind`, address)
}
const nodeOf = (address: string) => `/dev/vfio/devices/${readdirSync(`${sysfs(address)}/vfio-dev`)[0]}`
const groupOf = (address: string) =>
  `/dev/vfio/${readlinkSync(`${sysfs(address)}/iommu_group`)
    .split('/')
    .at(-1)}`

/** The block device that the host's own driver makes of it. */
async function blockDevice(address: string): Promise<string> {
  const isOfIt = (name: string) => realpathSync(`/sys/class/block/${name}`).startsWith(`${home}/`)
  const home = realpathSync(sysfs(address))
  const name = await eventually(`a disk of ${address}`, () => readdirSync('/sys/class/block').find(isOfIt))
  return `/dev/${name}`
}

/** Its first bytes, read by the host, which has it for that moment. */
async function readBack(address: string, bytes: number): Promise<string> {
  giveBack(address)
  const device = await blockDevice(address)
  const text = tool(['dd', `if=${device}`, `bs=${bytes}`, 'count=1', 'iflag=fullblock', 'status=none'])
  giveToVfio(address)
  return text
}

function configurationWith(plug: 'hot' | 'cold', memoryMiB = 512): string {
  const file = `${kata.stateDir}/${plug}-${memoryMiB}.toml`
  const text = shippedConfiguration()
    .replace(new RegExp(`^${plug}_plug_vfio = .*$`, 'm'), `${plug}_plug_vfio = "root-port"`)
    .replace(/^default_memory = .*$/m, `default_memory = ${memoryMiB}`)
    .replace(/^kernel_modules = .*$/m, 'kernel_modules = ["virtio_blk"]')
  writeFileSync(file, text)
  return file
}

async function start(name: string, config: string, devices: readonly string[]) {
  const flags = ['--name', name, '--privileged', '--config', config]
  // Under another name, as with Docker: that lists every device of the host under its own name for a privileged container.
  const passed = devices.flatMap((device, index) => ['--device', `${device}:/dev/passed${index}`])
  return kata.call(['run', '-d', ...flags, ...passed, '--', 'sleep', '3000'])
}

/** Writes to the start of a disk in the machine, past every cache. */
async function write(name: string, disk: string, text: string): Promise<void> {
  const script = `test -b "$2" && printf %s "$1" | dd of="$2" conv=sync,fsync bs=4096 2>&1`
  const { code, stdout } = await kata.call(['exec', name, '--', 'sh', '-c', script, 'sh', text, disk])
  expect({ code, stdout }).toMatchObject({ code: 0 })
}

async function end(name: string): Promise<void> {
  expect(await kata.call(['rm', '-f', name])).toMatchObject({ code: 0 })
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
}

const success = { code: 0, stderr: '' }
const words = () => `written-by-a-guest-${randomBytes(8).toString('hex')}`

testWith(
  needs,
  'plugged in while it runs: the guest drives it, nobody else can have it, and the host finds what was written',
  async () => {
    const node = nodeOf(virtio)
    const config = configurationWith('hot')
    const { code, stderr } = await start('hot', config, [node])
    expect({ code, stderr }).toEqual(success)
    const vmm: number = (await kata.inspect('hot')).sandbox.vmmPid
    const open = Object.values(readPosture(vmm).descriptors)
    expect(open).toContain(node)
    expect(open).toContain('/dev/iommu')
    expect(await kata.call(['audit', 'hot'])).toMatchObject({ code: 0 })
    const { uid, gid, mode } = statSync(node)
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 0, gid: 0, mode: 0o600 })

    for (const plug of ['hot', 'cold'] as const) {
      const second = await start('second', configurationWith(plug), [node])
      expect({ code: second.code, stderr: second.stderr }).toEqual({
        code: 125,
        stderr: expect.stringMatching(/\[DEVICE_IN_USE\] .* sandbox default\/hot has it/),
      })
      await kata.call(['rm', '-f', 'second'])
    }

    const text = words()
    await write('hot', '/dev/vda', text)
    await end('hot')
    expect(await readBack(virtio, text.length)).toBe(text)
  },
  limitMs,
)

testWith(
  needs,
  'two from the start, by group and by device: data goes by their own DMA, with interrupts of their own',
  async () => {
    const { code, stderr } = await start('cold', configurationWith('cold'), [groupOf(nvme), nodeOf(virtio)])
    expect({ code, stderr }).toEqual(success)
    const texts = { nvme: words(), virtio: words() }
    await write('cold', '/dev/nvme0n1', texts.nvme)
    await write('cold', '/dev/vda', texts.virtio)
    const { stdout } = await kata.call(['exec', 'cold', '--', 'cat', '/proc/interrupts'])
    expect(stdout).toMatch(/PCI-MSI.*nvme0q/)
    expect(await kata.call(['audit', 'cold'])).toMatchObject({ code: 0 })
    await end('cold')
    expect(await readBack(nvme, texts.nvme.length)).toBe(texts.nvme)
    expect(await readBack(virtio, texts.virtio.length)).toBe(texts.virtio)
  },
  limitMs,
)

testWith(
  needs,
  'a killed VMM sets it free for the next machine',
  async () => {
    const config = configurationWith('cold')
    expect(await start('killed', config, [nodeOf(nvme)])).toMatchObject(success)
    const { sandbox } = await kata.inspect('killed')
    process.kill(sandbox.vmmPid, 'SIGKILL')
    await eventually('the end of its processes', () => processesOfUid(sandbox.uid).length === 0 || undefined)
    await kata.call(['rm', '-f', 'killed'])
    expect(await start('next', config, [nodeOf(nvme)])).toMatchObject(success)
    await end('next')
  },
  limitMs,
)

testWith(
  needs,
  'three gigabytes of guest memory are pinned, however long that takes: from the start and while it runs',
  async () => {
    for (const plug of ['cold', 'hot'] as const) {
      const { code, stderr } = await start(plug, configurationWith(plug, 3072), [nodeOf(nvme)])
      expect({ plug, code, stderr }).toEqual({ plug, ...success })
      const { stdout } = await kata.call(['exec', plug, '--', 'cat', '/sys/block/nvme0n1/size'])
      expect(Number(stdout)).toBeGreaterThan(0)
      await end(plug)
    }
  },
  2 * limitMs,
)
