/** Opens the standard streams of a process as its client named them. */
import type { OutputStream } from '../../sandbox/guest/guest-process.ts'
import {
  checkLoggingProgram,
  isLoggingProgram,
  type LoggedProcess,
  type LoggingProgram,
  startLoggingProgram,
} from './logging-program.ts'
import { type InputSource, type OutputSink, openInput, openOutput } from './stdio.ts'

/** Standard streams by URI, as the client named them. */
export interface Stdio {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
  readonly terminal: boolean
  /** The client reads the outputs from the beginning, and no other reader follows: see {@link openOutput}. Default false. */
  readonly isAttached?: boolean
}

export interface Streams {
  readonly sinks: readonly (readonly [OutputStream, OutputSink])[]
  readonly input: InputSource | undefined
  /** Resolves once the logging programs have ended, some time after the process. */
  readonly logged: Promise<unknown>
}

/** Refuses unusable logging programs before there is a process. @throws KataError STDIO_INVALID. */
export function checkStreams({ stdout, stderr }: Pick<Stdio, 'stdout' | 'stderr'>): void {
  for (const uri of [stdout, stderr]) if (isLoggingProgram(uri)) checkLoggingProgram(uri)
}

/** Opens all streams or none. `inputReturns`: see {@link openInput}. @throws KataError STDIO_INVALID. */
export async function openStreams(
  stdio: Stdio,
  process: LoggedProcess,
  inputReturns?: () => () => boolean,
): Promise<Streams> {
  const { stdin, terminal, isAttached, ...uris } = stdio
  // A terminal has only one stream.
  const wanted: OutputStream[] = terminal ? ['stdout'] : ['stdout', 'stderr']
  const sinks: [OutputStream, OutputSink][] = []
  const programs = new Map<string, LoggingProgram>()
  try {
    for (const stream of wanted) {
      const uri = uris[stream]
      if (isLoggingProgram(uri) && !programs.has(uri))
        programs.set(uri, await startLoggingProgram(uri, process))
      sinks.push([stream, programs.get(uri)?.[stream] ?? openOutput(uri, isAttached)])
    }
    const input = openInput(stdin, inputReturns)
    for (const [uri, program] of programs)
      leaveUnused(
        wanted.filter((stream) => uris[stream] === uri),
        program,
      )
    return { sinks, input, logged: Promise.all([...programs.values()].map(({ ended }) => ended)) }
  } catch (error) {
    for (const [, sink] of sinks) void sink.close().catch(() => {})
    for (const program of programs.values()) leaveUnused([], program)
    throw error
  }
}

/** Ends those of the program's streams that are not used. */
function leaveUnused(used: readonly OutputStream[], program: LoggingProgram): void {
  for (const stream of ['stdout', 'stderr'] as const)
    if (!used.includes(stream)) void program[stream].close().catch(() => {})
}
