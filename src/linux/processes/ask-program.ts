/** Programs that are only asked something about themselves, such as their version: no reason to run them as root. */
import { closeSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { outputUntil } from './child-output.ts'
import { findTool, toolDirectories } from './which.ts'

export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The user nobody, without groups and capabilities. */
const nobody = [
  ...['--reuid', '65534', '--regid', '65534', '--clear-groups', '--no-new-privs'],
  ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--'],
]

/**
 * Runs `argv[0]`, a path, with an empty environment. Under root it runs as nobody, who needs no way to the path, only the
 * right to execute the file.
 *
 * @throws KataError JAIL_TOOL_MISSING for root without setpriv(1); ErrnoException when it cannot be opened, or is not executable for the caller.
 */
export async function askProgram(argv: readonly string[], timeoutMs = 5000): Promise<Answer> {
  const [path = '', ...args] = argv
  const isRoot = process.getuid?.() === 0
  const setpriv = isRoot ? findTool('setpriv') : undefined
  if (isRoot && setpriv === undefined)
    throw new KataError('JAIL_TOOL_MISSING', { tool: 'setpriv', directories: toolDirectories.join(', ') })
  const fd = setpriv === undefined ? undefined : openSync(path, 'r')
  try {
    const cmd = setpriv === undefined ? [path, ...args] : [setpriv, ...nobody, '/proc/self/fd/3', ...args]
    const child = Bun.spawn({
      cmd,
      cwd: '/',
      env: {},
      // Its own session has no terminal: it could read what is typed at root's, and type there.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const [stdout, stderr, code] = await Promise.all([
      outputUntil(child.stdout, child.exited),
      outputUntil(child.stderr, child.exited),
      child.exited,
    ])
    return { code, stdout, stderr }
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
