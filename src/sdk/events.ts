/** What happens to sandboxes, as it happens. */
import { dictionary, needed, record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { number, text } from '../json/values.ts'
import { type CommandWords, startCall, unexplained } from './call.ts'
import { SandboxError } from './error.ts'
import { timeWord } from './options.ts'

export interface SandboxEvent {
  /** `create`, `start`, `die`, `oom`, `kill`, `stop`, `pause`, `unpause`, `restart`, `rename`, `destroy`, `health_status: healthy`, `exec_create`... */
  readonly action: string
  /** The sandbox's name. */
  readonly name: string
  readonly at: Date
  /** Its labels, `image`, and what belongs to the action: `exitCode` of `die`, `signal` of `kill`. */
  readonly attributes: Readonly<Record<string, string>>
}

export interface EventsQuery {
  /** Also reports events since then; default: only new ones. */
  readonly since?: Date
  /** Ends the events. */
  readonly signal?: AbortSignal
  /** Only of sandboxes with all of these labels. */
  readonly labels?: Readonly<Record<string, string>>
}

interface Line {
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
  readonly timeNano: number
}

const readLine = record<Line>({
  Action: needed(text),
  Actor: needed(record<Line['Actor']>({ ID: needed(text), Attributes: needed(dictionary(text)) })),
  timeNano: needed(number),
})

/** Leaving the loop, or `signal`, ends the call. @throws SandboxError. */
export async function* eventsOf(
  words: CommandWords,
  { since, signal, labels = {} }: EventsQuery,
): AsyncGenerator<SandboxEvent, void, undefined> {
  const from = since === undefined ? [] : ['--since', timeWord('since', since)]
  const flags = ['--format', 'json', '--filter', 'type=container', ...from]
  const { child, result } = await startCall(words, ['events', ...flags])
  child.stdin.end()
  child.stderr.resume()
  const end = () => {
    child.kill('SIGTERM')
    // The caller may not be allowed to signal it (sudo): it ends when its output is closed.
    child.stdout.destroy()
  }
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  try {
    let rest = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const event of lines.map(parse)) if (hasLabels(event, labels)) yield event
    }
    const { exitCode } = await result
    if (exitCode !== 0) throw unexplained(exitCode)
  } catch (error) {
    if (!signal?.aborted) throw error
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
}

const hasLabels = ({ attributes }: SandboxEvent, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([name, value]) => attributes[name] === value)

function parse(line: string): SandboxEvent {
  try {
    const { Action, Actor, timeNano } = readText(readLine, line)
    return { action: Action, name: Actor.ID, at: new Date(timeNano / 1e6), attributes: Actor.Attributes }
  } catch (cause) {
    throw new SandboxError('SDK_ANSWER_MISSING', 'kata-ts events answered something else', { cause })
  }
}
