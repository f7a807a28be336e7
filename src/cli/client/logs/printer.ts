/** Prints records of a log on our own two outputs, in their order. */
import type { LogRecord, LogStream } from '../../../sandbox/records/container-log.ts'
import type { ByteSink } from '../output.ts'

/** So much is written at once, bytes. */
const batchBytes = 64 * 1024
const newline = 0x0a

export interface PrinterOptions {
  readonly sinks: Readonly<Record<LogStream, ByteSink>>
  /** Begin each line with its time. */
  readonly timestamps: boolean
  /** What each line begins with. */
  readonly prefix?: string
}

export class LogPrinter {
  readonly #options: PrinterOptions
  readonly #midLine = new Set<LogStream>()

  constructor(options: PrinterOptions) {
    this.#options = options
  }

  /** What two streams wrote stays in its order even where both go to one terminal. @throws what the sinks throw. */
  async print(records: Iterable<LogRecord>): Promise<void> {
    let batch: Uint8Array[] = []
    let size = 0
    let batched: LogStream | undefined
    const flush = async () => {
      if (batched !== undefined && size > 0) await this.#options.sinks[batched].write(Buffer.concat(batch))
      batch = []
      size = 0
    }
    for (const record of records) {
      if (record.stream !== batched || size > batchBytes) await flush()
      batched = record.stream
      for (const bytes of this.#bytesOf(record)) {
        // A reader uses its buffer again.
        batch.push(Buffer.from(bytes))
        size += bytes.length
      }
    }
    await flush()
  }

  #bytesOf({ time, stream, bytes }: LogRecord): Uint8Array[] {
    const begins = !this.#midLine.has(stream)
    if (bytes.at(-1) === newline) this.#midLine.delete(stream)
    else this.#midLine.add(stream)
    const { timestamps, prefix = '' } = this.#options
    const start = begins ? `${prefix}${timestamps ? `${time} ` : ''}` : ''
    return start === '' ? [bytes] : [Buffer.from(start), bytes]
  }
}
