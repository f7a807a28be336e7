/**
 * Runs a tool of the host over files of strangers to its end: a program that reads a root file system, and writes one file. It is a throw-away
 * user in a jail that shows it the files, that one and its libraries. It may read whatever the owners and modes of the files are.
 */
import { chownSync, closeSync, mkdtempSync, realpathSync, writeSync } from 'node:fs'
import { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { makePipe } from '../linux/files/pipe.ts'
import { removeTree } from '../linux/files/remove-tree.ts'
import { outputUntil } from '../linux/processes/child-output.ts'
import type { ToolResult } from '../linux/processes/run-tool.ts'
import { silentLogger } from '../log.ts'
import { deadline, untilAborted } from '../time.ts'
import { confine } from './confine.ts'
import { fileSyscalls, treeSyscalls } from './filters/base-syscalls.ts'
import { throwAwayUid } from './identity/throw-away-uid.ts'
import { jailShell, jailTool } from './jail/jail-tools.ts'
import type { ExitInfo, JailedProcess, JailPath, JailTree, LaunchSpec } from './jail/launch-spec.ts'

export interface ConfinedRun {
  /** Absolute path of the tool on the host. */
  readonly program: string
  readonly args: readonly string[]
  /** The time that it writes as its own, seconds since 1970; absent: that of the clock. */
  readonly sourceDateEpoch?: number
  /** What it reads. */
  readonly tree?: JailTree
  /** Looks at its root directory, by a path of the host, before it begins. What this throws ends the run. */
  readonly check?: (root: string) => void
  /** The file that it writes. It is root's, before and afterwards. */
  readonly disk?: Pick<JailPath, 'source' | 'target'> & {
    /** How large it may become: a file of holes in an image would otherwise fill the host's disk. Whole MiB of it count. */
    readonly mostBytes: number
  }
  /** Files of the host that it reads. */
  readonly files?: readonly string[]
  /** A directory of root's alone, where the jail's files are meanwhile. */
  readonly directory: string
  /** The tool is killed after it, milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Root file systems of millions of files are made in less. A tool that was taken over gets no more of the host. */
const addressSpaceMiB = 4096
/** The most that is kept of what it says. */
const mostBytes = 64 * 1024
/** Becomes the tool once the posture has been compared, as tools do not wait for that. Where we end before, its input does. */
const whenChecked = (sourceDateEpoch?: number) =>
  `read -r go || exit 1; ${sourceDateEpoch === undefined ? '' : `export SOURCE_DATE_EPOCH=${sourceDateEpoch}; `}exec "$@"`

/**
 * @returns as runTool() does; the code is null when a signal or the time limit has ended it.
 * @throws KataError JAIL_*, POSTURE_DIFFERS; what `check` throws; the signal's reason. No process is left then.
 */
export async function runConfined(run: ConfinedRun): Promise<ToolResult> {
  const { directory, timeoutMs, signal } = run
  signal?.throwIfAborted()
  const job = mkdtempSync(`${directory}/run-`)
  const uid = throwAwayUid()
  try {
    if (run.disk !== undefined) chownSync(run.disk.source, uid, uid)
    using stdout = new Output()
    using stderr = new Output()
    const spec = specOf(run, { uid, job, stdout: stdout.fd, stderr: stderr.fd })
    const running = codeOf(spec, deadline(timeoutMs, signal), run.check).finally(() => {
      for (const output of [stdout, stderr]) output.closeFd()
    })
    // Nothing reads the pipes any more when they are closed, also after a failure.
    const ended = running.catch(() => {})
    const [out, err] = await Promise.all([stdout.textUntil(ended), stderr.textUntil(ended)])
    const code = await running
    signal?.throwIfAborted()
    return { code, stdout: out, stderr: err }
  } finally {
    if (run.disk !== undefined) chownSync(run.disk.source, 0, 0)
    await removeTree(job)
  }
}

interface Job {
  readonly uid: number
  /** Its directory. */
  readonly job: string
  readonly stdout: number
  readonly stderr: number
}

function specOf(run: ConfinedRun, { uid, job, stdout, stderr }: Job): Omit<LaunchSpec, 'stdin'> {
  const { program, args, sourceDateEpoch, tree, disk, files = [] } = run
  const tool = realpathSync(program)
  return {
    program: jailTool(jailShell),
    args: ['-c', whenChecked(sourceDateEpoch), 'sh', tool, ...args],
    identity: { name: 'tool', uid, gid: uid, groups: [] },
    capabilities: ['dac_override'],
    syscalls: { allowed: [...fileSyscalls, ...treeSyscalls] },
    paths: [
      { source: tool, target: tool, access: 'execute' },
      ...files.map((path) => ({ source: path, target: path, access: 'read' }) as const),
      ...(disk === undefined
        ? []
        : [{ source: disk.source, target: disk.target, access: 'read-write' } as const]),
    ],
    ...(tree && { tree }),
    stdout,
    output: stderr,
    fds: [],
    addressSpaceMiB,
    fileSizeMiB: disk && Math.ceil(disk.mostBytes / 2 ** 20),
    // Without Landlock it may write to FIFOs of the tree, which a mount that is only read does not refuse, and to nothing else.
    landlock: 'best-effort',
    stateDir: job,
  }
}

/** Runs it to its end, or until `over`. */
async function codeOf(
  spec: Omit<LaunchSpec, 'stdin'>,
  over: AbortSignal,
  check?: (root: string) => void,
): Promise<number | null> {
  const ledger = new Ledger(`${spec.stateDir}/ledger.jsonl`, [processResource], silentLogger)
  let exited: Promise<ExitInfo> | undefined
  using end = untilAborted(over)
  try {
    ;({ exited } = await start(ledger, spec, over, check))
    return (await Promise.race([exited, end.aborted]))?.code ?? null
  } finally {
    await ledger.releaseAll()
    await exited
  }
}

/** Resolves when the shell has become the tool, or is about to. */
async function start(
  ledger: Ledger,
  spec: Omit<LaunchSpec, 'stdin'>,
  signal: AbortSignal,
  check?: (root: string) => void,
): Promise<JailedProcess> {
  const go = makePipe('write')
  try {
    const jailed = await confine(ledger, {
      name: 'tool',
      spec: { ...spec, stdin: go.read },
      posture: { seccompFilters: 1 },
      stateDir: spec.stateDir,
      log: silentLogger,
      signal,
    })
    check?.(`/proc/${jailed.ref.pid}/root`)
    writeSync(go.write, 'go\n')
    return jailed
  } finally {
    for (const fd of [go.read, go.write]) closeSync(fd)
  }
}

/** A pipe for what a program says: a file could be made as large as the host's disk. */
class Output implements Disposable {
  readonly #pipe = makePipe('read')
  #isOpen = true

  /** For the program. */
  get fd(): number {
    return this.#pipe.write
  }

  closeFd(): void {
    if (this.#isOpen) closeSync(this.#pipe.write)
    this.#isOpen = false
  }

  textUntil(ended: Promise<unknown>): Promise<string> {
    return outputUntil(Bun.file(this.#pipe.read).stream(), ended, mostBytes)
  }

  [Symbol.dispose](): void {
    this.closeFd()
    closeSync(this.#pipe.read)
  }
}
