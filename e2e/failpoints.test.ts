// test:vmm: every VMM
/**
 * A fault at every moment at which a sandbox takes or releases something: an error, SIGKILL of the process at work, and
 * an operation that never ends. Afterwards the host is as before, by the shim's own teardown, by its `delete` action, or
 * by `kata-ts gc`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { TestNetns } from '../src/network/testing.ts'
import { resourceKinds } from '../src/sandbox/end/resource-kinds.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { HugePages } from './harness/host/huge-pages.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable, vmm } from './harness/vmm.ts'

/** Kinds that a plain container in a VM does not take, with the test that shows their release. */
const elsewhere: Readonly<Record<string, string>> = {
  owner: 'the shim itself: e2e/leftovers.test.ts kills it',
  tree: 'only with rootless off: below',
  disk: 'a container with a device: below',
  'host-rules': 'a container with a network of its own: below',
  'network-member': 'a container on a network that others share: below',
  'embedded-dns': 'a network of Docker’s: e2e/container-network.test.ts shows its release, without faults',
  'huge-pages': 'a machine that is promised huge pages: below',
  'direct-volume': 'a volume with a note: e2e/devices.test.ts',
  'emptydir-disk': 'a pod of Kubernetes: e2e/world/empty-dir-disk.test.ts',
  'poststop-hooks': 'a client with hooks: e2e/hook-faults.test.ts',
  vfio: 'a device behind an IOMMU: src/sandbox/devices/vfio-devices.test.ts shows its release, without faults; there is nothing to undo',
}
/** What only a sandbox with a share takes. */
const ofShares = ['virtiofsd', 'directory', 'mount']
const isShared = vmm.driver !== 'firecracker'
const noShare = isShared ? '' : ' (firecracker: it has no share)'
if (!isShared) console.log(`skipped: Firecracker has no share, so nothing takes ${ofShares.join(', ')}`)
const kinds = resourceKinds
  .map(({ kind }) => kind)
  .filter((kind) => !(kind in elsewhere) && (isShared || !ofShares.includes(kind)))

let kata: Kata
let before: HostState
let pod: TestNetns
let podBefore: string
beforeAll(async () => {
  kata = new Kata()
  pod = new TestNetns('kt-fault')
  pod.veth('eth0', 'kt-fault0')
  pod.address('eth0', '10.95.0.2/24')
  podBefore = podState()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  pod[Symbol.dispose]()
})

const network = () => ['--network', `ns:${pod.path}`]
const podState = () => pod.ip('-o link') + pod.run('tc', 'qdisc', 'show')
const left = () => [
  ...leftBehind(before, hostState(kata.runDir)),
  ...(podState() === podBefore ? [] : [`the pod's namespace: ${podState()}`]),
]
/** A start that goes as far as the VMM, before any guest code runs, and then ends: everything is taken and released. */
const untilVmm = 'after-take:process=fail'
const faults = (...points: string[]) => ({
  env: { KATA_TS_FAILPOINTS: points.join(','), KATA_TS_FAILPOINTS_REACHED: notes() },
})
const notes = () => `${kata.stateDir}/reached-${runs}`
/** Whether the last run got there. */
const isReached = (point: string) =>
  existsSync(notes()) && readFileSync(notes(), 'utf8').split('\n').includes(point)
/** What the last client said. */
let said = ''
/** A guest that died before it came there is told as that. */
function expectReached(point: string): void {
  if (!isReached(point)) throw new Error(`${point} was not reached: ${said}`)
}
let runs = 0

/** Runs a container with these faults to the client's end, in the pod's namespace unless it is to have another network. */
async function runWith(points: string[], flags: string[] = [], networkFlags = network()) {
  const name = `fault-${++runs}`
  const outcome = await kata.call(
    ['run', '--name', name, ...networkFlags, ...flags, '--', 'true'],
    faults(...points),
  )
  said = outcome.stderr
  return { name, outcome }
}

/** What is left after the client is done; whatever it is, gc and rm must get rid of it. */
async function cleanUp(name: string): Promise<void> {
  await kata.call(['rm', '-f', name])
  const { code, stdout } = await kata.call(['gc'])
  expect({ code, stdout, left: left() }).toMatchObject({ code: 0, left: [] })
}

