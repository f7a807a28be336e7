// test:vmm: clh
/**
 * The Cloud Hypervisor driver alone: the real program where there is one, else its double; a real jail and a real guest.
 * What every driver must do: machine/suite.ts. The whole pod suite over it: `npm run test:vmm -- clh`.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connectUnix, listenUnix, socketPair } from '../src/linux/sockets/socket.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { CloudHypervisor } from '../src/vmm/cloud-hypervisor/cloud-hypervisor.ts'
import { clhApi } from '../src/vmm/cloud-hypervisor/settings/dialect.ts'
import { vmConfig } from '../src/vmm/cloud-hypervisor/settings/vm-config.ts'
import { ApiClient } from '../src/vmm/http/api.ts'
import type { DiskAttachment } from '../src/vmm/machine/disk.ts'
import { runContainer } from './agent/container.ts'
import { type Guest, guestShare } from './agent/guest.ts'
import { ownDirectory } from './harness/directories.ts'
import { findVmm } from './harness/vmm.ts'
import { byPoint, systemMounts } from './harness/vmms/jail.ts'
import { serveShare } from './machine/share.ts'
import { bootLimitMs, guestImage, kvmGroup, kvmGroupUsable, MachineStage } from './machine/stage.ts'
import { bootWithAgent, machineSuite } from './machine/suite.ts'

/** Where the guest has what is the pod's own. */
const guestSandbox = '/run/kata-containers/sandbox'
const clh = await findVmm('clh')
machineSuite(clh, { sockets: ['api.sock'] })

const noKvm = kvmGroupUsable ? '' : ' (skipped: it needs /dev/kvm with a group)'
const realOnly = clh.isDouble ? '' : ' (skipped: it is the double that is changed here)'
let stage: MachineStage
beforeEach(async () => {
  stage = await MachineStage.open(clh)
})
afterEach(() => stage[Symbol.asyncDispose]())

