/**
 * A TPM of the guest's own, emulated by swtpm in a process that is as confined as the VMM and has a user of its own. An attacker in
 * the VMM has a connection to the TPM, and not its keys. The TPM's contents live as long as the sandbox.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import type { LandlockMode } from '../config/config.ts'
import { KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { checked, libc } from '../linux/libc.ts'
import type { ProcessRef } from '../linux/processes/proc.ts'
import { socketPair } from '../linux/sockets/socket.ts'
import type { Logger } from '../log.ts'
import { confine } from '../rootless/confine.ts'
import { baseSyscalls, directorySyscalls } from '../rootless/filters/base-syscalls.ts'
import type { Identity } from '../rootless/jail/launch-spec.ts'
import { poll } from '../time.ts'

export interface TpmOptions {
  /** The swtpm program. */
  readonly program: string
  /** Its own user, not the VMM's. */
  readonly identity: Identity
  /** That user's directory, for the TPM's state. */
  readonly privateDir: string
  /** Root-owned directory of the sandbox. */
  readonly stateDir: string
  readonly landlock: LandlockMode
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
}

export interface Tpm {
  /** The VMM's end of the control channel; the caller closes it after handing it over. */
  readonly socket: number
  readonly ref: ProcessRef
}

/** Where the jail shows the private directory. */
const statePath = '/state'
/** Filters on every thread: that of the jail and swtpm's own. */
const seccompFilters = 2
const F_SETFL = 4
const { O_NONBLOCK } = constants
/** CMD_GET_CAPABILITY of swtpm's control channel (swtpm_ioctls(3)). */
const getCapability = Uint8Array.of(0, 0, 0, 1)
/** How long its first answer may take, milliseconds; 20 are usual. */
const answerMs = 10_000

/** The arguments: the control channel is descriptor 3, so there is no path to connect to. */
const swtpmArgs: readonly string[] = [
  ...['socket', '--tpm2', '--tpmstate', `dir=${statePath},mode=0600`, '--ctrl', 'type=unixio,clientfd=3'],
  ...['--flags', 'not-need-init,startup-clear', '--seccomp', 'action=kill', '--terminate'],
]

/**
 * Starts swtpm, confined and checked. It ends when the VMM closes the channel.
 *
 * @throws KataError TPM_MISSING, TPM_FAILED, JAIL_*, POSTURE_DIFFERS; no process is left then.
 */
export async function startTpm(ledger: Ledger, options: TpmOptions): Promise<Tpm> {
  const { program, identity, privateDir, stateDir, landlock, log, signal } = options
  if (!existsSync(program)) throw new KataError('TPM_MISSING', { path: program })
  const jailDir = `${stateDir}/tpm`
  mkdirSync(jailDir, { mode: 0o700 })
  const [ours, theirs] = socketPair()
  // Its output is dropped: a swtpm that was taken over must not be able to fill the run directory.
  const output = openSync('/dev/null', 'w')
  const handedOver = new Set([theirs, output])
  const letGo = () => {
    for (const fd of handedOver) closeSync(fd)
    handedOver.clear()
  }
  try {
    const { ref } = await confine(ledger, {
      name: 'swtpm',
      spec: {
        program,
        args: swtpmArgs,
        identity,
        output,
        stateDir: jailDir,
        paths: [{ source: privateDir, target: statePath, access: 'read-write' }],
        fds: [theirs],
        landlock,
        // It keeps the TPM's state in files.
        syscalls: { allowed: [...baseSyscalls, ...directorySyscalls] },
      },
      posture: { seccompFilters, opens: [`${statePath}/`, 'pipe:[', 'anon_inode:'] },
      // While its end is open here as well, nobody hears that swtpm has gone.
      ready: () => {
        letGo()
        return answers(ours, program, signal)
      },
      // The VMM gives it the other end of a data channel.
      working: (checked) => ({ ...checked, sockets: 1 }),
      stateDir,
      log,
      signal,
    })
    return { socket: ours, ref }
  } catch (error) {
    closeSync(ours)
    throw error
  } finally {
    letGo()
  }
}

/** An answer shows that swtpm has loaded all that it needs and set its own filter. @throws KataError TPM_FAILED. */
async function answers(socket: number, program: string, signal: AbortSignal): Promise<void> {
  // The VMM, which gets the socket, sets its own flags.
  checked(libc.fcntl(socket, F_SETFL, O_NONBLOCK), 'fcntl F_SETFL')
  const answered =
    asks(socket) && (await poll(() => answerOf(socket), { timeoutMs: answerMs, everyMs: 2, signal }))
  if (answered === true) return
  const reason = answered === false ? 'it ended' : `it did not answer within ${answerMs / 1000} s`
  throw new KataError('TPM_FAILED', { path: program, reason })
}

/** False when swtpm has gone before. */
function asks(socket: number): boolean {
  try {
    writeSync(socket, getCapability)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
    throw error
  }
}

/** False once swtpm is gone, undefined before an answer. */
function answerOf(socket: number): boolean | undefined {
  try {
    return readSync(socket, Buffer.alloc(64)) > 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? undefined : false
  }
}
