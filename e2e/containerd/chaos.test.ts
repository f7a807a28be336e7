// test:vmm: every VMM
/**
 * kill -9 at moments that a fixed seed chooses, of shim, VMM, virtiofsd and containerd: each time the pod is reported
 * dead, or goes on when it was containerd, and nothing of it is left within 30 s.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { PodSandboxState } from '../../src/protocol/generated/cri/runtime.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { argumentsOf, descendantsOf, killIfThere, shimsBelow } from '../harness/host/processes.ts'
import { eventually } from '../harness/kata.ts'
import { hypervisorTable, vmm } from '../harness/vmm.ts'
import { Containerd } from './containerd.ts'
import { failureOf, type Pod } from './cri.ts'

const rounds = 25
const seed = 20260717
const limitMs = 30_000
/** A pod takes some 2 s to start, so about as many kills hit the start as the life after it. */
const latestKillMs = 4000

let containerd: Containerd
let directory: string
let before: HostState
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const configPath = `${directory}/small.toml`
  writeFileSync(configPath, hypervisorTable('default_memory = 128\n'))
  containerd = await Containerd.start({ handlers: { small: { configPath } } })
  await (await containerd.cri.runPod({ handler: 'runc' })).remove()
  before = hostState(defaultRunDir)
})
afterAll(async () => {
  await containerd.close()
  rmSync(directory, { recursive: true })
})

/** mulberry32: the same numbers on every machine. */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

// Firecracker has another path in its jail.
const programs = { vmm: basename(vmm.path), virtiofsd: 'virtiofsd' } as const
type Process = 'shim' | keyof typeof programs
type Victim = Process | 'containerd'
const hasVirtiofsd = vmm.driver !== 'firecracker'
const victims: readonly Victim[] = [
  'shim',
  'vmm',
  ...(hasVirtiofsd ? (['virtiofsd'] as const) : []),
  'containerd',
]

/** Those of this containerd's pods. */
function processesOf(victim: Process): number[] {
  const shims = shimsBelow(containerd.files.state)
  if (victim === 'shim') return shims
  return descendantsOf(shims).filter((pid) => basename(argumentsOf(pid)[0]!) === programs[victim])
}

/** Kills every process of the kind, there being one pod only; waits for the first when it has not come up yet. */
async function kill(victim: Victim, over: () => boolean): Promise<void> {
  if (victim === 'containerd') {
    await containerd.stopDaemon('SIGKILL')
    return containerd.startDaemon()
  }
  const pids = await eventually(
    `a ${victim}`,
    () => {
      const found = processesOf(victim)
      return found.length > 0 || over() ? found : undefined
    },
    limitMs,
  )
  for (const pid of pids) killIfThere(pid)
}

/** A pod is reported dead by its state, or by not being there at all. */
async function expectDead(pod: Pod): Promise<void> {
  await eventually(
    'the pod to be reported dead',
    async () => {
      const { items } = await containerd.cri.calls.listPodSandbox({ filter: { id: pod.id } })
      return items.every(({ state }) => state === PodSandboxState.SANDBOX_NOTREADY) || undefined
    },
    limitMs,
  )
}

async function expectAlive(pod: Pod): Promise<void> {
  const id = await pod.start(['sleep', '1000'])
  expect((await pod.exec(id, ['echo', 'alive'])).stdout).toBe('alive\n')
}

/**
 * As a kubelet does it, which tries again: containerd may not have heard yet that the shim is gone, and fails with "ttrpc: closed".
 */
async function removeAll(): Promise<void> {
  let failure: unknown
  const tried = () =>
    containerd.cri.removeAll().then(
      () => true as const,
      (error) => {
        failure = error
        return undefined
      },
    )
  await eventually('the pod to be removed', tried, limitMs).catch((error) => {
    throw new Error(`${error.message}: ${failure}`)
  })
}

async function expectNothingLeft(): Promise<void> {
  let left: string[] = []
  await eventually(
    'nothing to be left',
    () => {
      left = leftBehind(before, hostState(defaultRunDir)).filter((line) => !line.includes('containerd '))
      return left.length === 0 || undefined
    },
    limitMs,
  ).catch(() => {})
  expect(left).toEqual([])
}

const next = random(seed)
const plan = Array.from({ length: rounds }, (_, round) => ({
  round: round + 1,
  victim: victims[Math.floor(next() * victims.length)]!,
  afterMs: Math.floor(next() * latestKillMs),
}))

test.each(plan)('round $round: $victim after $afterMs ms', async ({ victim, afterMs }) => {
  let over = false
  const starting = containerd.cri.runPod({ handler: 'small' }).finally(() => {
    over = true
  })
  // Looked at below; a rejection before that is no unhandled one.
  starting.catch(() => {})
  await Bun.sleep(afterMs)
  await kill(victim, () => over)
  const pod = await starting.catch(() => undefined)
  if (pod !== undefined && victim === 'containerd') await expectAlive(pod)
  else if (pod !== undefined) await expectDead(pod)
  await removeAll()
  await expectNothingLeft()
})

test('a machine that stands still: StartContainer says so, and the pod goes away like any other', async () => {
  const pod = await containerd.cri.runPod({ handler: 'small' })
  const containerId = await pod.create(['sleep', '1000'])
  for (const pid of processesOf('vmm')) process.kill(pid, 'SIGSTOP')
  const message = await failureOf(containerd.cri.calls.startContainer({ containerId }))
  // A container of Firecracker's is a disk first: the VMM itself is asked before the agent.
  const standsStill =
    vmm.driver === 'firecracker' ? /VMM_COMMAND_TIMEOUT/ : /SANDBOX_DIED.*has not answered for 30 s/
  expect(message).toMatch(standsStill)
  await expectDead(pod)
  await containerd.cri.removeAll()
  await expectNothingLeft()
})
