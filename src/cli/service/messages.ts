/**
 * What a command line and the service tell each other. The command line sends a request with its standard streams. The service may ask for
 * files, which the command line opens with its own rights, and for variables. Behind `go` there are single bytes: signals for the
 * command one way, its exit code the other.
 */
import { list, needed, record } from '../../json/compounds.ts'
import { choice, exactly, text, textUpTo, uint32 } from '../../json/values.ts'
import type { FrameLimits } from './frame.ts'

export const protocolVersion = 1

/** From a command line, with three descriptors: standard input, output and error output. */
export interface Request {
  readonly version: typeof protocolVersion
  /** Without the program. */
  readonly argv: readonly string[]
}

/**
 * From the service: `read` wants a file to read, `location` a place (O_PATH), `create` a new file to write, `env` the value of a
 * variable; `go` wants nothing more, and `refused` ends it.
 */
export interface Ask {
  readonly ask: 'read' | 'location' | 'create' | 'env' | 'go' | 'refused'
  /** A path, the name of a variable, or why it is refused. */
  readonly name: string
  /** The exit code of what is refused. */
  readonly code?: number
}

/** From a command line: a descriptor comes with it, or it has a value, or it says why not; a variable may have no value. */
export interface Answer {
  /** Such as ENOENT. */
  readonly errno?: string
  readonly value?: string
}

export const readRequest = record<Request>({
  version: needed(exactly(protocolVersion)),
  argv: needed(list(text, 4096)),
})

export const readAsk = record<Ask>({
  ask: needed(choice('read', 'location', 'create', 'env', 'go', 'refused')),
  name: needed(text),
  code: uint32,
})

export const readAnswer = record<Answer>({ errno: textUpTo(32), value: text })

export const requestLimits: FrameLimits = { maxBytes: 1 << 20, maxFds: 3, timeoutMs: 5000 }
/** A file may lie on a slow disk. */
export const answerLimits: FrameLimits = { maxBytes: 256 * 1024, maxFds: 1, timeoutMs: 30_000 }
/** Of asks: how long a command takes to be allowed depends on the service's own work. */
export const askLimits: FrameLimits = { maxBytes: 256 * 1024, maxFds: 0, timeoutMs: 60_000 }
