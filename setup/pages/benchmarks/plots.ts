/** The plots of docs/benchmarks.md: which record each is drawn of, and how. */
import type { Handler } from '../../../bench/containerd.ts'
import type { DensityData } from '../../../bench/density.ts'
import type { PeersData } from '../../../bench/peers/peers.ts'
import type { BenchRecord, RecordName } from '../../../bench/records/record.ts'
import type { Summary } from '../../../bench/stats.ts'
import type { StreamsData } from '../../../bench/streams.ts'
import { bars, strip } from './chart.ts'

export interface PlotFile {
  /** Below docs/images/benchmarks, without `.svg`. */
  readonly name: string
  readonly record: RecordName
  /** What it shows, for readers who do not see it. */
  readonly caption: string
  /** Undefined when the record does not have what it shows. @throws TypeError for a record of another shape. */
  draw(data: BenchRecord['data']): string | undefined
}

/** What of {@link Summary} is drawn; figures of older days have no more. */
type Median = Pick<Summary, 'median'>

interface StartData {
  readonly bareBoot: Median
  readonly firstOutput: Median
  readonly total: Median
  readonly steps?: readonly { readonly step: string; readonly at: number; readonly ms: number }[]
}

const started = (record: 'start' | 'start.kvm'): PlotFile => ({
  name: record,
  record,
  caption: 'Start of kata-ts beside a bare QEMU',
  draw(data) {
    const { bareBoot, firstOutput, total } = data as unknown as StartData
    const times = [bareBoot, firstOutput, total].map(({ median }) => median)
    return bars({
      title: `Start${record === 'start.kvm' ? ' under KVM' : ''}, median, and ratio to the bare boot`,
      unit: 'ms',
      rows: [
        'bare QEMU until the agent answers',
        'kata-ts until the first output',
        'kata-ts until it has ended',
      ],
      series: [
        { name: 'median', values: times, labels: times.map((time) => timeWithRatio(time, bareBoot.median)) },
      ],
    })
  },
})

interface ContainerdData {
  readonly calls: Readonly<Record<Handler, Readonly<Record<string, Median>>>>
  readonly bareBoot: Median
}

interface WarmData {
  readonly bareBoot: Median
  readonly cold: Median
  readonly clone: Median
  /** Absent in figures of older days. */
  readonly pool?: Median
}

const warm = (record: 'warm' | 'warm.kvm'): PlotFile => ({
  name: record,
  record,
  caption: 'A clone of a template beside a cold start and a bare boot',
  draw(data) {
    const { bareBoot, cold, clone, pool } = data as unknown as WarmData
    const times = [bareBoot, cold, clone, ...(pool === undefined ? [] : [pool])].map(({ median }) => median)
    return bars({
      title: `Clone and cold start${record === 'warm.kvm' ? ' under KVM' : ''}, median, and ratio to the bare boot`,
      unit: 'ms',
      rows: [
        'bare QEMU until the agent answers',
        'cold until the first output',
        'clone until the first output',
        ...(pool === undefined ? [] : ['waiting machine until the first output']),
      ],
      series: [
        { name: 'median', values: times, labels: times.map((time) => timeWithRatio(time, bareBoot.median)) },
      ],
    })
  },
})

