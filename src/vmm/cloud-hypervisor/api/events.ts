/**
 * What Cloud Hypervisor reports on `--event-monitor`: JSON objects, each followed by an empty line. It comes from a
 * process that may be hostile, so an event has a limit, and whatever is none ends the reading.
 */
import { asObject, asText, parseJson, protocolError } from '../../monitor/answers.ts'

export interface MonitorEvent {
  /** `vm` or `vmm`. */
  readonly source: string
  /** For instance `booted`. */
  readonly event: string
}

/** Bytes of one event; real ones have some hundred. */
const maxEventBytes = 16 * 1024
const separator = '\n\n'

export class EventReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The events that `bytes` complete. @throws KataError VMM_PROTOCOL. */
  push(bytes: Uint8Array): MonitorEvent[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const events: MonitorEvent[] = []
    for (let end = this.#rest.indexOf(separator); end >= 0; end = this.#rest.indexOf(separator)) {
      this.#limit(end)
      const text = this.#rest.toString('utf8', 0, end)
      this.#rest = this.#rest.subarray(end + separator.length)
      if (text.trim() !== '') events.push(parse(text))
    }
    this.#limit(this.#rest.length)
    return events
  }

  #limit(size: number): void {
    if (size > maxEventBytes) throw protocolError(`an event of more than ${maxEventBytes} bytes`)
  }
}

function parse(text: string): MonitorEvent {
  const { source, event } = asObject(parseJson(text), 'an event')
  return { source: asText(source, 'source'), event: asText(event, 'event') }
}