describe.skipIf(noKvm !== '')(`a running machine${noKvm}`, () => {
  test(
    'is confined on every thread, sees what it needs, and owns the one socket that it made',
    async () => {
      const machine = await stage.create()
      const { ref } = await machine.start()
      const before = readPosture(ref.pid)
      const agent = await bootWithAgent(machine)
      const { threads, mounts, descriptors, interfaces } = readPosture(ref.pid)
      const { uid } = stage.identity
      for (const thread of threads) {
        expect(thread).toMatchObject({
          uid: Array(4).fill(uid),
          groups: [kvmGroup],
          noNewPrivs: 1,
          seccomp: 2,
        })
        expect(new Set(Object.values(thread.capabilities))).toEqual(new Set(['0'.repeat(16)]))
        // Its own filter beside that of the jail, but on the thread that only waits.
        expect(thread.seccompFilters).toBeGreaterThanOrEqual(thread.tid === ref.pid ? 1 : 2)
      }
      expect(threads.length).toBeGreaterThan(1)
      expect(mounts).toEqual(
        [
          { point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
          { point: '/boot/initrd', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
          { point: '/boot/vmlinux', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
          { point: '/dev/kvm', flags: ['noexec', 'nosuid'] },
          { point: '/dev/urandom', flags: ['noexec', 'nosuid', 'ro'] },
          { point: '/disks', flags: ['noexec', 'nosuid'] },
          { point: '/sockets', flags: ['nodev', 'noexec', 'nosuid'] },
          ...systemMounts(clh.path),
        ].sort(byPoint),
      )
      expect(Object.values(before.descriptors)).toContain('/dev/kvm')
      expect(descriptors[0]).toBe('/dev/null')
      expect(interfaces).toEqual(['lo'])
      expect(lstatSync(`${stage.privateDir}/clh.sock`)).toMatchObject({ uid, gid: uid })
      expect(lstatSync(`${stage.privateDir}/clh.sock`).mode & 0o077).toBe(0)
      agent.close()
      await machine.stop()
      expect(readdirSync(stage.privateDir)).toEqual([])
    },
    bootLimitMs,
  )

  test(
    'refuses what its API does not know, and says why',
    async () => {
      const machine = await stage.create()
      await machine.start()
      const api = await ApiClient.open(connectUnix(`${stage.privateDir}/api.sock`), clhApi)
      expect(await api.get('vm.info')).toMatchObject({ state: 'Created' })
      await expect(api.put('vm.create', { body: {} })).rejects.toThrow('[VMM_COMMAND_FAILED]')
      // Until the boot it only notes what a machine is to have.
      await api.put('vm.add-disk', { body: { no: 1 } })
      const again = { id: 'd', path: '/disks/d', image_type: 'Raw' }
      await api.put('vm.add-disk', { body: again })
      await expect(api.put('vm.add-disk', { body: again })).rejects.toThrow('Identifier d is not unique')
      await expect(api.put('vm.pause')).rejects.toThrow('[VMM_COMMAND_FAILED]')
      await expect(api.put('vm.make-coffee')).rejects.toThrow('[VMM_COMMAND_FAILED]')
      api.close()
      await machine.stop()
    },
    bootLimitMs,
  )
})

describe.skipIf(noKvm !== '')(`devices of a running machine${noKvm}`, () => {
  test(
    'disks come and go by nodes of its own, memory and processors grow',
    async () => {
      await using share = await serveShare(stage)
      const image = `${stage.runDir}/disk.img`
      writeFileSync(image, Buffer.alloc(1 << 20), { mode: 0o600 })
      const options = stage.options({ share: share.attachment, maxVcpus: 2, maxMemoryMiB: 512 })
      const machine = new CloudHypervisor(options)
      const { ref } = await machine.start()
      const agent = await bootWithAgent(machine)
      const storage = {
        driver: 'virtio-fs',
        source: 'kataShared',
        fstype: 'virtiofs',
        mountPoint: guestShare,
      }
      const shm = { driver: 'ephemeral', source: 'shm', fstype: 'tmpfs', mountPoint: `${guestSandbox}/shm` }
      await agent.agent.createSandbox({ sandboxId: 'x', hostname: 'x', storages: [storage, shm] })
      const guest = { agent: agent.agent, share: share.directory } as Guest
      const inGuest = async (id: string, script: string) =>
        (await runContainer(guest, id, { args: ['sh', '-c', script] })).stdout

      const fd = openSync(image, 'r+')
      const disk: DiskAttachment = {
        id: 'd1',
        name: image,
        fd,
        kind: 'file',
        bus: 'virtio-blk',
        readonly: false,
        direct: false,
      }
      const address = await machine.plugDisk(disk)
      const pciPath = address.driver === 'blk' ? address.pciPath : 'scsi'
      closeSync(fd)
      expect(address).toEqual({ driver: 'blk', pciPath })
      // It has the disk open, and there is no name for it any more.
      expect(readdirSync(`/proc/${ref.pid}/root/disks`)).toEqual([])
      const vendor = `cat /sys/bus/pci/devices/0000:00:${pciPath}.0/vendor || echo none`
      expect(await inGuest('there', vendor)).toBe('0x1af4\n')
      await machine.unplugDisk('d1')
      expect(await inGuest('gone', vendor)).toBe('none\n')

      expect(await machine.resize({ vcpus: 2, memoryMiB: 300 })).toEqual({ vcpus: 2, memoryMiB: 384 })
      await agent.agent.onlineCPUMem({ nbCpus: 1, cpuOnly: false, wait: true })
      const states =
        'cat /sys/devices/system/cpu/online; cat /sys/devices/system/memory/memory*/state | wc -l'
      expect(await inGuest('grown', states)).toBe('0-1\n3\n')
      agent.close()
      await machine.stop()
    },
    bootLimitMs,
  )
})

describe.skipIf(noKvm !== '')(`rights${noKvm}`, () => {
  test('without the group of /dev/kvm it does not start, and says so', async () => {
    const identity = { ...stage.identity, groups: [] }
    await expect((await stage.create({ identity })).start()).rejects.toThrow(
      /^\[VMM_EXITED\].*hypervisor interface.*Permission denied/s,
    )
    expect(readdirSync(stage.privateDir)).toEqual([])
  })

  test.skipIf(realOnly !== '')(`a version that is too old is refused by name${realOnly}`, async () => {
    const old = `${stage.programDir}/cloud-hypervisor`
    const bytes = readFileSync(clh.path)
    for (let at = bytes.indexOf('53.0.0'); at >= 0; at = bytes.indexOf('53.0.0', at))
      bytes.write('51.0.0', at)
    writeFileSync(old, bytes, { mode: 0o755 })
    await expect((await stage.create({}, old)).start()).rejects.toThrow(
      `[VMM_TOO_OLD] ${old} is Cloud Hypervisor 51.0.0; kata-ts needs 52.0.0 or later`,
    )
    expect(readdirSync(stage.privateDir)).toEqual([])
  })
})

/** The program alone, without jail: what holds here is its own Landlock. */
describe.skipIf(noKvm !== '')(`the VMM’s own Landlock${noKvm}`, () => {
  let directory: string
  beforeAll(() => {
    directory = ownDirectory('/run/kt-landlock-')
    for (const name of ['disks', 'sockets']) mkdirSync(`${directory}/${name}`)
    for (const name of ['elsewhere', 'disks/named'])
      writeFileSync(`${directory}/${name}`, Buffer.alloc(1 << 20))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  /** What becomes of a disk of this name. */
  async function plugged(name: string, landlock_enable = true): Promise<string> {
    const listener = listenUnix(`${directory}/api.sock`)
    const connection = connectUnix(`${directory}/api.sock`)
    // Its console: the double has a socket there, as the driver gives it.
    const [ours, output] = socketPair()
    const child = Bun.spawn([clh.path, '--api-socket', 'fd=3', '--seccomp', 'true'], {
      stdio: ['ignore', output, output, listener],
    })
    closeSync(listener)
    const api = await ApiClient.open(connection, clhApi)
    try {
      const settings = {
        entropySource: '/dev/urandom',
        hostCpus: 1,
        hostMemoryMiB: 256,
        enableMemPrealloc: false,
        reclaimGuestFreedMemory: false,
      }
      const config = vmConfig(stage.options().spec, settings)
      const payload = { ...config.payload, kernel: guestImage.kernel, initramfs: guestImage.initrd }
      const vsock = { cid: 3, socket: `${directory}/sockets/vsock` }
      const landlock_rules = [{ path: `${directory}/disks`, access: 'rw' }]
      const body = { ...config, payload, vsock, landlock_enable, landlock_rules }
      await api.put('vm.create', { body })
      await api.put('vm.boot', { timeoutMs: bootLimitMs })
      const disk = { id: 'x', path: `${directory}/${name}`, readonly: true, image_type: 'Raw' }
      return await api.put('vm.add-disk', { body: disk }).then(
        () => 'plugged',
        (error) => String(error),
      )
    } finally {
      await api.put('vmm.shutdown').catch(() => {})
      api.close()
      child.kill('SIGKILL')
      await child.exited
      closeSync(output)
      closeSync(ours)
      for (const name of ['api.sock', 'sockets/vsock']) rmSync(`${directory}/${name}`, { force: true })
    }
  }

  test(
    'keeps it from a file that its configuration does not name; without it the same succeeds',
    async () => {
      expect(await plugged('elsewhere')).toMatch(/VMM_COMMAND_FAILED.*Permission denied/s)
      expect(await plugged('disks/named')).toBe('plugged')
      expect(await plugged('elsewhere', false)).toBe('plugged')
    },
    bootLimitMs,
  )
})
