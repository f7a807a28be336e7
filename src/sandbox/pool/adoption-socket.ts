/** The adoption socket of a waiting machine: one of root's in its directory. One line of JSON asks, one line answers. */
import { existsSync } from 'node:fs'
import { dictionary, needed, record } from '../../json/compounds.ts'
import { readText } from '../../json/document.ts'
import { bool, choice, text } from '../../json/values.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { within } from '../../time.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import type { Transport } from '../../ttrpc/transport.ts'
import { poolName, type SandboxPaths, waitingPaths } from '../records/paths.ts'

/** A pod whose shim is being started: what the shim is told at its start, and its environment. */
export interface NewPod {
  /** The build of kata-ts that starts it. */
  readonly build: string
  readonly namespace: string
  readonly id: string
  /** containerd's socket; empty for other clients. */
  readonly address: string
  readonly publishBinary: string
  readonly bundle: string
  readonly debug: boolean
  /** The configuration file that the client names; empty for none. */
  readonly configPath: string
  readonly env: Readonly<Record<string, string>>
}

/** `adopt`: take this pod. `end`: there is to be none. */
export interface Question {
  readonly ask: 'adopt' | 'end'
  /** With `adopt`. */
  readonly pod?: NewPod
}

export interface Answer {
  /** Whether it does what it was asked. */
  readonly done: boolean
  /** Why not; empty when it does. */
  readonly reason: string
}

/** Most bytes of a line. The largest part of a request is an environment. */
const maxLineBytes = 4 * 1024 * 1024

const newPod = record<NewPod>({
  build: needed(text),
  namespace: needed(text),
  id: needed(text),
  address: needed(text),
  publishBinary: needed(text),
  bundle: needed(text),
  debug: needed(bool),
  configPath: needed(text),
  env: needed(dictionary(text)),
})
const question = record<Question>({ ask: needed(choice('adopt', 'end')), pod: newPod })
const answer = record<Answer>({ done: needed(bool), reason: needed(text) })

export const socketOf = ({ stateDir }: Pick<SandboxPaths, 'stateDir'>): string => `${stateDir}/adopt.sock`

/** The sockets of the machines that wait now, by name. A machine that is being made or was taken has none. */
export function adoptionSockets(runDir: string): { readonly id: string; readonly socket: string }[] {
  return namesIn(`${runDir}/${poolName}`)
    .map((id) => ({ id, socket: socketOf(waitingPaths(runDir, id)) }))
    .filter(({ socket }) => existsSync(socket))
}

/**
 * Asks a waiting machine.
 *
 * @throws Error with `code` ECONNREFUSED when nobody is behind it, ECONNRESET when it is closed before it is read, ENOENT when there is none;
 *   Error when the answer does not come within `timeoutMs`; JsonMismatch.
 */
export async function askWaiting(socket: string, asked: Question, timeoutMs: number): Promise<Answer> {
  const transport = await connectUnix(socket)
  try {
    // Where the connection breaks, the answer fails with it, and says so.
    transport.write(lineOf(asked))?.catch(() => {})
    const line = await within(lineFrom(transport), timeoutMs)
    if (line === undefined) throw new Error(`it gave no answer within ${timeoutMs / 1000} s`)
    return readText(answer, line)
  } finally {
    transport.close()
  }
}

/** Answers what one connection asks. `reply` is told whether the asker is still there. */
export async function answerOne(
  transport: Transport,
  reply: (asked: Question, isThere: () => boolean) => Answer,
): Promise<void> {
  let isThere = true
  try {
    const line = await lineFrom(transport, () => {
      isThere = false
    })
    await transport.write(lineOf(reply(readText(question, line), () => isThere)))
  } finally {
    transport.close()
  }
}

const lineOf = (said: Question | Answer): Uint8Array => new TextEncoder().encode(`${JSON.stringify(said)}\n`)

/** The first line. `onClosed` is called at the end of the connection, whenever it comes. */
function lineFrom(transport: Transport, onClosed: () => void = () => {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const chunks: Uint8Array[] = []
  let total = 0
  transport.onData((chunk) => {
    chunks.push(chunk.slice())
    total += chunk.length
    if (total > maxLineBytes) return transport.close(new Error('a line at an adoption socket is too long'))
    if (!chunk.includes(0x0a)) return
    const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n')
    resolve(line)
  })
  transport.onClose((error) => {
    onClosed()
    reject(error ?? new Error('the connection ended without an answer'))
  })
  return promise
}
