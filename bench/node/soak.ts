/**
 * A node for some minutes: pods of two containers are started, probed, measured, updated, replaced and ended by a kubelet's calls in
 * its order, while containerd is restarted and processes are killed. What is left at the end is a problem, and so is what grew.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Containerd } from '../../e2e/containerd/containerd.ts'
import { ownDirectory } from '../../e2e/harness/directories.ts'
import { hostState, leftBehind } from '../../e2e/harness/host/host.ts'
import { eventually, scratch } from '../../e2e/harness/kata.ts'
import { slow } from '../../e2e/harness/time.ts'
import { hypervisorTable } from '../../e2e/harness/vmm.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import type { CallFigures } from './calls.ts'
import { inflict, possibleVictims } from './faults.ts'
import { KubeletPod } from './kubelet-pod.ts'
import { Node } from './node.ts'
import { pause, repeat } from './pause.ts'
import { Probes } from './probes.ts'
import type { NodeSettings } from './settings.ts'
import { grown, type ProcessGrowth, Usage } from './usage.ts'

export interface SoakReport {
  readonly settings: NodeSettings
  /** What a user would complain about; empty when all went well. */
  readonly problems: readonly string[]
  readonly calls: Readonly<Record<string, CallFigures>>
  /** How the containers of killed pods ended, as a kubelet was told, and how many did so. */
  readonly reasons: Readonly<Record<string, number>>
  readonly growth: readonly ProcessGrowth[]
}

const handler = 'node'
/** Longest until all pods run, milliseconds for each. */
const startMs = 60_000

const never = new AbortController().signal

/** Tells of its progress by `say`. All pods end once `interrupted` has fired. @throws Error when the node itself does not come up; its reason. */
export async function soak(
  settings: NodeSettings,
  say: (line: string) => void,
  interrupted: AbortSignal = never,
): Promise<SoakReport> {
  const directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const configPath = `${directory}/node.toml`
  writeFileSync(configPath, hypervisorTable('default_memory = 128\n[agent.kata]\ndial_timeout = 200\n'))
  const containerd = await Containerd.start({ handlers: { [handler]: { configPath } } })
  using area = scratch()
  try {
    // The first pod makes the bridge of all.
    await (await containerd.cri.runPod({ handler: 'runc' })).remove()
    const node = new Node(containerd, settings, handler, area.path)
    return await new Soak(node, say, interrupted).run()
  } finally {
    await containerd.close()
    rmSync(directory, { recursive: true })
  }
}

interface Held {
  readonly pod: KubeletPod
  /** Ends it, and resolves when it is gone. */
  readonly end: () => Promise<void>
}

class Soak {
  readonly #node: Node
  readonly #say: (line: string) => void
  readonly #interrupted: AbortSignal
  readonly #before = hostState(defaultRunDir)
  readonly #usage = new Usage()
  readonly #residents: Held[] = []
  readonly #others: Held[] = []
  #serial = 0
  #faults = 0
  #told = 0

  constructor(node: Node, say: (line: string) => void, interrupted: AbortSignal) {
    this.#node = node
    this.#say = say
    this.#interrupted = interrupted
  }

