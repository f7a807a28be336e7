// test:vmm: every VMM
/** Why a machine ended, where a kubelet looks: exit status and reason, termination message, and the last line of the log. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ContainerState } from '../../src/protocol/generated/cri/runtime.ts'
import { readFacts } from '../../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { killIfThere } from '../harness/host/processes.ts'
import { independentTest as test } from '../harness/independent-test.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { memoryCgroup, memoryHierarchy, noMemory } from '../harness/memory-cgroup.ts'
import { slow } from '../harness/time.ts'
import { hypervisorTable, vmm } from '../harness/vmm.ts'
import { Containerd } from './containerd.ts'
import type { Pod } from './cri.ts'

setDefaultTimeout(slow(90_000))

/** What is no whole line yet comes to no log: it has a second to be on its way. */
const idle = ['sh', '-c', 'echo -n busy >&2; sleep 1; echo working; exec sleep 1000']
const uid = '0f6b62a2-3c5e-4a0e-9d53-6f1d1a5d3c11'
const area = scratch()
let before: HostState
let directory: string
let containerd: Containerd

beforeAll(async () => {
  before = hostState(defaultRunDir)
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const configPath = `${directory}/small.toml`
  writeFileSync(configPath, hypervisorTable('default_memory = 256\n'))
  containerd = await Containerd.start({ handlers: { 'kata-ts': { configPath } } })
}, slow(120_000))
afterAll(async () => {
  await containerd?.close()
  area[Symbol.dispose]()
  rmSync(directory, { recursive: true })
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

let serial = 0
/** A container with a termination message as a kubelet makes one. */
interface Watched {
  readonly id: string
  /** The kubelet's file. */
  readonly file: string
  readonly message: () => string
  readonly log: () => string
}

async function withPod(work: (pod: Pod) => Promise<void>): Promise<void> {
  const metadata = { name: `end-${++serial}`, uid, namespace: 'default', attempt: 0 }
  const config = { metadata, logDirectory: area.path, linux: { cgroupParent: '/kata-ts-e2e' } }
  const pod = await containerd.cri.runPod({ config })
  try {
    await work(pod)
  } finally {
    await pod.remove()
  }
}

async function watched(
  pod: Pod,
  command: readonly string[] = idle,
  containerPath = '/dev/termination-log',
): Promise<Watched> {
  const name = `c-${++serial}`
  const files = join(area.path, 'pods', uid, 'containers', name)
  mkdirSync(files, { recursive: true })
  const file = join(files, '0a1b2c3d')
  writeFileSync(file, '')
  const id = await pod.start(command, {
    metadata: { name, attempt: 0 },
    logPath: `${name}.log`,
    mounts: [{ hostPath: file, containerPath }],
  })
  const read = (path: string) => readFileSync(path, 'utf8')
  return { id, file, message: () => read(file), log: () => read(join(area.path, `${name}.log`)) }
}

const factsOf = (pod: Pod) => readFacts(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts)!

/** Waits for the end of a container, as it is reported. */
async function ended({ id: containerId }: Watched) {
  return eventually(
    'the end of the container',
    async () => {
      const { status } = await containerd.cri.calls.containerStatus({ containerId })
      return status?.state === ContainerState.CONTAINER_EXITED ? status : undefined
    },
    slow(60_000),
  )
}

const running = ({ log }: Watched) =>
  eventually('the first line', () => log().includes('working') || undefined, slow(20_000))

/** Of a log in CRI's format: `TIME STREAM TAG text`. */
const lastLine = (log: string) => log.trimEnd().split('\n').at(-1)!.split(' ').slice(1)

describe('kill -9', () => {
  const victims = [
    ['the VMM', (pod: Pod) => [factsOf(pod).vmmPid], 'the VMM ended (SIGKILL)'],
    ['virtiofsd', (pod: Pod) => factsOf(pod).virtiofsdPids, 'virtiofsd ended (SIGKILL)'],
  ] as const
  const possible = victims.filter(([name]) => name !== 'virtiofsd' || vmm.driver !== 'firecracker')

  test.each(possible)(
    'of %s is told in termination message and log of each container',
    async (_, pids, why) => {
      await withPod(async (pod) => {
        const containers = [await watched(pod), await watched(pod)]
        for (const container of containers) await running(container)
        for (const pid of pids(pod)) killIfThere(pid)
        for (const container of containers) {
          expect(await ended(container)).toMatchObject({ exitCode: 255, reason: 'Error' })
          const message = container.message()
          expect(message).toStartWith(`[SANDBOX_DIED] sandbox ${pod.id} died: ${why}. The machine`)
          expect(message).not.toContain('\n')
          const [stream, tag, ...words] = lastLine(container.log())
          expect([stream, tag, words.join(' ')]).toEqual(['stderr', 'F', message])
          expect(container.log()).toContain(' stderr F busy\n')
        }
      })
    },
  )
})

test('kill -9 of the shim is told in the termination message of each container that ran', async () => {
  await withPod(async (pod) => {
    const over = await watched(pod, ['sh', '-c', 'echo working; exit 3'])
    expect(await ended(over)).toMatchObject({ exitCode: 3 })
    const containers = [await watched(pod), await watched(pod)]
    for (const container of containers) await running(container)
    process.kill(factsOf(pod).shimPid, 'SIGKILL')
    for (const container of containers) {
      // containerd's own words for an end that nobody told it in time, or the answer of `delete`.
      expect([255, 137]).toContain((await ended(container)).exitCode)
      const message = await eventually('the message', () => container.message() || undefined, slow(20_000))
      expect(message).toStartWith(
        `[SHIM_DIED] the shim of container ${container.id} died while the container ran.`,
      )
    }
    expect(over.message()).toBe('')
  })
})

test('what a container writes as its termination message is on the host when it has ended', async () => {
  await withPod(async (pod) => {
    const short = await watched(pod, ['sh', '-c', 'echo mine > /dev/termination-log; exit 4'])
    expect(await ended(short)).toMatchObject({ exitCode: 4, reason: 'Error' })
    expect(short.message()).toBe('mine\n')
    const elsewhere = await watched(pod, ['sh', '-c', 'echo -n there > /tmp/why'], '/tmp/why')
    await ended(elsewhere)
    expect(elsewhere.message()).toBe('there')
    const none = await watched(pod, ['true'])
    expect(await ended(none)).toMatchObject({ exitCode: 0, reason: 'Completed' })
    expect(none.message()).toBe('')
    const long = await watched(pod, ['sh', '-c', 'yes | head -c 100000 > /dev/termination-log'])
    await ended(long)
    // Shared files are the container's, as far as it writes; of a copied one comes what the kubelet reads.
    expect(long.message().slice(0, 4096)).toBe('y\n'.repeat(2048))
    if (vmm.driver === 'firecracker') expect(long.message()).toHaveLength(4096)
  })
})

test('what a container wrote itself stays, and what has ended is told nothing', async () => {
  await withPod(async (pod) => {
    const over = await watched(pod, ['sh', '-c', 'echo working; exit 3'])
    expect(await ended(over)).toMatchObject({ exitCode: 3 })
    const own = await watched(pod, [
      'sh',
      '-c',
      'echo mine > /dev/termination-log; echo working; exec sleep 1000',
    ])
    await running(own)
    process.kill(factsOf(pod).vmmPid, 'SIGKILL')
    await ended(own)
    // Copied files come back with the end of a container, which this one did not live to see.
    if (vmm.driver !== 'firecracker') expect(own.message()).toBe('mine\n')
    expect({ over: over.message(), log: over.log().includes('SANDBOX_DIED') }).toEqual({
      over: '',
      log: false,
    })
  })
})

test('a link in the place of the termination message is not followed', async () => {
  await withPod(async (pod) => {
    const container = await watched(pod)
    await running(container)
    const target = join(area.path, 'target')
    writeFileSync(target, '')
    renameSync(container.file, `${container.file}.old`)
    symlinkSync(target, container.file)
    process.kill(factsOf(pod).vmmPid, 'SIGKILL')
    await ended(container)
    expect(lastLine(container.log()).join(' ')).toContain('[SANDBOX_DIED]')
    expect([target, `${container.file}.old`].map((path) => readFileSync(path, 'utf8'))).toEqual(['', ''])
    expect(readdirSync(join(container.file, '..')).sort()).toEqual(['0a1b2c3d', '0a1b2c3d.old'])
  })
})

test.skipIf(memoryHierarchy === undefined)(
  `a machine that the host has no memory for is OOMKilled${noMemory}`,
  async () => {
    await withPod(async (pod) => {
      const container = await watched(pod)
      await running(container)
      const cgroup = memoryCgroup(factsOf(pod).vmmPid)
      const { version, limitFile, usageFile } = memoryHierarchy!
      const used = readFileSync(`${cgroup}/${usageFile}`)
      writeFileSync(`${cgroup}/${limitFile}`, `${Number(used) + 8 * 1024 ** 2}`)
      if (version === 2 && existsSync(`${cgroup}/memory.swap.max`))
        writeFileSync(`${cgroup}/memory.swap.max`, '0')
      // Memory that the guest has not touched before.
      await pod
        .exec(container.id, ['dd', 'if=/dev/zero', 'of=/dev/shm/fill', 'bs=1M', 'count=60'])
        .catch(() => {})
      expect(await ended(container)).toMatchObject({ exitCode: 255, reason: 'OOMKilled' })
      const message = container.message()
      expect(message).toStartWith(`[CGROUP_OUT_OF_MEMORY] the host ended the machine of sandbox ${pod.id}`)
      expect(message).toContain(cgroup)
      expect(lastLine(container.log()).slice(2).join(' ')).toBe(message)
    })
  },
)
