/** Runs a short administrative tool of the system to its end. Programs that stay need an owner that waits for them. */
import { outputUntil } from './child-output.ts'
import { toolDirectories } from './which.ts'

export interface ToolResult {
  /** Exit code; null when a signal (or our deadline) ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `argv[0]` is an absolute path. The tool gets no input and a minimal environment, and dies at the deadline. */
export async function runTool(
  argv: readonly string[],
  options: { timeoutMs?: number; signal?: AbortSignal; env?: Readonly<Record<string, string>> } = {},
): Promise<ToolResult> {
  const { timeoutMs = 30_000, signal } = options
  const child = Bun.spawn({
    cmd: [...argv],
    cwd: '/',
    env: { PATH: toolDirectories.join(':'), LC_ALL: 'C', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  })
  const [stdout, stderr] = await Promise.all([
    outputUntil(child.stdout, child.exited),
    outputUntil(child.stderr, child.exited),
  ])
  return { code: child.exitCode, stdout, stderr }
}