describe.each(kinds)('%s', (kind) => {
  test.each(['before-take', 'after-take'])(
    'an error %s ends the start, and nothing is left',
    async (point) => {
      const { name, outcome } = await runWith([`${point}:${kind}=fail`])
      expect(outcome).toMatchObject({ code: 125, stderr: expect.stringContaining(`${point}:${kind}`) })
      expectReached(`serve/${point}:${kind}`)
      await kata.call(['rm', '-f', name])
      expect(left()).toEqual([])
    },
  )

  test.each(['before-take', 'after-take', 'before-release', 'after-release'])(
    'SIGKILL %s: the client’s delete leaves nothing',
    async (point) => {
      const { name, outcome } = await runWith([`${point}:${kind}=kill`, untilVmm])
      expect(outcome.code).not.toBe(0)
      expectReached(`serve/${point}:${kind}`)
      await kata.call(['rm', '-f', name])
      expect(left()).toEqual([])
    },
  )

  test.each(['before-release', 'after-release'])('an error %s: delete or gc releases it', async (point) => {
    const { name } = await runWith([`${point}:${kind}=fail`, untilVmm])
    expectReached(`serve/${point}:${kind}`)
    await cleanUp(name)
  })

  test.each(['before-release', 'after-release'])('SIGKILL of delete %s: gc releases it', async (point) => {
    const { name } = await runWith([`after-take:process=kill`, `delete/${point}:${kind}=kill`])
    expectReached(`delete/${point}:${kind}`)
    await cleanUp(name)
  })
})

test(
  'a hang at every one of them, all at once: rm -f ends each',
  async () => {
    const points = kinds.flatMap((kind) => [`before-take:${kind}`, `after-release:${kind}`])
    const hanging = points.map((point) => {
      const name = `hang-${++runs}`
      const asked = faults(`${point}=hang`, untilVmm)
      const reached = () => existsSync(asked.env.KATA_TS_FAILPOINTS_REACHED)
      const isThere = () =>
        reached() && readFileSync(asked.env.KATA_TS_FAILPOINTS_REACHED, 'utf8').includes(point)
      // One namespace for all of them would be one too few.
      const flags = point.endsWith('network-redirect') ? network() : []
      const client = kata.spawn(['run', '--name', name, ...flags, '--', 'true'], asked)
      return { name, point, isThere, client }
    })
    await Promise.all(
      hanging.map(async ({ name, point, isThere, client }) => {
        await eventually(`the hang ${point}`, () => isThere() || undefined)
        client.kill('SIGKILL')
        await client.exited
        expect(await kata.call(['rm', '-f', name])).toMatchObject({ code: 0 })
      }),
    )
    expect(left()).toEqual([])
  },
  slow(120_000),
)

const noRoot = vmm.driver === 'firecracker' ? ' (firecracker: it refuses to be root)' : ''
describe.skipIf(noRoot !== '')(`rootless off${noRoot}`, () => {
  test.each(['before-take', 'after-take', 'before-release', 'after-release'])(
    'SIGKILL %s of the root VMM’s directory leaves nothing',
    async (point) => {
      const { name } = await runWith([`${point}:tree=kill`, untilVmm], ['--rootless', 'false'])
      expectReached(`serve/${point}:tree`)
      await cleanUp(name)
    },
  )
})

describe.skipIf(noShare !== '')(`a container with a volume that it writes${noShare}`, () => {
  const flags = () => {
    mkdirSync(`${kata.stateDir}/volume`, { recursive: true })
    return ['-v', `${kata.stateDir}/volume:/mnt`]
  }

  test.each(ofShares.flatMap((kind) => [`after-take:${kind}=kill`, `before-release:${kind}=kill`]))(
    '%s leaves nothing of its shares',
    async (fault) => {
      const { name } = await runWith([fault, untilVmm], flags())
      expectReached(`serve/${fault.split('=')[0]}`)
      await cleanUp(name)
    },
  )

  test('an end right after the VMM’s start releases both of its shares', async () => {
    const { name } = await runWith([untilVmm], flags())
    await kata.call(['rm', '-f', name])
    expect(left()).toEqual([])
  })

  test('SIGKILL right after it leaves nothing of them either', async () => {
    const { name } = await runWith(['after-take:process=kill'], flags())
    expectReached('serve/after-take:process')
    await cleanUp(name)
  })
})

