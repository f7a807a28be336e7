/** Notes and reads what happens to containers, for `kata-ts events`. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { readText } from '../../json/document.ts'
import { appendEvent, eventFiles, type HostEvent, readEvent } from '../../sandbox/records/event-log.ts'
import type { Settings } from '../settings.ts'
import type { ContainerRecord } from './record.ts'

/** What each event of a container says of it, as with docker: its labels among it. */
export const eventAttributes = ({
  id,
  image,
  labels = {},
}: Pick<ContainerRecord, 'id' | 'image' | 'labels'>): Record<string, string> => ({
  ...labels,
  image,
  name: id,
})

/** Notes something that the command line does to a container. Never throws. */
export function noteEvent(
  { stateDir }: Pick<Settings, 'stateDir'>,
  record: Pick<ContainerRecord, 'id' | 'namespace' | 'image' | 'labels'>,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const { namespace, id } = record
  const attributes = { ...eventAttributes(record), ...more }
  appendEvent(stateDir, { type: 'container', action, namespace, id, attributes })
}

const newline = 0x0a

/** Reads the log while others write it, and begin a new one when it is full. */
export class EventReader {
  readonly #current: string
  #fd: number | undefined
  #rest: Buffer = Buffer.alloc(0)
  readonly #buffer = Buffer.alloc(64 * 1024)

  /** `fromStart`: all that is kept; otherwise what comes from now on. */
  constructor(stateDir: string, fromStart: boolean) {
    const { current, before } = eventFiles(stateDir)
    this.#current = current
    this.#fd = openIfThere(fromStart ? before : current) ?? openIfThere(current)
    if (!fromStart) for (const _ of this.#drain());
  }

  /** Events since the last call. Lines of another form are skipped. */
  *read(): Generator<HostEvent> {
    for (;;) {
      this.#fd ??= openIfThere(this.#current)
      if (this.#fd === undefined) return
      // Asked first: nothing more comes into a log that is not the current one.
      const isCurrent = fstatSync(this.#fd).ino === inodeOf(this.#current)
      for (const line of this.#drain()) {
        const event = parse(line)
        if (event !== undefined) yield event
      }
      if (isCurrent || inodeOf(this.#current) === undefined) return
      this.close()
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#rest = Buffer.alloc(0)
  }

  *#drain(): Generator<string> {
    if (this.#fd === undefined) return
    for (let count = readSync(this.#fd, this.#buffer); count > 0; count = readSync(this.#fd, this.#buffer)) {
      const bytes = Buffer.concat([this.#rest, this.#buffer.subarray(0, count)])
      let start = 0
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
        yield bytes.subarray(start, end).toString()
        start = end + 1
      }
      this.#rest = bytes.subarray(start)
    }
  }
}

function parse(line: string): HostEvent | undefined {
  try {
    return readText(readEvent, line)
  } catch {
    return undefined
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
