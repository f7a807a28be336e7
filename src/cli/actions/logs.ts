import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isForeign } from '../client/foreign.ts'
import { type ByteSink, openSink } from '../client/output.ts'
import { recordPaths } from '../client/record.ts'
import { observe } from '../client/status.ts'
import type { Settings } from '../settings.ts'
import { findRecord } from './containers.ts'

const pollMs = 200
const chunkBytes = 64 * 1024

export async function logs(
  settings: Settings,
  { follow }: { follow: boolean },
  name: string,
): Promise<number> {
  const record = findRecord(settings, name)
  if (isForeign(record)) throw new KataError('LOG_ELSEWHERE', { name })
  if (!record.detached) throw new KataError('LOG_NOT_KEPT', { name })
  const { stdoutLog, stderrLog } = recordPaths(settings.stateDir, record.namespace, record.id)
  const tails = [new Tail(stdoutLog, openSink(1)), new Tail(stderrLog, openSink(2))]
  const copyAll = async () => {
    for (const tail of tails) await tail.copy()
  }
  try {
    await copyAll()
    while (follow && !(await hasEnded(settings, name))) {
      await Bun.sleep(pollMs)
      await copyAll()
    }
    await copyAll()
    return 0
  } finally {
    for (const tail of tails) tail.close()
  }
}

async function hasEnded(settings: Settings, name: string): Promise<boolean> {
  try {
    const { status } = await observe(findRecord(settings, name))
    return status === 'stopped' || status === 'dead'
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return true
    throw error
  }
}

/** Copies what a growing file has got since the last time. */
class Tail {
  readonly #path: string
  readonly #sink: ByteSink
  readonly #buffer = Buffer.alloc(chunkBytes)
  #fd: number | undefined

  constructor(path: string, sink: ByteSink) {
    this.#path = path
    this.#sink = sink
  }

  async copy(): Promise<void> {
    // The shim makes the file when the process starts.
    if (this.#fd === undefined && existsSync(this.#path)) this.#fd = openSync(this.#path, 'r')
    if (this.#fd === undefined) return
    for (;;) {
      const bytes = readSync(this.#fd, this.#buffer)
      if (bytes === 0) return
      await this.#sink.write(this.#buffer.slice(0, bytes))
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }
}
