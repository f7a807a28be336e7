/**
 * Starts Firecracker by its jailer, in namespaces of its own.
 *
 * The jailer leaves Firecracker to itself (`--new-pid-ns`): nobody would wait for it, and nothing would end it when we die.
 * So all of it happens in a pid namespace around. Two processes stand there as long as Firecracker does, and only sleep: the
 * holder dies with us, the first process of the namespace dies with the holder, and the kernel then ends everything in
 * there. The kernel lets nobody end by his own end whom he may not kill: so the holder stays root, with CAP_KILL, until the
 * first process has become the user. Neither waits for anybody once it sleeps, so that how Firecracker ended can still be read. Before that the first
 * process is a shell, which takes whatever has ended: a Firecracker that ended at once may leave no exit code.
 */
import { constants } from 'node:os'
import { KataError } from '../../errors.ts'
import { type Capability, capabilityMask } from '../../linux/processes/capabilities.ts'
import {
  childrenOf,
  isAlive,
  type ProcessRef,
  processRef,
  readStatus,
  zombieStatus,
} from '../../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../../linux/processes/signal.ts'
import type { LaunchOptions } from '../../rootless/jail/jail.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { jailShell, jailTool } from '../../rootless/jail/jail-tools.ts'
import { type ExitInfo, exitWords, type LaunchedProcess } from '../../rootless/jail/launch-spec.ts'
import { enterPodScore } from '../../rootless/jail/oom-score.ts'
import { deadline, sleep, until } from '../../time.ts'

/** What the jailer's work takes, and the holder's; Firecracker has none of them, but they stay in its bounding set. */
const jailerCapabilities: readonly Capability[] = [
  'chown',
  'dac_override',
  'kill',

  'mknod',
  'setgid',
  'setuid',
  'sys_admin',
  'sys_chroot',
]

/** As the kernel shows the bounding set of what the jailer starts. */
export const jailerBoundingSet = capabilityMask(jailerCapabilities).toString(16).padStart(16, '0')

/** How long it may take until Firecracker runs, milliseconds. */
const startMs = 10_000
/** How long the first process may take to go with the holder, milliseconds. */
const firstMs = 1000
/** How often it is looked at when nothing else tells of its end, milliseconds. */
const lookMs = 250

/**
 * Runs as root, with new namespaces; in that of pids are its children only. It starts the first of them, and waits for our word that this is
 * the user by now; then it sleeps. What sleeps has the sandbox's own user, and so no capability; that user cannot reach it, as it sees only its
 * own namespace.
 */
const holderScript = `
set -eu
setpriv=$1 sleep=$2 user=$3 shell=$4 first=$5
shift 5
ulimit -c ${jailLimits.core}
ulimit -p ${jailLimits.nproc}
${enterPodScore}
cd /
# The shell exports where it is.
unset PWD OLDPWD
"$setpriv" --pdeathsig KILL -- "$shell" -c "$first" sh "$setpriv" "$sleep" "$user" "$shell" "$@" </dev/null &
# The end of our output is that of the others.
exec >/dev/null 2>&1 3>&- 4>&-
read -r word
exec "$setpriv" --reuid "$user" --regid "$user" --clear-groups --pdeathsig KILL -- \\
  "$sleep" infinity </dev/null
`

/** Runs as the sandbox's user. The line `jailed` on our own stderr tells that the jailer has done its work. */
const sleepScript = 'unset PWD OLDPWD; echo jailed >&2; exec "$1" infinity </dev/null >/dev/null 2>&1'

/**
 * Runs as root, as the first process of the namespace of pids. Descriptor 3 is Firecracker's stdout, 4 its stderr. A change of user
 * forgets with whom a process dies, so nothing is told before that is asked for again.
 */
const firstScript = `
set -eu
setpriv=$1 sleep=$2 user=$3 shell=$4 sleepScript=$5
shift 5
echo kata > /proc/sys/kernel/hostname
unset PWD OLDPWD
"$@" >&3 2>&4 3>&- 4>&-
exec "$setpriv" --reuid "$user" --regid "$user" --clear-groups --pdeathsig KILL -- \\
  "$shell" -c "$sleepScript" sh "$sleep" 3>&- 4>&-
`

export interface JailerLaunch {
  /** The sandbox's own. */
  readonly uid: number
  readonly jailer: string
  readonly args: readonly string[]
  /** Descriptors for Firecracker's own output. */
  readonly stdout: number
  readonly stderr: number
}

export interface JailedFirecracker extends LaunchedProcess {
  /** What stands around it. */
  readonly around: { readonly holder: ProcessRef; readonly first: ProcessRef }
  /** Has it looked at now: something of it has ended. */
  look(): void
}

