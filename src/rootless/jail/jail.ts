/** Starts one confined process from a launch description. */
import { KataError } from '../../errors.ts'
import { withSmallPages } from '../../linux/processes/huge-pages.ts'
import { type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { signalProcess } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { lastWords } from '../../plain-text.ts'
import { deadline } from '../../time.ts'
import { landlockProblem, requireLandlock } from '../filters/landlock.ts'
import { exitOf } from './exit-of.ts'
import { jailCommand, stepMarker } from './jail-command.ts'
import { planJail } from './jail-plan.ts'
import { buildJailRoot } from './jail-root.ts'
import { type ExitInfo, exitWords, type JailedProcess, type LaunchSpec } from './launch-spec.ts'
import { requireLockable } from './locked-memory.ts'
import { outputSince, outputSize, waitForProgram } from './program-start.ts'
import { startedBy } from './waiter.ts'

export interface LaunchOptions {
  /** How long the confinement may take, milliseconds. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** The output in `spec.output` so far, for an output that is no regular file and that only its owner can read. */
  readonly said?: () => Promise<string>
}

/**
 * Resolves once the program itself runs, confined: with only the descriptors given, an empty environment, its own
 * mount, pid, ipc, uts and network namespaces, a minimal root, the ids asked for, no other capability, no new privileges,
 * Landlock unless the launch accepts a host without it, and a filter that allows only the system calls of the description. It is the first
 * process of its pid namespace, and killed when its waiter ends, which is killed when the thread that called this ends
 * (the main thread, as Bun.spawn forks on the calling one). Both are in a session of their own, so that no terminal
 * reaches them.
 *
 * The jail's files in the state directory go away with that directory. When this throws, nothing runs.
 *
 * @throws KataError JAIL_SPEC_INVALID, JAIL_TOOL_MISSING, JAIL_MEMORY_LOCK, JAIL_NO_LANDLOCK, or JAIL_FAILED with the step and the end of its stderr.
 */
export async function launch(
  spec: LaunchSpec,
  log: Logger,
  options: LaunchOptions = {},
): Promise<JailedProcess> {
  const { timeoutMs = 10_000, signal } = options
  signal?.throwIfAborted()
  if (spec.lockedMemoryMiB !== undefined) requireLockable(spec.program, spec.lockedMemoryMiB)
  const plan = planJail(spec)
  const command = jailCommand(plan, buildJailRoot(spec.stateDir, plan, spec.syscalls), spec)
  const landlock = requireLandlock(spec, await landlockProblem())
  signal?.throwIfAborted()
  const outputStart = outputSize(spec.output)
  const started = performance.now()
  const jail = spawnJail(command, spec)
  const stop = deadline(timeoutMs, signal)
  stop.addEventListener('abort', jail.kill)
  try {
    const said = options.said ?? (async () => outputSince(spec.output, outputStart))
    const { ref, step, tail } = await programIn(jail, plan.program, said)
    const { waiter } = jail
    if (ref === undefined || waiter === undefined) {
      jail.kill()
      const exit = await jail.exited
      signal?.throwIfAborted()
      throw new KataError('JAIL_FAILED', {
        program: spec.program,
        step,
        exit: exitWords(exit),
        detail: lastWords(await tail()),
      })
    }
    const ms = Math.round(performance.now() - started)
    log.debug('confined', { pid: ref.pid, program: plan.program, ms })
    return { ref, exited: jail.exited, waiter, landlock }
  } catch (error) {
    jail.kill()
    await jail.exited
    throw error
  } finally {
    stop.removeEventListener('abort', jail.kill)
  }
}

/** The processes between us and the program. */
interface Jail {
  /** Undefined when it has ended already. */
  readonly waiter: ProcessRef | undefined
  readonly stderr: ReadableStream<Uint8Array>
  readonly exited: Promise<ExitInfo>
  kill(): void
}

function spawnJail(cmd: string[], spec: LaunchSpec): Jail {
  const stdout = spec.stdout === undefined ? [] : [spec.stdout]
  const start = () =>
    Bun.spawn({
      cmd,
      cwd: '/',
      env: {},
      detached: true,
      stdio: [spec.stdin ?? 'ignore', spec.output, 'pipe', ...spec.fds, ...stdout],
    })
  const child = spec.smallPages ? withSmallPages(start) : start()
  const waiter = processRef(child.pid)
  return {
    waiter,
    stderr: child.stderr,
    exited: exitOf(child),
    kill: () => {
      try {
        // A process that was just started may not have set its parent-death signal yet.
        const started = waiter && startedBy(waiter)
        if (started !== undefined) signalProcess(started, 'SIGKILL')
      } catch {
        // Without a descriptor to name it by, that signal has to do.
      }
      child.kill('SIGKILL')
    },
  }
}

/** The program once it runs, confined; else the step at which that failed, and what was said to it. */
async function programIn(
  { waiter, stderr, exited }: Jail,
  program: string,
  said: () => Promise<string>,
): Promise<{ ref: ProcessRef | undefined; step: string; tail: () => Promise<string> }> {
  // The set-up's stderr comes before the program's own.
  const setup = splitSteps(await new Response(stderr).text())
  const isConfined = setup.step === 'confine'
  const tail = async () => (isConfined ? await said() : setup.stderr)
  const runs = waiter !== undefined && isConfined
  return {
    ref: runs ? await waitForProgram(waiter, program, exited, tail) : undefined,
    step: setup.step,
    tail,
  }
}

/** The last step announced (`unshare` before any) and what was said besides. */
function splitSteps(text: string): { step: string; stderr: string } {
  let step = 'unshare'
  const rest: string[] = []
  for (const line of text.split('\n')) {
    const marker = stepMarker.exec(line)
    if (marker === null) rest.push(line)
    else step = marker[1] ?? step
  }
  return { step, stderr: rest.join('\n') }
}
