/** crun, the OCI runtime that makes the containers: one short-lived command each time. */
import { remove } from 'os'
import { close, kill, open, spawn, write } from 'syscalls'
import { deadline, internal, precondition } from '../errors.ts'
import type { ProcessStdio, StdioPlan } from '../streams/stdio.ts'
import { openFlags, readIfThere, removeTree, save, set } from '../system/files.ts'
import { within } from '../system/wait.ts'
import { crunFailure } from './crun-failure.ts'
import { lastMessage } from './crun-log.ts'
import { crunEnvironment } from './crun-program.ts'
import type { Reaper } from './reaper.ts'

/** Longer than any command takes; what does not answer by then hangs (a share that is gone, for instance). */
const limitMilliseconds = 55_000

const sigKill = 9
/** The agent's oom_score_adj: that of a first process. */
const ownOomScore = 0n

/** A container process that crun has started for us. */
export interface StartedProcess {
  readonly pid: number
  /** Exit code, or 128 + signal. */
  readonly ended: Promise<number>
  readonly stdio: ProcessStdio
}

export interface Crun {
  /** Makes the container of `bundle` and its init, stopped before exec. @throws TtrpcError with crun's own words. */
  create(id: string, bundle: string, stdio: StdioPlan): Promise<StartedProcess>
  /** Runs a further process; `processFile` holds the OCI process as JSON, but for `oomScoreAdj`, which crun leaves out here. */
  exec(id: string, processFile: string, stdio: StdioPlan, oomScoreAdj: bigint): Promise<StartedProcess>
  /** Lets the init go on to exec. @throws TtrpcError FAILED_PRECONDITION when it has ended before. */
  start(id: string): void
  /** Removes crun's state of a container whose processes have all ended. */
  forget(id: string): void
  /** `resourcesFile` holds OCI `linux.resources` as JSON. */
  update(id: string, resourcesFile: string): Promise<void>
}

/** `program` is crun's path; `directory` takes its state, its logs and pid files, and must be private to the agent. */
export function createCrun(reaper: Reaper, program: string, directory: string): Crun {
  let calls = 0
  const state = `${directory}/state`
  const nowhere = open('/dev/null', openFlags.readWrite, 0)
  const quiet = [nowhere, nowhere, nowhere]

  /** Runs one command to its end. `onStarted` is called as soon as the command has its descriptors. */
  const run = async (
    verb: string,
    args: readonly string[],
    fds: readonly number[],
    onStarted = () => {},
    oomScoreAdj = ownOomScore,
  ): Promise<void> => {
    calls += 1
    const log = `${directory}/log-${calls}`
    const argv = [program, ...globalOptions(state, log), verb, ...args]
    try {
      const pid = startCommand(argv, fds, { log, oomScoreAdj, onStarted })
      const code = await within(reaper.exitOf(pid), limitMilliseconds, () => {
        kill(pid, sigKill)
        return deadline(`crun ${verb} did not end within ${limitMilliseconds} ms`)
      })
      if (code !== 0) throw crunFailure(verb, code, lastMessage(readIfThere(log) ?? ''))
    } finally {
      remove(log)
    }
  }

  const startProcess = (
    verb: string,
    before: readonly string[],
    id: string,
    stdio: StdioPlan,
    oomScoreAdj?: bigint,
  ) =>
    reaper.adopting(async (claim): Promise<StartedProcess> => {
      const pidFile = `${directory}/pid-${calls + 1}`
      try {
        const args = [...before, ...stdio.args, '--pid-file', pidFile, id]
        await run(verb, args, stdio.fds, stdio.started, oomScoreAdj)
      } catch (error) {
        remove(pidFile)
        stdio.abandon()
        throw error
      }
      const pid = Number(readIfThere(pidFile))
      remove(pidFile)
      // A signal to no process goes to the agent's own.
      if (!(pid > 0)) {
        stdio.abandon()
        throw internal(`crun ${verb} ended well and named no process`)
      }
      return await withStdio(pid, claim(pid), stdio)
    })

  return {
    create: (id, bundle, stdio) => startProcess('create', ['--bundle', bundle], id, stdio),
    exec: (id, processFile, stdio, oomScoreAdj) =>
      startProcess('exec', ['--detach', '--process', processFile], id, stdio, oomScoreAdj),
    start: (id) => releaseInit(`${state}/${id}/exec.fifo`),
    forget: (id) => removeTree(`${state}/${id}`),
    update: (id, resourcesFile) => run('update', ['--resources', resourcesFile, id], quiet),
  }
}

const globalOptions = (state: string, log: string): readonly string[] => [
  ...['--root', state],
  ...['--cgroup-manager', 'cgroupfs'],
  ...['--log', `file:${log}`, '--log-format', 'json'],
]

/** A process that runs, with its streams. */
async function withStdio(pid: number, ended: Promise<number>, plan: StdioPlan): Promise<StartedProcess> {
  try {
    return { pid, ended, stdio: plan.finish() }
  } catch (error) {
    // Nobody would know of the process.
    await killUnlessOver(pid, ended)
    throw error
  }
}

/** The number of a process that has been reaped may be another's by now. */
async function killUnlessOver(pid: number, ended: Promise<number>): Promise<void> {
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  // An end that is known is told before this goes on, and none is found out meanwhile.
  await undefined
  if (!isOver) kill(pid, sigKill)
}

/**
 * What `crun start` does, without the 50 ms that its start-up costs under emulation: the init waits for a byte in this
 * pipe (crun's status.c, libcrun_status_write_exec_fifo). There are no hooks to run: the agent passes none on.
 */
function releaseInit(fifo: string): void {
  let fd: number
  try {
    fd = open(fifo, openFlags.writeOnly | openFlags.nonBlock, 0)
  } catch (error) {
    // No such pipe, or nobody reads it.
    throw precondition('the container is not waiting to be started', error)
  }
  remove(fifo)
  write(fd, new Uint8Array(1), 0)
  close(fd)
}

/** What `start` starts has this score, and passes it on to its children. The agent itself is killed by no want of memory. */
function withOomScore<T>(score: bigint, start: () => T): T {
  if (score === ownOomScore) return start()
  set('/proc/self/oom_score_adj', String(score))
  try {
    return start()
  } finally {
    set('/proc/self/oom_score_adj', String(ownOomScore))
  }
}

/** Even a command that cannot be started must not keep our copies of its descriptors open. */
function startCommand(
  argv: readonly string[],
  fds: readonly number[],
  { log, oomScoreAdj, onStarted }: { log: string; oomScoreAdj: bigint; onStarted: () => void },
): number {
  try {
    save(log, '')
    return withOomScore(oomScoreAdj, () => spawn(argv, crunEnvironment, fds))
  } finally {
    onStarted()
  }
}
