/**
 * Pods through containerd's CRI, call by call, in turns: runc's, and kata-ts's in a machine that booted for them, in a clone of a template
 * and in a machine that waited; with a bare boot of the same machine beside them.
 */
import { Containerd } from '../e2e/containerd/containerd.ts'
import { executable } from '../e2e/harness/executable.ts'
import { readFacts, type SandboxFacts } from '../src/sandbox/records/facts.ts'
import { defaultRunDir, sandboxPaths } from '../src/sandbox/records/paths.ts'
import { type BareGuest, bootBare } from './bare.ts'
import { configurationOf } from './configuration.ts'
import type { Host } from './host.ts'
import { servePool } from './pool.ts'
import { ms, type Result } from './report.ts'
import { type Summary, summarize } from './stats.ts'

/** Runtime handlers of containerd; the last comes last in each round, as its pool then makes the next machine. */
const handlers = ['runc', 'cold', 'clone', 'waiting'] as const
export type Handler = (typeof handlers)[number]

const calls = [
  'RunPodSandbox',
  'CreateContainer',
  'StartContainer',
  'ExecSync',
  'StopContainer',
  'StopPodSandbox',
  'RemovePodSandbox',
] as const
type Call = (typeof calls)[number]
type Times = Record<Call, number>

/** RunPodSandbox of a machine that waited, as a share of a bare boot under TCG. */
const aim = 0.25

export async function benchContainerd(host: Host, guest: BareGuest, rounds: number): Promise<Result> {
  const of = (kind: Exclude<Handler, 'runc'>) => configurationOf(host, kind)
  const [cold, clone, waiting] = [of('cold'), of('clone'), of('waiting')]
  await host.must(['factory', 'init', '--config', clone])
  const containerd = await Containerd.start({
    handlers: {
      cold: { configPath: cold },
      clone: { configPath: clone },
      waiting: { configPath: waiting },
    },
  })
  try {
    // The machines wait where containerd's shims look for them.
    const shimHost = {
      command: (args: readonly string[]) => [executable, ...args],
      runDir: defaultRunDir,
      stateDir: host.stateDir,
      interrupted: host.interrupted,
    }
    await using pool = servePool(shimHost, ['--config', waiting])
    const times: Record<Handler, Times[]> = { runc: [], cold: [], clone: [], waiting: [] }
    const bare: number[] = []
    for (let turn = 0; turn <= rounds; turn++) {
      await pool.filled()
      const { bootMs } = await bootBare(guest)
      if (turn > 0) bare.push(bootMs)
      for (const handler of handlers) {
        host.interrupted.throwIfAborted()
        const life = await onePod(containerd, handler)
        // The first of each makes what later ones find: the bridge, caches.
        if (turn > 0) times[handler].push(life)
      }
    }
    const all = Object.fromEntries(handlers.map((handler) => [handler, summaries(times[handler])]))
    return report(all as Record<Handler, Record<Call, Summary>>, summarize(bare))
  } finally {
    await containerd.close()
    await host.must(['factory', 'destroy', '--config', clone])
  }
}

/** The life of a pod with one container, each call timed, in milliseconds. @throws Error when its machine is not of that kind. */
async function onePod({ cri }: Containerd, handler: Handler): Promise<Times> {
  const times: Partial<Times> = {}
  const timed = async <T>(call: Call, work: Promise<T>): Promise<T> => {
    const begun = performance.now()
    const result = await work
    times[call] = performance.now() - begun
    return result
  }
  const pod = await timed('RunPodSandbox', cri.runPod({ handler }))
  if (handler !== 'runc') mustBe(handler, readFacts(sandboxPaths(defaultRunDir, 'k8s.io', pod.id).facts))
  const containerId = await timed('CreateContainer', pod.create(['sleep', '1000']))
  await timed('StartContainer', cri.calls.startContainer({ containerId }))
  await timed('ExecSync', pod.exec(containerId, ['true']))
  await timed('StopContainer', cri.calls.stopContainer({ containerId, timeout: 0n }))
  await timed('StopPodSandbox', cri.calls.stopPodSandbox({ podSandboxId: pod.id }))
  await timed('RemovePodSandbox', cri.calls.removePodSandbox({ podSandboxId: pod.id }))
  return times as Times
}

function mustBe(handler: Exclude<Handler, 'runc'>, facts: SandboxFacts | undefined): void {
  if (facts === undefined) throw new Error(`a pod of ${handler} has no record`)
  const kind = facts.waited !== undefined ? 'waiting' : facts.template !== '' ? 'clone' : 'cold'
  if (kind !== handler) throw new Error(`a pod of ${handler} is ${kind}`)
}

function summaries(times: readonly Times[]): Record<Call, Summary> {
  return Object.fromEntries(calls.map((call) => [call, summarize(times.map((of) => of[call]))])) as Record<
    Call,
    Summary
  >
}

function report(times: Record<Handler, Record<Call, Summary>>, bare: Summary): Result {
  const ratio = (handler: Handler) => (times[handler].RunPodSandbox.median / bare.median).toFixed(2)
  return {
    name: 'containerd',
    what: `the calls of one pod with one container through CRI (${bare.count} rounds in turns)`,
    tables: [
      {
        header: [...['median (p90)', 'runc', 'kata-ts, cold', 'clone of a template', 'machine that waited']],
        rows: [
          ...calls.map((call) => [
            call,
            ...handlers.map((handler) => {
              const { median, p90 } = times[handler][call]
              return `${ms(median)} (${ms(p90)})`
            }),
          ]),
          ['RunPodSandbox of a bare boot', ...handlers.map(ratio)],
        ],
      },
    ],
    notes: [
      `bare boot of the same machine: ${ms(bare.median)} (${ms(bare.p90)}); aim for a machine that waited: RunPodSandbox within ${aim} of it`,
    ],
    data: { unit: 'ms', rounds: bare.count, aim, calls: times, bareBoot: bare },
  }
}
