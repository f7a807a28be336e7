/** The VMM driver alone: real QEMU, real jail, real guest; no agent protocol and no sandbox around it. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connectAgent } from '../src/agent/connection.ts'
import { requireImage } from '../src/config/guest-image.ts'
import { fullSeccompSandbox } from '../src/config/keys.ts'
import { describeError } from '../src/errors.ts'
import { Ledger } from '../src/ledger/ledger.ts'
import { processResource } from '../src/ledger/process-resource.ts'
import { isAlive, processRef, readStatus } from '../src/linux/proc.ts'
import { connectUnix } from '../src/linux/socket.ts'
import { silentLogger } from '../src/log.ts'
import { takeIdentity } from '../src/rootless/identity.ts'
import { rootlessKinds } from '../src/rootless/kinds.ts'
import type { Identity } from '../src/rootless/launch-spec.ts'
import { makePrivateDir } from '../src/rootless/private-dir.ts'
import { vmEndError } from '../src/vmm/end-error.ts'
import { probeKvm } from '../src/vmm/qemu/kvm-probe.ts'
import { createQemu, type QemuOptions } from '../src/vmm/qemu/qemu.ts'
import type { VmSpec } from '../src/vmm/vmm.ts'

const image = requireImage()
const bootLimitMs = 60_000
const kvmNode = statSync('/dev/kvm', { throwIfNoEntry: false })
const kvmGroupUsable = kvmNode !== undefined && kvmNode.gid !== 0

let runDir: string
let ledger: Ledger
let identity: Identity
let privateDir: string
let opened: ReturnType<typeof Promise.withResolvers<void>>

beforeEach(async () => {
  runDir = mkdtempSync('/run/kata-ts-vmm-')
  mkdirSync(`${runDir}/state`, { mode: 0o700 })
  ledger = new Ledger(`${runDir}/ledger`, [...rootlessKinds, processResource] as never, silentLogger)
  const options = {
    runDir,
    range: { base: 1_879_048_192, blocks: 64 },
    sandbox: 'test/vmm',
    account: 'none',
  } as const
  const accelerator = kvmGroupUsable ? 'auto' : 'tcg'
  const taken = await takeIdentity(
    ledger,
    { ...options, owner: processRef(process.pid)!, accelerator },
    silentLogger,
  )
  identity = taken.identity
  privateDir = await makePrivateDir(ledger, taken.lease)
  opened = Promise.withResolvers<void>()
})
afterEach(async () => {
  await ledger.releaseAll()
  rmSync(runDir, { recursive: true })
})

function options(more: Partial<VmSpec> = {}, path = '/usr/bin/qemu-system-x86_64'): QemuOptions {
  const spec: VmSpec = {
    ...{ sandboxId: 'vmm-test', identity, privateDir, stateDir: `${runDir}/state` },
    ...{ kernel: image.kernel, initrd: image.initrd, kernelParams: [], accelerator: 'tcg' },
    ...{ vcpus: 1, maxVcpus: 0, memoryMiB: 256, maxMemoryMiB: 0 },
    ...more,
  }
  const hypervisor = {
    ...{ path, machineType: 'q35', cpuFeatures: '', pcieRootPort: 2, memorySlots: 4 },
    ...{ seccompSandbox: fullSeccompSandbox, entropySource: '/dev/urandom' },
  } as QemuOptions['config']['hypervisor']
  const onEvent: QemuOptions['onEvent'] = (name, data) => {
    if (name === 'VSERPORT_CHANGE' && data.open === true) opened.resolve()
  }
  return { spec, config: { hypervisor }, ledger, log: silentLogger, onEvent }
}

describe('a guest', () => {
  test(
    'comes up in a confined VMM, pauses, resumes and leaves nothing',
    async () => {
      const vmm = createQemu(options())
      const { ref } = await vmm.start()
      expect(readdirSync(privateDir).sort()).toEqual(['agent.sock', 'console.sock', 'pid', 'qmp.sock'])
      expect(readFileSync(`${privateDir}/pid`, 'utf8')).toBe(`${ref.pid}\n`)
      expect(statSync(`${privateDir}/agent.sock`)).toMatchObject({ uid: 0, gid: 0, mode: 0o140600 })
      expect(readStatus(`/proc/${ref.pid}/status`)?.get('Uid')).toBe(Array(4).fill(identity.uid).join('\t'))
      await vmm.boot()
      await opened.promise
      await vmm.pause()
      await vmm.resume()
      await vmm.stop()
      expect(isAlive(ref)).toBe(false)
      expect(ledger.dataOf(processResource)).toEqual([])
      expect(readdirSync(privateDir)).toEqual([])
      expect((await vmm.ended).reason).toBe('exited')
    },
    bootLimitMs,
  )

  test(
    'that panics is reported with what its console said',
    async () => {
      const initrd = `${runDir}/corrupt`
      writeFileSync(initrd, Buffer.concat([Buffer.from('070701'), Buffer.alloc(4096, 'x')]))
      const vmm = createQemu(options({ initrd }))
      await vmm.start()
      await vmm.boot()
      const end = await vmm.ended
      expect(end.reason).toBe('guest-panicked')
      expect(vmEndError(end, 'vmm-test', '/usr/bin/qemu-system-x86_64').message).toContain(
        'Unable to mount root fs',
      )
      await vmm.stop()
    },
    bootLimitMs,
  )
})

test(
  'a share plugged into the running machine can be mounted and written',
  async () => {
    const shared = `${runDir}/shared`
    mkdirSync(shared)
    const socket = `${runDir}/vfs.sock`
    const daemon = Bun.spawn(
      ['/usr/libexec/virtiofsd', '--socket-path', socket, '--shared-dir', shared, '--sandbox', 'namespace'],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    )
    try {
      const vmm = createQemu(options())
      await vmm.start()
      const connection = await connectAgent(vmm.agent, { log: silentLogger })
      await vmm.boot()
      await connection.waitReady({ timeoutMs: bootLimitMs })
      // The daemon had the whole boot to bind its socket.
      const connected = connectUnix(socket)
      await vmm.plugShare({ tag: 'kataShared', socket: connected, queueSize: 1024 })
      closeSync(connected)
      const mountPoint = '/run/kata-containers/shared/containers'
      const storage = { driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', mountPoint }
      await connection.agent.createSandbox({
        sandboxId: 'vmm-test',
        hostname: 'vmm-test',
        storages: [storage],
      })
      const data = Buffer.from('from the guest')
      await connection.agent.copyFile({
        path: `${mountPoint}/hello`,
        fileSize: BigInt(data.length),
        fileMode: 0o100644,
        data,
      })
      expect(readFileSync(`${shared}/hello`, 'utf8')).toBe('from the guest')
      connection.close()
      await vmm.stop()
    } finally {
      daemon.kill('SIGKILL')
      await daemon.exited
    }
  },
  bootLimitMs,
)

describe('a VMM', () => {
  test('whose start is given up leaves nothing', async () => {
    const abort = new AbortController()
    const starting = createQemu({ ...options(), signal: abort.signal }).start()
    setTimeout(() => abort.abort(new Error('given up')), 20)
    await expect(starting).rejects.toThrow('given up')
    expect(ledger.dataOf(processResource)).toEqual([])
    expect(readdirSync(privateDir)).toEqual([])
  })

  test('that is killed is noticed', async () => {
    const vmm = createQemu(options())
    const { ref } = await vmm.start()
    process.kill(ref.pid, 'SIGKILL')
    expect(await vmm.ended).toMatchObject({ reason: 'exited', exit: { signal: 'SIGKILL' } })
    expect(vmm.boot()).rejects.toThrow('[VMM_DISCONNECTED]')
    await vmm.stop()
  })

  test('that refuses its arguments says why', async () => {
    const vmm = createQemu(options({ memoryMiB: 1 << 30, maxMemoryMiB: 1 << 30 }))
    await expect(vmm.start()).rejects.toThrow(/^\[VMM_EXITED\].*(memory|memfd|size)/is)
    expect(ledger.dataOf(processResource)).toEqual([])
    expect(readdirSync(privateDir)).toEqual([])
  })

  test.each([
    ['is missing', '/usr/bin/qemu-of-tomorrow', '[VMM_MISSING]'],
    ['is another program', '/usr/bin/true', '[VMM_EXITED]'],
  ])('that %s is refused', async (_, path, code) => {
    await expect(createQemu(options({}, path)).start()).rejects.toThrow(code)
    expect(readdirSync(privateDir)).toEqual([])
  })

  test('whose socket is taken is not started', async () => {
    writeFileSync(`${privateDir}/agent.sock`, '')
    await expect(createQemu(options()).start()).rejects.toThrow(/EADDRINUSE/)
  })
})

describe.skipIf(!kvmGroupUsable)('with KVM', () => {
  test('the unprivileged VMM opens the device by its group and creates the machine', async () => {
    // A model that every KVM can make: `host` needs registers that a software KVM may not have.
    const vmm = createQemu(options({ accelerator: 'kvm', kvmCpu: 'qemu64' }))
    const { ref } = await vmm.start()
    const targets = readdirSync(`/proc/${ref.pid}/fd`).map((fd) => readlinkSync(`/proc/${ref.pid}/fd/${fd}`))
    expect(targets).toContain('anon_inode:kvm-vm')
    expect(readStatus(`/proc/${ref.pid}/status`)?.get('Groups')).toBe(`${kvmNode!.gid}`)
    await vmm.stop()
  })

  test(
    'a probe ends with a reason and leaves nothing, whatever this host can do',
    async () => {
      const unmade = (error: unknown) => ({ works: false, reason: describeError(error) })
      const outcome = await probeKvm(options()).catch(unmade)
      expect(outcome.reason).toMatch(outcome.works ? /booted/ : /no guest came up|the guest ended|VMM_/)
      expect(ledger.dataOf(processResource)).toEqual([])
      expect(readdirSync(privateDir)).toEqual([])
    },
    bootLimitMs,
  )
})