describe('a container with a disk', () => {
  test.each([
    ...['before-take', 'after-take'].flatMap((point) => [`${point}:disk=fail`, `${point}:disk=kill`]),
    ...['before-release', 'after-release'].flatMap((point) => [`${point}:disk=fail`, `${point}:disk=kill`]),
  ])('%s leaves nothing', async (fault) => {
    const image = `${kata.stateDir}/disk.img`
    writeFileSync(image, Buffer.alloc(1 << 20))
    const { name } = await runWith([fault], ['--device', `${image}:/dev/xvda`])
    expectReached(`serve/${fault.split('=')[0]}`)
    await cleanUp(name)
  })
})

describe.each([
  ['host-rules', 'bridge'],
  ['network-member', 'faulty'],
])('%s: a container with a network of its own', (kind, ofContainer) => {
  beforeAll(() => kata.call(['network', 'create', 'faulty']))
  afterAll(() => kata.call(['network', 'rm', 'faulty']))

  test.each([
    ...['before-take', 'after-take'].flatMap((point) => [`${point}:${kind}=fail`, `${point}:${kind}=kill`]),
    ...['before-release', 'after-release'].map((point) => `${point}:${kind}=kill`),
  ])('%s leaves nothing, and no rule of the packet filter', async (fault) => {
    const beyond = fault.includes('release') ? [untilVmm] : []
    const { name, outcome } = await runWith([fault, ...beyond], [], ['--network', ofContainer])
    expect(outcome.code).not.toBe(0)
    expectReached(`serve/${fault.split('=')[0]}`)
    await cleanUp(name)
  })
})

// Its emulator is the first of the sandbox's processes, with a user and a directory of its own.
const noTpm = vmm.driver === 'qemu' ? '' : ` (${vmm.driver}: kata-ts gives it no TPM)`
describe.skipIf(noTpm !== '')(`a machine with a TPM${noTpm}`, () => {
  test.each([
    ...['before-take', 'after-take'].flatMap((point) => [`${point}:process=fail`, `${point}:process=kill`]),
    ...['before-release', 'after-release'].map((point) => `${point}:process=kill`),
  ])('%s of its emulator leaves nothing', async (fault) => {
    const file = `${kata.stateDir}/tpm.toml`
    writeFileSync(file, hypervisorTable('enable_tpm = true\n'))
    const beyond = fault.includes('release') ? [untilVmm] : []
    const { name, outcome } = await runWith([fault, ...beyond], ['--config', file])
    expect(outcome.code).not.toBe(0)
    expectReached(`serve/${fault.split('=')[0]}`)
    await cleanUp(name)
  })
})

// One that reserves has them all at once, and needs no promise.
const noPromise = vmm.driver === 'qemu' ? ' (skipped: QEMU reserves its pages)' : ''
describe.skipIf(noPromise !== '')(`a machine that is promised huge pages${noPromise}`, () => {
  let pages: HugePages
  beforeAll(async () => {
    pages = await HugePages.hold()
    pages.add(128)
  }, slow(300_000))
  afterAll(() => pages[Symbol.dispose]())

  test.each([
    ...['before-take', 'after-take'].flatMap((point) => [
      `${point}:huge-pages=fail`,
      `${point}:huge-pages=kill`,
    ]),
    ...['before-release', 'after-release'].map((point) => `${point}:huge-pages=kill`),
  ])('%s leaves nothing', async (fault) => {
    const file = `${kata.stateDir}/huge-pages.toml`
    writeFileSync(file, hypervisorTable('enable_hugepages = true\ndefault_memory = 128\n'))
    const { name, outcome } = await runWith([fault, untilVmm], ['--config', file])
    expect(outcome.code).not.toBe(0)
    expectReached(`serve/${fault.split('=')[0]}`)
    await cleanUp(name)
  })
})

test('a misspelt failpoint is refused', async () => {
  const { outcome } = await runWith(['before-take=fail'])
  expect(outcome).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('before-take=fail, which is not a failpoint'),
  })
  await kata.call(['gc'])
})