/** @throws KataError JAIL_TOOL_MISSING, JAIL_FAILED with what jailer or Firecracker said; nothing runs then. */
export async function launchByJailer(
  launch: JailerLaunch,
  { signal, said, timeoutMs = startMs }: LaunchOptions,
): Promise<JailedFirecracker> {
  signal?.throwIfAborted()
  const child = Bun.spawn({
    cmd: command(launch),
    cwd: '/',
    env: {},
    stdio: ['pipe', 'ignore', 'pipe', launch.stdout, launch.stderr],
    detached: true,
  })
  const holder = processRef(child.pid)
  const kill = () => {
    try {
      // One that has just been started may not have asked yet to go with its parent.
      for (const first of holder === undefined ? [] : childrenOf(holder)) signalProcess(first, 'SIGKILL')
      child.kill('SIGKILL')
    } catch {
      // No descriptor is free to look with. Whoever is not seen would be left, so it is tried again.
      void sleep(lookMs).then(kill)
    }
  }
  const stop = deadline(timeoutMs, signal)
  stop.addEventListener('abort', kill)
  try {
    const { complaints, jailed } = await untilJailed(child.stderr)
    const first = holder && childrenOf(holder)[0]
    // What the jailer has left to it.
    const ref = first && childrenOf(first)[0]
    if (ref !== undefined) {
      tell(child.stdin)
      await until(() => isUser(holder!, launch.uid), { timeoutMs: firstMs })
      return watched(ref, child, { holder: holder!, first: first! })
    }
    const seen = jailed ? 'it ended before it was looked at' : first && (await howEnded(first))
    kill()
    await child.exited
    signal?.throwIfAborted()
    const detail = `${complaints}${(await said?.()) ?? ''}`.trim().slice(-500) || 'it said nothing'
    const exit = seen ?? child.signalCode ?? `exit code ${child.exitCode}`
    throw new KataError('JAIL_FAILED', { program: launch.jailer, step: 'jailer', exit, detail })
  } finally {
    stop.removeEventListener('abort', kill)
  }
}

/** A holder that has been killed meanwhile is told in vain. */
function tell(stdin: Bun.FileSink): void {
  const ignored = () => {}
  Promise.resolve(stdin.write('jailed\n')).catch(ignored)
  Promise.resolve(stdin.end()).catch(ignored)
}

/** What was said until the jailer has done its work, or until all of it is over. */
async function untilJailed(
  stderr: ReadableStream<Uint8Array>,
): Promise<{ complaints: string; jailed: boolean }> {
  const decoder = new TextDecoder()
  const mark = /^jailed\n?$/m
  let text = ''
  for await (const chunk of stderr) {
    text += decoder.decode(chunk, { stream: true })
    if (mark.test(text)) return { complaints: text.replace(mark, ''), jailed: true }
  }
  return { complaints: text, jailed: false }
}

const isUser = ({ pid }: ProcessRef, uid: number): boolean =>
  readStatus(`/proc/${pid}/status`)?.get('Uid')?.startsWith(`${uid}\t`) ?? false

/** The holder sleeps on when the jailer has failed; the first process ends as the jailer did. */
async function howEnded(first: ProcessRef): Promise<string | undefined> {
  await waitGone(first, firstMs)
  const status = zombieStatus(first)
  return status === undefined ? undefined : exitWords(exitOf(status))
}

function command({ jailer, args, uid }: JailerLaunch): string[] {
  const [setpriv, shell] = [jailTool('setpriv'), jailTool(jailShell)]
  const bounding = jailerCapabilities.map((name) => `+${name}`).join(',')
  return [
    ...[setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all'],
    ...[`--bounding-set=-all,${bounding}`, '--clear-groups', '--'],
    ...[jailTool('unshare'), '--pid', '--net', '--ipc', '--uts', '--'],
    ...[shell, '-c', holderScript, 'sh', setpriv, jailTool('sleep'), `${uid}`, shell, firstScript],
    ...[sleepScript, jailer, ...args],
  ]
}

function watched(
  ref: ProcessRef,
  holder: Bun.Subprocess,
  around: JailedFirecracker['around'],
): JailedFirecracker {
  let told = new AbortController()
  const gone = async () => {
    while (isAlive(ref)) {
      // What tells of an end comes a moment before it.
      await sleep(lookMs, told.signal).catch(() => sleep(1))
      if (told.signal.aborted) told = new AbortController()
    }
  }
  const exited = (async (): Promise<ExitInfo> => {
    await Promise.race([gone(), holder.exited])
    const status = zombieStatus(ref)
    holder.kill('SIGKILL')
    await holder.exited
    await gone()
    // With it goes all that is left in the namespace.
    await waitGone(around.first, firstMs)
    return status === undefined ? { code: null, signal: null } : exitOf(status)
  })()
  return { ref, around, exited, look: () => told.abort() }
}

/** From what wait(2) gives. */
export function exitOf(status: number): ExitInfo {
  const number = status & 0x7f
  if (number === 0) return { code: (status >> 8) & 0xff, signal: null }
  const names = Object.entries(constants.signals) as [NodeJS.Signals, number][]
  return { code: null, signal: names.find(([, known]) => known === number)?.[0] ?? null }
}
