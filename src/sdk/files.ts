/** Files in a sandbox. */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { resolve } from 'node:path'
import { type CommandWords, callToEnd } from './call.ts'
import { SandboxError } from './error.ts'
import type { ExecOptions, ExecResult } from './exec.ts'
import type { InputData } from './input.ts'
import { modeWord } from './options.ts'

export interface ListedFile {
  readonly name: string
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  /** Bytes. */
  readonly size: number
  /** Permissions, 0o755 for instance. */
  readonly mode: number
  readonly modified: Date
}

export interface WriteOptions {
  /** Permissions; default what the sandbox's umask leaves. */
  readonly mode?: number
  readonly signal?: AbortSignal
}

type Limits = Pick<ExecOptions, 'signal' | 'maxOutputBytes'>

/**
 * Reads and writes files with the sandbox's own programs, as its root: `cat`, `sh`, `find` and `stat`, and `tar` for whole trees. Their
 * output is not trusted.
 */
export interface Files {
  /** The content of a file, at most `maxOutputBytes` (default 64 MiB). @throws SandboxError SDK_GUEST_FILE_FAILED, SDK_OUTPUT_TOO_LARGE. */
  read(path: string, options?: Limits): Promise<Uint8Array>
  /** The same as UTF-8. @throws SandboxError as `read`. */
  readText(path: string, options?: Limits): Promise<string>
  /**
   * Writes or replaces a file, and makes the directories above it. What was there stays as it was until all of the content is in the sandbox, so
   * replacing a file takes room for both. Of chunks whose program is killed meanwhile (SIGKILL) what came counts as all; of text and bytes it does
   * not.
   *
   * @throws SandboxError SDK_GUEST_FILE_FAILED; OPTION_INVALID for a mode that is none.
   */
  write(path: string, data: InputData, options?: WriteOptions): Promise<void>
  /** The entries of a directory, sorted by name. @throws SandboxError SDK_GUEST_FILE_FAILED. */
  list(path: string, options?: Limits): Promise<ListedFile[]>
  /**
   * Copies a file or directory of the host into the sandbox: into `path` if that is a directory, otherwise to `path` itself.
   *
   * @throws SandboxError COPY_FAILED.
   */
  copyIn(hostPath: string, path: string): Promise<void>
  /**
   * Copies a file or directory out of the sandbox. On the host it replaces nothing but a file by a file. The copies belong to the user who
   * runs `kata-ts`: to root, with sudo.
   *
   * @throws SandboxError COPY_FAILED, COPY_TARGET; COPY_UNSAFE when the sandbox tries to write elsewhere.
   */
  copyOut(path: string, hostPath: string): Promise<void>
}

type Exec = (command: readonly string[], options: ExecOptions) => Promise<ExecResult>

/**
 * What is there is touched once all of the content is: it comes into a file beside it first, called `$3`, unless the place takes none, as /proc/sys,
 * or belongs to a device. Only a new one takes that file itself, as a rename would change the owner, break links, and fail for a mounted file. Of a
 * writer that was killed only the end of the input is seen: `$4` is how many bytes there are to be, if that is known.
 */
const writeScript = `directory=$(dirname -- "$1")
mkdir -p -- "$directory" || exit
part="$directory/$3"
if { [ -e "$1" ] && [ ! -f "$1" ]; } || ! (: > "$part") 2>/dev/null; then
  cat > "$1" || exit
else
  trap 'rm -f -- "$part"' EXIT
  cat > "$part" || exit
  if [ -n "$4" ] && [ "$(($(wc -c < "$part")))" -ne "$4" ]; then
    echo 'the content ended early' >&2
    exit 1
  fi
  if [ -e "$1" ] || [ -L "$1" ]; then cat -- "$part" > "$1"; else mv -f -- "$part" "$1"; fi || exit
fi
[ -z "$2" ] || chmod -- "$2" "$1"`
/** What a killed {@link writeScript} has left. */
const forgetScript = 'rm -f -- "$(dirname -- "$1")/$2"'
const forgetMs = 15_000
/** For each file a line of `stat`, then its path, then a NUL: a path may hold newlines. */
const listScript =
  'cd -- "$1" && exec find . -mindepth 1 -maxdepth 1 -exec sh -c \'for p; do stat -c "%f %s %Y" -- "$p" && printf "%s\\\\0" "$p"; done\' sh {} +'

/** What steers a terminal, or turns the direction of writing. */
const unfit = /[\p{Cc}\p{Bidi_Control}]/gu

export function filesOf(words: CommandWords, name: string, exec: Exec): Files {
  /** Paths are those of the root directory, whichever the image's working directory is. */
  const run = async (path: string, command: readonly string[], options: ExecOptions) => {
    const result = await exec(command, { ...options, user: '0:0', cwd: '/' })
    if (result.exitCode === 0) return result
    const line = result.errorText.trim().split('\n').at(-1) ?? ''
    const said = line === '' ? `exit code ${result.exitCode}` : line.replace(unfit, ' ').slice(-500).trim()
    throw new SandboxError('SDK_GUEST_FILE_FAILED', `${path} of the sandbox: ${said}`, {
      fields: { path },
    })
  }
  const read = async (path: string, options: Limits = {}) =>
    (await run(path, ['cat', '--', path], options)).stdout
  return {
    read,
    readText: async (path, options) => new TextDecoder().decode(await read(path, options)),
    async write(path, data, { mode, signal } = {}) {
      signal?.throwIfAborted()
      const permissions = mode === undefined ? '' : modeWord(mode)
      const length =
        typeof data === 'string' || data instanceof Uint8Array ? `${Buffer.byteLength(data)}` : ''
      const part = `.kata-ts-${randomUUID()}.part`
      try {
        await run(path, ['sh', '-c', writeScript, 'sh', path, permissions, part, length], {
          stdin: data,
          ...(signal === undefined ? {} : { signal }),
        })
      } catch (error) {
        const endedItself = error instanceof SandboxError && error.code === 'SDK_GUEST_FILE_FAILED'
        const forget = ['sh', '-c', forgetScript, 'sh', path, part]
        if (!endedItself) await run(path, forget, { timeoutMs: forgetMs }).catch(() => {})
        throw error
      }
    },
    async list(path, options = {}) {
      const { text } = await run(path, ['sh', '-c', listScript, 'sh', path], options)
      return parseList(text)
    },
    async copyIn(hostPath, path) {
      await callToEnd(words, ['cp', absolute(hostPath), `${name}:${path}`])
    },
    async copyOut(path, hostPath) {
      await callToEnd(words, ['cp', `${name}:${path}`, absolute(hostPath)])
    },
  }
}

/** Keeps an end that means the content of a directory, or that there has to be one. */
const absolute = (path: string): string => `${resolve(path)}${/\/\.?$/.exec(path)?.[0] ?? ''}`

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants
const types = new Map<number, ListedFile['type']>([
  [S_IFREG, 'file'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'symlink'],
])

/** Pure. Malformed entries are left out: the sandbox may send anything. */
function parseList(text: string): ListedFile[] {
  const files = text.split('\0').flatMap((entry) => {
    const found = /^([0-9a-f]+) (\d+) (-?\d+)\n\.\/([^/]+)$/s.exec(entry)
    if (found === null) return []
    const [, mode = '', size, seconds, name = ''] = found
    const bits = Number.parseInt(mode, 16)
    return [
      {
        name,
        type: types.get(bits & S_IFMT) ?? 'other',
        size: Number(size),
        mode: bits & 0o7777,
        modified: new Date(Number(seconds) * 1000),
      } as const,
    ]
  })
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}
