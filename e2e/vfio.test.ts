/**
 * Host devices handed to a real, jailed QEMU, as far as it goes without an IOMMU: it takes the descriptors in their order and
 * asks the kernel to bind the one to the other, which the stand-ins (/dev/zero for a device, /dev/null for /dev/iommu) refuse
 * with ENOTTY. Nothing of it is left then. What lies behind that call was not run: see docs/what-ran-where.md.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { lockRights } from '../src/rootless/jail/locked-memory.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { createVmm } from '../src/vmm/create.ts'
import type { VmSpec } from '../src/vmm/vmm.ts'
import { vmm as underTest } from './harness/vmm.ts'
import { MachineStage } from './machine/stage.ts'

const noQemu = underTest.driver !== 'qemu'
if (noQemu) console.log(`skipped: kata-ts hands no VFIO device to ${underTest.driver} yet`)

const { mayRaise } = lockRights()
if (!mayRaise)
  console.log('skipped: without CAP_SYS_RESOURCE no limit can be raised here, so a refusal is shown instead')

let stage: MachineStage
let device: number
let iommu: number
beforeAll(async () => {
  stage = await MachineStage.open(underTest)
  device = openSync('/dev/zero', 'r+')
  iommu = openSync('/dev/null', 'r+')
})
afterAll(async () => {
  for (const fd of [device, iommu]) closeSync(fd)
  await stage[Symbol.asyncDispose]()
})

const attachment = (id: string) => ({ id, name: '0000:1a:00.0', fd: device, iommu })

/** A machine that is never booted. */
function build(port: 'no-port' | 'root-port', spec: Partial<VmSpec> = {}) {
  const options = stage.options({ memoryMiB: 256, maxMemoryMiB: 512, ...spec })
  return createVmm({
    ...options,
    config: { hypervisor: { ...options.config.hypervisor, hotPlugVfio: port } },
  })
}

const descriptors = (pid: number) => Object.values(readPosture(pid).descriptors)
const lockable = (pid: number) =>
  /^Max locked memory +(\S+) +(\S+)/m
    .exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!
    .slice(1)
    .map(Number)

test.skipIf(noQemu)('from the start: QEMU binds the device’s descriptor to that of the IOMMU', async () => {
  const vmm = await build('no-port', { vfio: [attachment('vfio-a')] })
  // qmp, agent and console are 3 to 5.
  await expect(vmm.start()).rejects.toThrow(
    /error bind device fd=7 to iommufd=6: Inappropriate ioctl for device/,
  )
})

test.skipIf(noQemu)('while it runs: the same, and QEMU is as before, but for the address space', async () => {
  const vmm = await build('no-port')
  const { ref } = await vmm.start()
  try {
    const before = descriptors(ref.pid)
    const plug = () => vmm.passThrough!.plug(attachment('vfio-a'))
    for (let round = 0; round < 6; round++)
      await expect(plug()).rejects.toThrow(/error bind device fd=\d+ to iommufd=\d+: Inappropriate ioctl/)
    const more = descriptors(ref.pid).filter((path) => path === '/dev/null' || path === '/dev/zero').length
    expect(more).toBe(before.filter((path) => path === '/dev/null' || path === '/dev/zero').length + 1)
  } finally {
    await vmm.stop()
  }
})

// The memory of a machine at its largest, and what QEMU maps besides.
const mostMiB = 512 + 256

test.skipIf(noQemu || !mayRaise)('a machine that takes devices may lock all its memory', async () => {
  const vmm = await build('root-port')
  const { ref } = await vmm.start()
  try {
    expect(lockable(ref.pid)).toEqual([mostMiB * 1024 ** 2, mostMiB * 1024 ** 2])
  } finally {
    await vmm.stop()
  }
})

test.skipIf(noQemu || mayRaise)('where that cannot be granted, the start is refused', async () => {
  await expect((await build('root-port')).start()).rejects.toThrow(
    `[JAIL_MEMORY_LOCK] ${underTest.path} needs to lock ${mostMiB} MiB`,
  )
})

test.skipIf(noQemu)('a machine that takes no devices may lock no more than anybody', async () => {
  const vmm = await build('no-port')
  const { ref } = await vmm.start()
  try {
    expect(lockable(ref.pid)).toEqual(lockable(process.pid))
  } finally {
    await vmm.stop()
  }
})
