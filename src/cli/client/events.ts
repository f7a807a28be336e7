/** Writes and reads events of containers, for `kata-ts events`. */
import { closeSync, existsSync } from 'node:fs'
import { readText } from '../../json/document.ts'
import { identityAt, identityOf } from '../../linux/files/file-identity.ts'
import { appendEvent, eventFiles, type HostEvent, readEvent } from '../../sandbox/records/event-log.ts'
import type { Settings } from '../settings.ts'
import { LineReader, openIfThere } from './lines.ts'
import type { ContainerRecord } from './record.ts'

/** Attributes of each event of a container: its labels, image and name, as in docker. */
export const eventAttributes = ({
  id,
  image,
  labels = {},
}: Pick<ContainerRecord, 'id' | 'image' | 'labels'>): Record<string, string> => ({
  ...labels,
  image,
  name: id,
})

/** Notes an event that the command line causes. Never throws. */
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

/** Reads the event log while others write to it and replace it when it is full. */
export class EventReader {
  readonly #current: string
  readonly #before: string
  #fd: number | undefined
  #lines = new LineReader()
  /** The previous log file. A writer that still has it open may add an event. */
  #left: { readonly fd: number; readonly lines: LineReader } | undefined

  /** `fromStart` reads all kept events; otherwise only new ones. */
  constructor(stateDir: string, fromStart: boolean) {
    const { current, before } = eventFiles(stateDir)
    this.#current = current
    this.#before = before
    this.#fd = openIfThere(fromStart ? before : current) ?? openIfThere(current)
    if (!fromStart && this.#fd !== undefined) for (const _ of this.#lines.read(this.#fd));
  }

  /** Events since the last call. Malformed lines are skipped. */
  *read(): Generator<HostEvent> {
    if (this.#left !== undefined) yield* eventsIn(this.#left.lines, this.#left.fd)
    for (;;) {
      this.#fd ??= openIfThere(this.#current)
      if (this.#fd === undefined) return
      // This check comes before reading: after a file was replaced, hardly anything is added to it.
      const isCurrent = identityOf(this.#fd) === identityAt(this.#current, { followed: true })
      yield* eventsIn(this.#lines, this.#fd)
      if (isCurrent || !existsSync(this.#current)) return
      if (this.#left !== undefined) closeSync(this.#left.fd)
      this.#left = { fd: this.#fd, lines: this.#lines }
      this.#fd = this.#missed(this.#fd)
      this.#lines = new LineReader()
    }
  }

  /** The file between the last one read and the current one, if two became full since the last call. */
  #missed(left: number): number | undefined {
    const fd = openIfThere(this.#before)
    if (fd === undefined || identityOf(fd) !== identityOf(left)) return fd
    closeSync(fd)
    return undefined
  }

  close(): void {
    for (const fd of [this.#fd, this.#left?.fd]) if (fd !== undefined) closeSync(fd)
    this.#fd = this.#left = undefined
    this.#lines = new LineReader()
  }
}

function* eventsIn(lines: LineReader, fd: number): Generator<HostEvent> {
  for (const line of lines.read(fd)) {
    const event = parse(line.toString())
    if (event !== undefined) yield event
  }
}

function parse(line: string): HostEvent | undefined {
  try {
    return readText(readEvent, line)
  } catch {
    return undefined
  }
}
