/** Runs the Debian tools: waited for, with a deadline, in the C locale, with their failures as coded errors. */
import { KataError } from '../errors.ts'

export interface ToolRun {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** What every tool of one build shares. */
export interface ToolContext {
  readonly signal?: AbortSignal | undefined
  /** Environment of the tools: their search path, proxies and apt's configuration come from it. */
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface ToolOptions extends ToolContext {
  readonly cwd?: string
  /** Milliseconds until the tool is killed. */
  readonly timeout: number
  /** Called with each piece of standard output as it comes. */
  readonly onOutput?: (text: string) => void
}

/** What to do when a tool is missing; all but xz belong to every Debian system. */
const hints: Record<string, string> = { xz: 'Install it: apt-get install xz-utils.' }

/**
 * Runs a tool to its end and returns what it said, whatever its exit code.
 *
 * @throws KataError IMAGE_TOOL_MISSING; IMAGE_TOOL_FAILED when the deadline passes; the signal's reason when aborted.
 */
export async function runTool(argv: readonly [string, ...string[]], options: ToolOptions): Promise<ToolRun> {
  const [tool] = argv
  options.signal?.throwIfAborted()
  if (Bun.which(tool, { PATH: options.env.PATH ?? '' }) === null)
    throw new KataError('IMAGE_TOOL_MISSING', {
      tool,
      hint: hints[tool] ?? 'The guest image can be built on Debian and its relatives only.',
    })
  const child = Bun.spawn([...argv], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { ...options.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    timeout: options.timeout,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  const [stdout, stderr, code] = await Promise.all([
    readText(child.stdout, options.onOutput),
    child.stderr.text(),
    child.exited,
  ])
  options.signal?.throwIfAborted()
  if (child.signalCode !== null)
    throw new KataError('IMAGE_TOOL_FAILED', {
      tool,
      reason: `it was ended by ${child.signalCode}; its deadline is ${options.timeout / 1000} s`,
    })
  return { stdout, stderr, code }
}

async function readText(
  stream: ReadableStream<Uint8Array>,
  onText?: (text: string) => void,
): Promise<string> {
  const decoder = new TextDecoder()
  let all = ''
  for await (const bytes of stream) {
    const text = decoder.decode(bytes, { stream: true })
    all += text
    onText?.(text)
  }
  return all + decoder.decode()
}

/**
 * {@link runTool}, for tools whose failure ends the build. `path` is where it writes, for the message about a full disk.
 *
 * @throws KataError also IMAGE_DISK_FULL, IMAGE_TOOL_FAILED.
 */
export async function mustRunTool(
  argv: readonly [string, ...string[]],
  path: string,
  options: ToolOptions,
): Promise<string> {
  const { stdout, stderr, code } = await runTool(argv, options)
  if (code === 0) return stdout
  if (isDiskFull(stderr)) throw new KataError('IMAGE_DISK_FULL', { path })
  throw new KataError('IMAGE_TOOL_FAILED', { tool: argv[0], reason: lastLine(stderr) || `exit code ${code}` })
}

/** Whether a tool's words mean ENOSPC or EDQUOT. */
export function isDiskFull(stderr: string): boolean {
  return /No space left on device|Disk quota exceeded|don't have enough free space/.test(stderr)
}

/** The last line with text, which in Debian's tools is the one that says what failed. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}
