import { hasReader } from '../../../linux/files/has-reader.ts'
import { plainJson, plainText } from '../../../plain-text.ts'
import type { HostEvent } from '../../../sandbox/records/event-log.ts'
import { isMemberNamespace } from '../../../sandbox/records/member-namespace.ts'
import { sleep } from '../../../time.ts'
import { EventReader } from '../../client/events.ts'
import { abortOnInterruption, catchSignals, Interrupted } from '../../client/signals.ts'
import type { EventsFlags } from '../../commands/look/events.ts'
import { compileTemplate } from '../../output/template/template.ts'
import { parseEventFilters } from '../../parse/event-filter.ts'
import { parseMoment } from '../../parse/moment.ts'
import type { Settings } from '../../settings.ts'

const pollMs = 200
/** How long events are printed before signals get a turn, milliseconds. There may be many events, and a template may be slow. */
const turnMs = 50

/** Prints events until `--until`, a signal, or the end of its reader. Without `--since` and `--until`, it begins with the next event. */
export async function events(settings: Settings, flags: EventsFlags): Promise<number> {
  const since = flags.since === undefined ? undefined : parseMoment(flags.since, '--since')
  const until = flags.until === undefined ? undefined : parseMoment(flags.until, '--until')
  const passes = parseEventFilters(flags.filter ?? [])
  const print = printer(settings)
  const isOurs = ({ namespace }: HostEvent) =>
    flags.allNamespaces === true || namespace === settings.namespace || seesAll(settings, namespace)
  const isInTime = ({ at }: HostEvent) => at >= (since ?? at) && at <= (until ?? at)
  const isWanted = (event: HostEvent) => isOurs(event) && isInTime(event) && passes(event)
  const reader = new EventReader(settings.stateDir, since !== undefined || until !== undefined)
  const signals = catchSignals()
  // Racing each sleep against a promise of the first signal would leave a handler on that promise five times a second.
  const interrupted = abortOnInterruption(signals)
  let turnAt = performance.now() + turnMs
  try {
    for (;;) {
      // Decided before the read, so that the last read gets every event up to `--until`.
      const isOver = until !== undefined && Date.now() > until
      for (const event of reader.read()) {
        if (!isWanted(event)) continue
        if (!print(event)) return 0
        if (performance.now() < turnAt) continue
        await sleep(0, interrupted)
        turnAt = performance.now() + turnMs
      }
      // Where nothing happens no write would tell that the reader has gone.
      if (isOver || !hasReader(1)) return 0
      await sleep(pollMs, interrupted)
    }
  } catch (error) {
    if (error instanceof Interrupted) return 0
    throw error
  } finally {
    signals.release()
    reader.close()
  }
}

/** All users share the images, but a member of the service's group does not see what others pull. */
const seesAll = (settings: Settings, namespace: string): boolean =>
  namespace === '' && !isMemberNamespace(settings.namespace)

function printer({ format, template: text, print }: Settings): (event: HostEvent) => boolean {
  const template = text === undefined ? undefined : compileTemplate(text)
  if (template !== undefined) return (event) => print(`${template.render(dockerEvent(event))}\n`)
  if (format === 'json') return (event) => print(`${plainJson(dockerEvent(event))}\n`)
  return (event) => print(`${sentence(event)}\n`)
}

/** `2026-01-02T15:04:05.000Z container start web (image=busybox, name=web)`, as docker writes it. */
function sentence({ at, type, action, id, attributes }: HostEvent): string {
  const facts = Object.entries(attributes).map(([name, value]) => `${name}=${value}`)
  return plainText(`${new Date(at).toISOString()} ${type} ${action} ${id} (${facts.sort().join(', ')})`)
}

/** The event with docker's fields and our namespace. The attributes have no prototype, because a template may name any attribute. */
function dockerEvent({ at, type, action, namespace, id, attributes }: HostEvent) {
  return {
    status: action,
    id,
    from: attributes.image ?? '',
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: Object.assign(Object.create(null), attributes) },
    scope: 'local',
    time: Math.floor(at / 1000),
    timeNano: at * 1e6,
    Namespace: namespace,
  }
}
