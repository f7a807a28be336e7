/** Pods through containerd's CRI: kata-ts beside runc, call by call. */
import { Containerd } from '../e2e/containerd/containerd.ts'
import { type BareGuest, bootBare } from './bare.ts'
import type { Host } from './host.ts'
import { ms, type Result } from './report.ts'
import { type Summary, summarize } from './stats.ts'

const handlers = ['runc', 'kata-ts'] as const
type Handler = (typeof handlers)[number]

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

export async function benchContainerd(
  { interrupted }: Host,
  guest: BareGuest,
  rounds: number,
): Promise<Result> {
  const containerd = await Containerd.start()
  try {
    // The first of each makes what later ones find: the bridge, caches.
    for (const handler of handlers) await onePod(containerd, handler)
    const times: Record<Handler, Times[]> = { runc: [], 'kata-ts': [] }
    const bare: number[] = []
    for (let index = 0; index < rounds; index++) {
      interrupted.throwIfAborted()
      for (const handler of handlers) times[handler].push(await onePod(containerd, handler))
      bare.push((await bootBare(guest)).bootMs)
    }
    return report({ runc: summaries(times.runc), 'kata-ts': summaries(times['kata-ts']) }, summarize(bare))
  } finally {
    await containerd.close()
  }
}

/** The life of a pod with one container, each call timed, in milliseconds. */
async function onePod({ cri }: Containerd, handler: Handler): Promise<Times> {
  const times: Partial<Times> = {}
  const timed = async <T>(call: Call, work: Promise<T>): Promise<T> => {
    const begun = performance.now()
    const result = await work
    times[call] = performance.now() - begun
    return result
  }
  const pod = await timed('RunPodSandbox', cri.runPod({ handler }))
  const containerId = await timed('CreateContainer', pod.create(['sleep', '1000']))
  await timed('StartContainer', cri.calls.startContainer({ containerId }))
  await timed('ExecSync', pod.exec(containerId, ['true']))
  await timed('StopContainer', cri.calls.stopContainer({ containerId, timeout: 0n }))
  await timed('StopPodSandbox', cri.calls.stopPodSandbox({ podSandboxId: pod.id }))
  await timed('RemovePodSandbox', cri.calls.removePodSandbox({ podSandboxId: pod.id }))
  return times as Times
}

function summaries(times: readonly Times[]): Record<Call, Summary> {
  return Object.fromEntries(calls.map((call) => [call, summarize(times.map((of) => of[call]))])) as Record<
    Call,
    Summary
  >
}

function report(times: Record<Handler, Record<Call, Summary>>, bare: Summary): Result {
  const beyond = times['kata-ts'].RunPodSandbox.median - bare.median
  return {
    name: 'containerd',
    what: `the calls of one pod with one container through CRI (${bare.count} rounds in turns)`,
    tables: [
      {
        header: ['', 'runc', 'p90', 'kata-ts', 'p90'],
        rows: [
          ...calls.map((call) => [
            call,
            ...handlers.flatMap((handler) => [ms(times[handler][call].median), ms(times[handler][call].p90)]),
          ]),
          ['bare boot of the same machine', '', '', ms(bare.median), ms(bare.p90)],
        ],
      },
    ],
    notes: [
      `RunPodSandbox beyond the bare boot: ${ms(beyond)}; of runc: ${ms(times.runc.RunPodSandbox.median)}`,
    ],
    data: { unit: 'ms', rounds: bare.count, calls: times, bareBoot: bare },
  }
}
