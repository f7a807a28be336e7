/**
 * Decompression of what strangers packed, by gzip(1) or zstd(1) in a jail. A decompressor is much code without memory safety that reads
 * hostile bytes. Here it has a user of its own, a root with its libraries alone, no network and a limit of memory. Its posture is read back before it
 * gets the first byte, and all that it can do is to answer with other bytes.
 */
import { closeSync, mkdirSync, readdirSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { makeThreePipes } from '../linux/files/pipe.ts'
import { removeTree } from '../linux/files/remove-tree.ts'
import { findTool } from '../linux/processes/which.ts'
import { silentLogger } from '../log.ts'
import { lastWords } from '../plain-text.ts'
import { confine } from '../rootless/confine.ts'
import { fileSyscalls } from '../rootless/filters/base-syscalls.ts'
import { throwAwayUid } from '../rootless/identity/throw-away-uid.ts'
import { type ExitInfo, exitWords } from '../rootless/jail/launch-spec.ts'
import { within } from '../time.ts'
import { passThrough, readNow } from './pass-through.ts'
import { isAbandoned, unfinishedName } from './unfinished.ts'

export type Compression = 'gzip' | 'zstd'

export interface DecompressOptions {
  /** Root's alone. The jail's files are in it meanwhile. */
  readonly directory: string
  readonly signal?: AbortSignal | undefined
}

/** The bytes are not what they should be. The message says why, in the decompressor's words. */
export class CompressionError extends Error {}

/** Both take several members or frames, one after the other. */
const programs: Readonly<Record<Compression, readonly string[]>> = {
  gzip: ['-dc'],
  zstd: ['-dcq'],
}
/** A frame of Zstandard may ask for a window of 128 MiB, which is the most that zstd(1) takes. */
const addressSpaceMiB = 1024
/** How long it may take to end once its output has ended, milliseconds. */
const endMs = 5000

/**
 * The content of `packed`, of which no more is read than the decompressor takes.
 *
 * @throws CompressionError; KataError DECOMPRESSOR_MISSING, JAIL_*, POSTURE_DIFFERS; what `packed` throws; the signal's reason. No
 *   process is left then, nor when the caller stops earlier.
 */
export async function* decompressed(
  packed: AsyncIterable<Uint8Array>,
  compression: Compression,
  { directory, signal = new AbortController().signal }: DecompressOptions,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted()
  const program = findTool(compression)
  if (program === undefined) throw new KataError('DECOMPRESSOR_MISSING', { program: compression })
  await using job = await makeDirectory(directory)
  const [input, output, words] = makeThreePipes(['write', 'read', 'read'])
  const open = new Set([input, output, words].flatMap(({ read, write }) => [read, write]))
  const close = (...fds: readonly number[]) => {
    for (const fd of fds) if (open.delete(fd)) closeSync(fd)
  }
  const ledger = new Ledger(`${job.path}/ledger.jsonl`, [processResource], silentLogger)
  try {
    const { exited } = await confine(ledger, {
      name: compression,
      spec: {
        program,
        args: programs[compression],
        identity: identity(),
        stdin: input.read,
        stdout: output.write,
        // A pipe holds 64 KiB, which is the most that it can say.
        output: words.write,
        fds: [],
        paths: [],
        syscalls: { allowed: fileSyscalls },
        addressSpaceMiB,
        // Its root holds nothing that Landlock could keep from it.
        landlock: 'best-effort',
        stateDir: job.path,
      },
      posture: { seccompFilters: 1 },
      stateDir: job.path,
      log: silentLogger,
      signal,
    }).finally(() => close(input.read, output.write, words.write))
    const ends = { to: input.write, from: output.read, endInput: () => close(input.write) }
    yield* passThrough(packed, ends, signal)
    close(input.write, output.read)
    await requireSuccess(compression, exited, words.read)
  } finally {
    close(...open)
    await ledger.releaseAll()
  }
}

function identity() {
  const uid = throwAwayUid()
  return { name: 'decompressor', uid, gid: uid, groups: [] }
}

async function makeDirectory(directory: string): Promise<AsyncDisposable & { readonly path: string }> {
  const base = `${directory}/decompressing`
  mkdirSync(base, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(base)) if (isAbandoned(name)) await removeTree(`${base}/${name}`)
  const path = `${base}/${unfinishedName('making')}`
  mkdirSync(path, { mode: 0o700 })
  return { path, [Symbol.asyncDispose]: () => removeTree(path) }
}

async function requireSuccess(
  compression: Compression,
  exited: Promise<ExitInfo>,
  words: number,
): Promise<void> {
  const damaged = (why: string) => new CompressionError(`its ${compression} compression is damaged (${why})`)
  const exit = await within(exited, endMs)
  if (exit?.code === 0) return
  const said = readNow(words, Buffer.alloc(4096))?.toString() ?? ''
  if (said !== '') throw damaged(reasonIn(said))
  throw damaged(exit === undefined ? 'the decompressor does not end' : exitWords(exit))
}

/** The first line, without the names of program and file. For gzip(1) what follows the end is only a warning. */
const reasonIn = (said: string) =>
  lastWords(
    said
      .trim()
      .replace(/\n.*/s, '')
      .replace(/^[^:]*: [^:]*: /, ''),
  ).replace('decompression OK, trailing garbage ignored', 'something else follows it')