  async run(): Promise<SoakReport> {
    const { settings, problems, calls, reasons } = this.#node
    const over = new AbortController()
    const relisting = repeat(settings.relist, over.signal, () => this.#node.relist().catch(() => {}))
    await this.#startAll().catch((error) => {
      over.abort()
      throw error
    })
    const ending = new AbortController()
    const working = [
      repeat(settings.sample, ending.signal, async () => this.#usage.read(pods(this.#residents))),
      repeat(settings.replace, ending.signal, () => this.#replace()),
      repeat(settings.kill, ending.signal, () => this.#fault()),
    ]
    await this.#tellEachMinute(settings)
    ending.abort()
    await Promise.all(working)
    this.#say('ending all pods')
    await Promise.all([...this.#residents, ...this.#others].map(({ end }) => end()))
    over.abort()
    await relisting
    await this.#expectNothingLeft()
    const growth = this.#usage.growth()
    problems.push(...grown(growth))
    return { settings, problems, calls: calls.figures(), reasons: Object.fromEntries(reasons), growth }
  }

  async #startAll(): Promise<void> {
    const { pods: all, residents } = this.#node.settings
    for (let index = 0; index < all; index++)
      (index < residents ? this.#residents : this.#others).push(this.#hold())
    const held = [...this.#residents, ...this.#others]
    const missing = () => pods(held).filter(({ upSince }) => upSince === undefined)
    const isUp = () => {
      this.#interrupted.throwIfAborted()
      return missing().length === 0 || undefined
    }
    const { problems } = this.#node
    const telling = new AbortController()
    const told = repeat(60, telling.signal, async () => {
      this.#say(`${all - missing().length} of ${all} pods run; ${problems.length} problems`)
      this.#tellProblems()
    })
    try {
      await eventually('all pods to run', isUp, slow(startMs * all))
    } catch (error) {
      const names = missing().map(({ name }) => name)
      await Promise.all(held.map(({ end }) => end()))
      throw new Error([`${(error as Error).message}: not ${names.join(', ')}`, ...problems].join('\n'))
    } finally {
      telling.abort()
      await told
    }
    this.#say(`${all} pods run`)
  }

  /** Says each problem that has come up, once. */
  #tellProblems(): void {
    const { problems } = this.#node
    for (; this.#told < problems.length; this.#told++) this.#say(problems[this.#told]!)
  }

  /** A new pod, with a kubelet at work on it. */
  #hold(): Held {
    const pod = new KubeletPod(this.#node, `node-${++this.#serial}`)
    const over = new AbortController()
    const work = Promise.all([pod.run(over.signal), new Probes(this.#node, pod).run(over.signal)])
    const end = async () => {
      over.abort()
      await work
    }
    return { pod, end }
  }

  /** The oldest that is no resident ends, and another one takes its place. */
  async #replace(): Promise<void> {
    const oldest = this.#others.findIndex(({ pod }) => pod.upSince !== undefined && pod.killed === undefined)
    if (oldest === -1) return
    const [gone] = this.#others.splice(oldest, 1)
    await this.#node.calls.timed('pod ended', gone!.end())
    const held = this.#hold()
    this.#others.push(held)
    const started = eventually(
      'its start',
      () => held.pod.upSince !== undefined || undefined,
      slow(startMs * 5),
    )
    await this.#node.calls
      .timed('pod started', started)
      .catch(() => this.#node.problems.push(`${held.pod.name} did not start`))
  }

  /** One after the other, each kind in its turn. */
  async #fault(): Promise<void> {
    const victim = possibleVictims[this.#faults++ % possibleVictims.length]!
    try {
      await inflict(this.#node, victim, pods(this.#others))
    } catch (error) {
      this.#node.problems.push(`${victim} could not be killed: ${(error as Error).message}`)
    }
  }

  /** So many minutes, and until each fault has had its turn. */
  async #tellEachMinute({ minutes, kill }: NodeSettings): Promise<void> {
    const end = performance.now() + minutes * 60_000
    const rest = () => {
      const isUnhurt = kill > 0 && this.#faults <= possibleVictims.length
      return Math.max(end - performance.now(), isUnhurt ? 1000 : 0)
    }
    for (let ms = rest(); ms > 0 && !this.#interrupted.aborted; ms = rest()) {
      await pause(Math.min(ms, 60_000), this.#interrupted)
      if (ms <= 1000) continue
      const { calls, problems } = this.#node
      const counted = ['RunPodSandbox', 'probe by HTTP', 'probe by ExecSync'].map(
        (name) => `${calls.count(name)} ${name}`,
      )
      this.#say(`${counted.join(', ')}; ${problems.length} problems`)
      this.#tellProblems()
    }
  }

  async #expectNothingLeft(): Promise<void> {
    let left: string[] = []
    const look = () => {
      left = [...leftBehind(this.#before, hostState(defaultRunDir)), ...this.#leftOfContainerd()].filter(
        // It is another process since its restart.
        (line) => !line.includes('containerd -c'),
      )
      return left.length === 0 || undefined
    }
    await eventually('nothing to be left', look, slow(60_000)).catch(() => {})
    this.#node.problems.push(...left.map((line) => `left: ${line}`))
  }

  /** Mounts of pods that no containerd has any more: network namespaces, shared memory, root file systems. */
  #leftOfContainerd(): string[] {
    const { root, state } = this.#node.containerd.files
    return readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${root}/`) || path.startsWith(`${state}/`))
      .map((path) => `mount ${path}`)
  }
}

const pods = (all: readonly Held[]): KubeletPod[] => all.map(({ pod }) => pod)