export const plots: readonly PlotFile[] = [
  started('start'),
  started('start.kvm'),
  warm('warm'),
  warm('warm.kvm'),
  {
    name: 'start-steps',
    record: 'start',
    caption: 'When each step of a start begins and how long it takes',
    draw(data) {
      const { steps } = data as unknown as StartData
      if (steps === undefined) return undefined
      return strip({
        title: 'Steps of a start, median',
        unit: 'ms',
        steps: steps.map(({ step, at, ms }) => ({ name: step, at, takes: ms })),
      })
    },
  },
  {
    name: 'peers-start',
    record: 'peers',
    caption: 'Start of each runtime beside a bare QEMU',
    draw(data) {
      const { start } = data as unknown as PeersData
      const base = start['bare QEMU']?.time.median
      const times = Object.values(start).map(({ time }) => time.median)
      return bars({
        title: 'Start, median, and ratio to the bare boot',
        unit: 'ms',
        rows: Object.entries(start).map(([name, { until }]) => `${name} ${until}`),
        series: [{ name: 'median', values: times, labels: times.map((time) => timeWithRatio(time, base)) }],
      })
    },
  },
  {
    name: 'peers-exec',
    record: 'peers',
    caption: 'exec of each runtime',
    draw(data) {
      const { exec } = data as unknown as PeersData
      const base = exec['kata-ts']?.firstOutput.median
      const times = Object.values(exec).map(({ firstOutput }) => firstOutput.median)
      return bars({
        title: 'exec until the first output, median, and ratio to kata-ts',
        unit: 'ms',
        rows: Object.keys(exec),
        series: [{ name: 'median', values: times, labels: times.map((time) => timeWithRatio(time, base)) }],
      })
    },
  },
  {
    name: 'density',
    record: 'density',
    caption: 'Memory of one idle sandbox by process and part, among 1 to 40',
    draw(data) {
      const { steps, guestMiB } = data as unknown as Partial<DensityData>
      if (steps === undefined) return undefined
      const parts = Object.keys(steps[0]!.memory) as (keyof DensityData['steps'][number]['memory'])[]
      return bars({
        title: `PSS of one idle sandbox of ${guestMiB} MiB, mean over all`,
        unit: 'MiB',
        stacked: true,
        rows: steps.map(({ sandboxes }) => `among ${sandboxes}`),
        series: parts.map((part) => ({
          name: part,
          values: steps.map(({ memory }) => Math.round(memory[part].pss / 102.4) / 10),
        })),
      })
    },
  },
  {
    name: 'density-start',
    record: 'density',
    caption: 'Start of one more sandbox beside those that run',
    draw(data) {
      const { steps } = data as unknown as Partial<DensityData>
      if (steps === undefined) return undefined
      const times = steps.map(({ nextStart }) => nextStart.median)
      return bars({
        title: 'One more start until its first output, median, and ratio to the first',
        unit: 'ms',
        rows: steps.map(({ sandboxes }) => `beside ${sandboxes}`),
        series: [
          { name: 'median', values: times, labels: times.map((time) => timeWithRatio(time, times[0])) },
        ],
      })
    },
  },
  {
    name: 'exec',
    record: 'exec',
    caption: 'exec of kata-ts',
    draw(data) {
      const { firstOutput, total } = data as unknown as { firstOutput: Median; total: Median }
      return bars({
        title: 'exec, median',
        unit: 'ms',
        rows: ['until the first output', 'until it has ended'],
        series: [{ name: 'median', values: [firstOutput.median, total.median] }],
      })
    },
  },
  {
    name: 'streams',
    record: 'streams',
    caption: 'Throughput of standard output and input',
    draw(data) {
      const { stdout, stdin } = data as unknown as { stdout: Median; stdin?: StreamsData['stdin'] }
      return bars({
        title: 'Throughput of a process’s streams, median',
        unit: 'MB/s',
        rows: ['standard output', ...(stdin === undefined ? [] : ['standard input'])],
        series: [{ name: 'median', values: [stdout.median, ...(stdin === undefined ? [] : [stdin.median])] }],
      })
    },
  },
  {
    name: 'containerd',
    record: 'containerd',
    caption: 'Calls of one pod through CRI: kata-ts beside runc',
    draw(data) {
      const { calls, bareBoot } = data as unknown as ContainerdData
      const names = Object.keys(calls.runc)
      return bars({
        title: 'CRI calls of one pod, median; RunPodSandbox with its ratio to a bare boot',
        unit: 'ms',
        rows: names,
        series: Object.entries(calls).map(([handler, summaries]) => ({
          name: handler === 'runc' ? handler : `kata-ts, ${handler}`,
          values: names.map((name) => summaries[name]?.median),
          labels: names.map((name) => {
            const time = name === 'RunPodSandbox' ? summaries[name]?.median : undefined
            return time === undefined ? undefined : timeWithRatio(time, bareBoot.median)
          }),
        })),
      })
    },
  },
]

function timeWithRatio(time: number, base: number | undefined): string {
  const said = `${time >= 100 ? Math.round(time) : time} ms`
  return base === undefined ? said : `${said}, ${(time / base).toFixed(2)}`
}
