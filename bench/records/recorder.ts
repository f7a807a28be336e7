/** Writes down what benchmarks measure while the machine is quiet, and refuses to while it is not. */
import { relative } from 'node:path'
import { commitOf } from '../../setup/commit.ts'
import { root } from '../../setup/paths.ts'
import type { Result } from '../report.ts'
import { busyLimit, loadAverage, readTicks, sampleBusy, sharesBetween } from './busy.ts'
import type { BenchmarkName } from './names.ts'
import { type Conditions, type Machine, recordOf, recordsDir, writeRecord } from './record.ts'

export interface RecorderOptions {
  /** Records figures of a busy machine too, and says so in them. */
  readonly takesBusy: boolean
  readonly directory?: string
  /** Share of all processors that others take now; for tests. */
  readonly sample?: () => Promise<number>
}

export class Recorder {
  /** What was measured and not written, each a sentence. */
  readonly refused: string[] = []
  readonly #takesBusy: boolean
  readonly #directory: string
  readonly #sample: () => Promise<number>
  /** The last sample. */
  #busy = 0

  constructor({ takesBusy, directory = recordsDir, sample = sampleBusy }: RecorderOptions) {
    this.#takesBusy = takesBusy
    this.#directory = directory
    this.#sample = sample
  }

  /** Looks how busy the machine is; whether a record may begin. */
  async isFit(): Promise<boolean> {
    this.#busy = await this.#sample()
    return this.#takesBusy || this.#busy <= busyLimit
  }

  /** Why nothing is recorded, with the remedy. */
  refusal(): string {
    return `other work takes ${percent(this.#busy)} of the processors, and records are made at ${percent(busyLimit)} at most: end it, or record with --busy, which the page will say`
  }

  /** Runs the benchmark between two looks at the machine, and writes its record when both found it quiet. */
  async measure(benchmark: BenchmarkName, machine: Machine, run: () => Promise<Result>): Promise<Result> {
    const before = { busy: this.#busy, load: loadAverage(), ticks: readTicks() }
    const result = await run()
    const { stolen } = sharesBetween(before.ticks, readTicks())
    const load = { start: before.load, end: loadAverage() }
    this.#busy = await this.#sample()
    const wasBusy = Math.max(before.busy, this.#busy) > busyLimit
    if (wasBusy && !this.#takesBusy) {
      this.refused.push(
        `${benchmark} is not recorded: ${percent(before.busy)} of the processors were busy before it and ${percent(this.#busy)} after it`,
      )
      return result
    }
    const conditions: Conditions = {
      date: `${new Date().toISOString().slice(0, 16)}Z`,
      commit: commitOf().name,
      machine,
      load,
      busy: { start: before.busy, end: this.#busy },
      stolen,
      ...(wasBusy && { wasBusy }),
    }
    const path = writeRecord(recordOf(benchmark, result, conditions), this.#directory)
    process.stderr.write(`  recorded in ${relative(root, path)}; \`npm run docs\` puts it into the page\n`)
    return result
  }
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
