/**
 * The service: root's, on a socket that a group may connect to. It reads nothing that users send. A worker is always waiting for the
 * next connection; the service decides whether its user may have one more, and starts the next worker.
 */

import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { systemTool } from '../../linux/processes/which.ts'
import { isListening, listenUnix } from '../../linux/sockets/socket.ts'
import { sleep, until } from '../../time.ts'
import { catchSignals, Interrupted } from '../client/signals.ts'
import type { ServiceFlags } from '../commands/service.ts'
import { parseWhole } from '../parse/number.ts'
import type { Settings } from '../settings.ts'
import { socketPath } from './socket-path.ts'

/** Commands at the same time, of all users. */
const most = 256
const backlog = 128
/** The pause after a worker that ended without having served, milliseconds. */
const pauseMs = 1000
/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const firstPassed = 3

/** Serves until a signal ends it. Commands that run go on. @throws KataError SERVICE_NO_GROUP, SERVICE_RUNNING. */
export async function service(
  settings: Settings,
  { socket, group, commands }: ServiceFlags,
): Promise<number> {
  const mostOfUser = parseWhole(commands, '--commands', 1, most)
  const gid = await groupId(group)
  const path = socket ?? socketPath(settings.runDir)
  const passed = passedSocket(settings.env)
  const listening = passed ?? (await listen(path, gid))
  const signals = catchSignals()
  const workers = new Workers(settings, { listening, gid, group, mostOfUser })
  try {
    workers.ensureIdle()
    settings.log.info('listens', { path: passed === undefined ? path : 'the socket of systemd', group })
    return await signals.interrupted
  } catch (error) {
    if (error instanceof Interrupted) return 0
    throw error
  } finally {
    workers.stop()
    signals.release()
    closeSync(listening)
    if (passed === undefined) unlinkSync(path)
  }
}

async function groupId(group: string): Promise<number> {
  const { stdout } = await runTool([systemTool('getent'), 'group', group])
  const gid = /^[^:]*:[^:]*:(\d+):/.exec(stdout)?.[1]
  if (gid === undefined) throw new KataError('SERVICE_NO_GROUP', { group })
  return Number(gid)
}

function passedSocket({ LISTEN_PID, LISTEN_FDS }: Settings['env']): number | undefined {
  return LISTEN_PID === String(process.pid) && LISTEN_FDS === '1' ? firstPassed : undefined
}

async function listen(path: string, gid: number): Promise<number> {
  // The idle worker of a service that was killed ends a moment later.
  if (!(await until(() => !isListening(path), { timeoutMs: 2000, everyMs: 50 })))
    throw new KataError('SERVICE_RUNNING', { path })
  if (existsSync(path)) unlinkSync(path)
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
  const fd = listenUnix(path, backlog)
  chownSync(path, 0, gid)
  chmodSync(path, 0o660)
  return fd
}

type Worker = Bun.Subprocess<'pipe', 'pipe', 'inherit'>

class Workers {
  readonly #settings: Settings
  readonly #listening: number
  readonly #gid: number
  readonly #group: string
  readonly #mostOfUser: number
  readonly #ofUser = new Map<number, number>()
  #active = 0
  #idle: Worker | undefined
  #isStopped = false

  constructor(
    settings: Settings,
    {
      listening,
      gid,
      group,
      mostOfUser,
    }: { listening: number; gid: number; group: string; mostOfUser: number },
  ) {
    this.#settings = settings
    this.#listening = listening
    this.#gid = gid
    this.#group = group
    this.#mostOfUser = mostOfUser
  }

  /** Starts a worker unless one waits, or too many are at work: then connections wait in the kernel. */
  ensureIdle(): void {
    if (this.#isStopped || this.#idle !== undefined || this.#active >= most) return
    const { self, env, runDir, stateDir, debug } = this.#settings
    const where = ['--run-dir', runDir, '--state-dir', stateDir, '--log-level', debug ? 'debug' : 'info']
    const { LISTEN_PID: _pid, LISTEN_FDS: _fds, ...rest } = env
    const worker: Worker = Bun.spawn(
      [
        self.program,
        ...self.prefix,
        'service-worker',
        ...where,
        String(this.#gid),
        String(process.pid),
        this.#group,
      ],
      {
        cwd: '/',
        env: rest as Record<string, string>,
        stdio: ['pipe', 'pipe', 'inherit', this.#listening],
        // Signals of the service's terminal are not for the commands of users.
        detached: true,
      },
    )
    this.#idle = worker
    void this.#follow(worker)
  }

  stop(): void {
    this.#isStopped = true
    this.#idle?.kill('SIGTERM')
  }

  async #follow(worker: Worker): Promise<void> {
    const uid = await this.#admit(worker).catch((error) => this.#lose(worker, error))
    if (uid !== undefined) this.#begin(uid)
    if (this.#idle === worker) this.#idle = undefined
    // It ended without having served anybody.
    if (uid === undefined) await sleep(this.#isStopped ? 0 : pauseMs)
    await this.#goOn()
    await worker.exited
    if (uid !== undefined) this.#end(uid)
    await this.#goOn()
  }

  /** Such as one that the kernel killed for want of memory: the service goes on with another. */
  #lose(worker: Worker, error: unknown): undefined {
    this.#settings.log.warn('a worker of the service was lost', { error })
    worker.kill('SIGKILL')
  }

  /** A host that has no process to give may have one later. */
  async #goOn(): Promise<void> {
    for (;;) {
      try {
        return this.ensureIdle()
      } catch (error) {
        this.#settings.log.warn('no worker of the service can be started', { error })
        await sleep(pauseMs)
      }
    }
  }

  /** The user whom the worker serves; undefined when it ended before. */
  async #admit(worker: Worker): Promise<number | undefined> {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of worker.stdout) {
      text += decoder.decode(chunk, { stream: true })
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const uid = Number(line)
        const count = this.#ofUser.get(uid) ?? 0
        worker.stdin.write(count < this.#mostOfUser ? 'go\n' : `busy ${count}\n`)
        await worker.stdin.flush()
        if (count < this.#mostOfUser) return uid
      }
    }
    return undefined
  }

  #begin(uid: number): void {
    this.#active++
    this.#ofUser.set(uid, (this.#ofUser.get(uid) ?? 0) + 1)
  }

  #end(uid: number): void {
    this.#active--
    const left = (this.#ofUser.get(uid) ?? 1) - 1
    if (left === 0) this.#ofUser.delete(uid)
    else this.#ofUser.set(uid, left)
  }
}
