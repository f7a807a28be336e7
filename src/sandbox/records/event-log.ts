/**
 * What happened to containers, images and volumes, as lines of JSON in files of root's: `kata-ts events` reads them. The shim writes of
 * processes, the command line of all else; there is no daemon that would see both.
 */
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dictionary, needed, record } from '../../json/compounds.ts'
import { choice, number, text } from '../../json/values.ts'
import { withBriefLock } from '../../linux/files/directory-lock.ts'
import { endsWithinLine } from '../../linux/files/torn-line.ts'

export interface HostEvent {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly type: 'container' | 'image' | 'volume'
  /** Docker's word: `start`, `die`, `exec_create: sh -c x`, `health_status: healthy`. */
  readonly action: string
  /** Empty for an image: all namespaces have it. */
  readonly namespace: string
  /** The name of the container, image or volume. */
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
}

export const readEvent = record<HostEvent>({
  at: needed(number),
  type: needed(choice('container', 'image', 'volume')),
  action: needed(text),
  namespace: needed(text),
  id: needed(text),
  attributes: needed(dictionary(text)),
})

/** The log is this long at most, and the one before it is kept: bytes. */
const mostBytes = 4 << 20
/** A line is written in one piece, which no other writer divides. */
const mostLineBytes = 64 * 1024

/** The current log, and the one before it. `stateDir`: /var/lib/kata-ts. */
export const eventFiles = (stateDir: string): { current: string; before: string } => ({
  current: `${stateDir}/events/events.jsonl`,
  before: `${stateDir}/events/events.jsonl.1`,
})

/** Never throws, because no command may fail for lack of an event. An event that is too long for a line loses its attributes. */
export function appendEvent(stateDir: string, { at = Date.now(), ...event }: NewEvent): void {
  const whole = `${JSON.stringify({ at, ...event })}\n`
  const isLong = Buffer.byteLength(whole) > mostLineBytes
  const line = isLong ? `${JSON.stringify({ at, ...event, attributes: {} })}\n` : whole
  try {
    write(stateDir, line)
  } catch {
    // The disk is full, or the directory is being removed.
  }
}

export type NewEvent = Omit<HostEvent, 'at'> & { readonly at?: number }

function write(stateDir: string, line: string): void {
  const { current, before } = eventFiles(stateDir)
  const directory = `${stateDir}/events`
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (isFull(current))
    withBriefLock(directory, () => {
      // Another writer may have begun a new log meanwhile.
      if (isFull(current)) renameSync(current, before)
    })
  const fd = openSync(current, 'a+', 0o600)
  try {
    writeSync(fd, endsWithinLine(fd) ? `\n${line}` : line)
  } finally {
    closeSync(fd)
  }
}

const isFull = (path: string): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > mostBytes
