// test:vmm: qemu
/** Disks by the VMM driver alone: refused half-way, plugged and unplugged under a running guest. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { type AgentConnection, connectAgent } from '../src/agent/connection.ts'
import { builtInConfig } from '../src/config/load.ts'
import { requireImage } from '../src/guest-image/guest-image.ts'
import { Ledger } from '../src/ledger/ledger.ts'
import { processResource } from '../src/ledger/process-resource.ts'
import { processRef } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { takeIdentity } from '../src/rootless/identity/identity.ts'
import { makePrivateDir } from '../src/rootless/identity/private-dir.ts'
import { rootlessKinds } from '../src/rootless/kinds.ts'
import { differs } from '../src/rootless/posture/posture-check.ts'
import { auditRecords } from '../src/sandbox/records/audit.ts'
import { createVmm } from '../src/vmm/create.ts'
import type { DiskAttachment } from '../src/vmm/machine/disk.ts'
import type { Vmm } from '../src/vmm/vmm.ts'
import { accelerator } from './harness/accelerator.ts'
import { ownDirectory } from './harness/directories.ts'
import { heldOpen, LoopDevice, readFromExt4 } from './harness/host/disks.ts'
import { slow } from './harness/time.ts'

const image = requireImage()
const bootMs = slow(60_000)
/** Below it the agent copies files to. */
const mountPoint = '/run/kata-containers/shared/containers'
let runDir: string
let ledger: Ledger
let vmm: Vmm
let pid: number
let agent: AgentConnection
let formatted: LoopDevice
let hot: LoopDevice

beforeAll(async () => {
  runDir = ownDirectory('/run/kata-ts-disks-')
  mkdirSync(`${runDir}/state`, { mode: 0o700 })
  ledger = new Ledger(`${runDir}/ledger`, [...rootlessKinds, processResource] as never, silentLogger)
  const { identity, lease } = await takeIdentity(
    ledger,
    {
      runDir,
      range: { base: 1_879_048_192, blocks: 64 },
      sandbox: 'test/disks',
      account: 'none',
      owner: processRef(process.pid)!,
      accelerator,
    },
    silentLogger,
  )
  formatted = new LoopDevice(16, { ext4: true })
  hot = new LoopDevice(16)
  vmm = await createVmm({
    spec: {
      sandboxId: 'disks',
      identity,
      privateDir: await makePrivateDir(ledger, lease),
      stateDir: `${runDir}/state`,
      kernel: image.kernel,
      initrd: image.initrd,
      kernelParams: [],
      accelerator,
      vcpus: 1,
      maxVcpus: 1,
      memoryMiB: 256,
      maxMemoryMiB: 0,
    },
    config: { hypervisor: builtInConfig().hypervisor },
    ledger,
    log: silentLogger,
  })
  pid = (await vmm.start()).ref.pid
  agent = await connectAgent(vmm.agent, { log: silentLogger })
  await vmm.boot()
  await agent.waitReady({ timeoutMs: bootMs })
}, bootMs)
afterAll(async () => {
  agent?.close()
  await vmm?.stop()
  await ledger.releaseAll()
  for (const loop of [formatted, hot]) loop?.[Symbol.dispose]()
  rmSync(runDir, { recursive: true })
})

function disk(id: string, fd: number, more: Partial<DiskAttachment> = {}): DiskAttachment {
  return {
    id,
    name: `disk ${id}`,
    fd,
    kind: 'block',
    readonly: false,
    direct: false,
    bus: 'virtio-blk',
    ...more,
  }
}

/** What an audit finds: the VMM has what it was given, and nothing else. */
async function nothingDiffers() {
  const audited = await auditRecords(`${runDir}/state`)
  expect(audited.map(({ name, rows }) => [name, rows.filter(differs)])).toEqual([
    ['vmm', []],
    ['vmm-waiter', []],
  ])
}

/** Plugs it in, and closes our copy of its descriptor. */
async function plug(id: string, path: string, flags: 'r' | 'r+', more: Partial<DiskAttachment> = {}) {
  const fd = openSync(path, flags)
  try {
    return await vmm.plugDisk(disk(id, fd, more))
  } finally {
    closeSync(fd)
  }
}

test('disks are known by their places, and those of the guest, which mounts one and writes it', async () => {
  expect(await plug('ext4', formatted.path, 'r+')).toEqual({ driver: 'blk', pciPath: '0f/00' })
  const scsi = { kind: 'file', bus: 'virtio-scsi', readonly: true } as const
  expect(await plug('image', formatted.file, 'r', scsi)).toEqual({ driver: 'scsi', address: '0:0' })
  await nothingDiffers()
  const storage = { driver: 'blk', source: '0f/00', fstype: 'ext4', options: [], mountPoint }
  await agent.agent.createSandbox({ sandboxId: 'disks', hostname: 'disks', storages: [storage] })
  const data = Buffer.from('written by the guest')
  const file = { path: `${mountPoint}/hello`, fileSize: BigInt(data.length), fileMode: 0o100644, data }
  await agent.agent.copyFile(file)
})

test.each(['virtio-blk', 'virtio-scsi'] as const)('%s comes and goes, and comes again', async (bus) => {
  for (let round = 0; round < 2; round++) {
    await plug('hot', hot.path, 'r+', { bus })
    expect(heldOpen(pid, hot.path)).not.toEqual([])
    await nothingDiffers()
    await expect(vmm.plugDisk(disk('hot', 0, { bus }))).rejects.toThrow('[VMM_OPTION_INVALID]')
    await nothingDiffers()
    await vmm.unplugDisk('hot')
    await vmm.unplugDisk('hot')
    expect(heldOpen(pid, hot.path)).toEqual([])
  }
})

test.each(['virtio-blk', 'virtio-scsi'] as const)(
  '%s that QEMU refuses leaves nothing in it',
  async (bus) => {
    const fd = openSync(hot.path, 'r')
    try {
      // It asks to write, which this descriptor cannot: the set has none that could.
      await expect(vmm.plugDisk(disk('hot', fd, { bus }))).rejects.toThrow(
        /^\[VMM_COMMAND_FAILED\].*blockdev-add/,
      )
      expect(heldOpen(pid, hot.path)).toEqual([])
      // Place and name are free again.
      await vmm.plugDisk(disk('hot', fd, { bus, readonly: true }))
    } finally {
      closeSync(fd)
    }
    const access = heldOpen(pid, hot.path).map(accessMode)
    expect(new Set(access)).toEqual(new Set([0]))
    await vmm.unplugDisk('hot')
    expect(heldOpen(pid, hot.path)).toEqual([])
  },
)

test('the host finds on the disk what the guest wrote', async () => {
  await agent.agent.destroySandbox({})
  await vmm.stop()
  expect(readFromExt4(formatted, '/hello')).toBe('written by the guest')
})

/** O_ACCMODE of the VMM's descriptor. */
function accessMode(fdinfo: string): number {
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(fdinfo, 'utf8'))![1]!
  return Number.parseInt(flags, 8) & 3
}
