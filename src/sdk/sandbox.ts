import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { deadline, within } from '../time.ts'
import { type PsEntry, readPs } from './answers.ts'
import { type CallResult, type CommandWords, callToEnd, startCall, unexplained } from './call.ts'
import { envLines } from './env.ts'
import { SandboxError } from './error.ts'
import { type EventsQuery, eventsOf, type SandboxEvent } from './events.ts'
import { collect, defaultOutputBytes, type ExecOptions, type ExecResult } from './exec.ts'
import { type Executable, executableWords } from './executable.ts'
import { type Files, filesOf } from './files.ts'
import { unlessFired } from './fired.ts'
import { isImagePath, requireClearImage } from './image.ts'
import { requireNumber, timeWord } from './options.ts'
import { type ProcessOptions, type SandboxProcess, startProcess } from './process.ts'
import { type Snapshot, snapshotNamed } from './snapshot.ts'

/** Which executable to run, and in which namespace. */
export interface RuntimeOptions {
  /**
   * The program, or words such as `['sudo', '-n', 'kata-ts']`. Default: the variable `KATA_TS`, else `kata-ts` on the PATH.
   */
  readonly executable?: Executable
  /** Sandboxes of different namespaces do not see each other; default `default`. */
  readonly namespace?: string
  /** Options that every command of `kata-ts` takes, such as `['--run-dir', '/run/x']`. */
  readonly globalFlags?: readonly string[]
}

export interface VolumeOptions {
  /** A path of the host: a directory, a file, or a disk with `type: 'ext4'`. */
  readonly source: string
  /** A path in the sandbox. */
  readonly target: string
  readonly readOnly?: boolean
  /** The file system of a disk. */
  readonly type?: 'ext4'
}

export interface CreateOptions extends RuntimeOptions {
  /** Default: a random one. */
  readonly name?: string
  /**
   * A name such as `debian:13`, as for `run IMAGE`; or a path that begins with `/` or `.`, such as `./app.tar`, as for `run --image`. Default,
   * if `rootfs` is absent, too: an embedded busybox.
   */
  readonly image?: string
  /** A directory of the host with a root file system, which is never modified. */
  readonly rootfs?: string
  /**
   * The main process. Default: a shell that waits, and reaps orphaned processes. `[]` is the image's own command; words are given to
   * its entry point.
   */
  readonly command?: readonly string[]
  /** Memory limit, `'512M'` or bytes. The machine grows by as much. */
  readonly memory?: string | number
  /** Processors, 1.5 for instance. The machine grows by as many. */
  readonly cpus?: number
  /** Most processes at one time. */
  readonly pids?: number
  /** What `run --network` takes. Default `none`, unlike the command line's; with `allow`, `bridge`. */
  readonly network?: string
  /** What `run --allow` takes, such as `example.org:443`. The sandbox reaches nothing else outside; with `[]` nothing at all. */
  readonly allow?: readonly string[]
  /** Variables of the main process and of `exec`. Other users of the host can see them while the sandbox starts. */
  readonly env?: Readonly<Record<string, string>>
  readonly volumes?: readonly VolumeOptions[]
  /** Labels for `Sandbox.list`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Name or number in the sandbox, for the main process and `exec`. */
  readonly user?: string
  readonly cwd?: string
  readonly hostname?: string
  /** Makes the root file system read-only. */
  readonly readOnly?: boolean
  /**
   * A snapshot, or its name: everything that ran in it continues in a machine of its own, in place of an image and a command. Allowed
   * beside it are `name`, `timeoutMs`, `signal` and the options of the runtime.
   */
  readonly from?: string | Snapshot
  /** Further options of `kata-ts run`, as on its command line. */
  readonly flags?: readonly string[]
  /** Longest time of the start, milliseconds. After it, the sandbox is removed and the call fails with SDK_TIMED_OUT. */
  readonly timeoutMs?: number
  /** Aborts the start: the sandbox is removed, and the call rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface AttachOptions extends RuntimeOptions {}

export interface ListOptions extends RuntimeOptions {
  /** Only sandboxes with all of these labels. */
  readonly labels?: Readonly<Record<string, string>>
}

export interface StopOptions {
  /** How long the main process may take to end before it is killed, milliseconds, in whole seconds; default 10 s. */
  readonly timeoutMs?: number
}

export interface LogsOptions {
  /** Only this many of the last lines. */
  readonly tail?: number
  readonly since?: Date
  readonly until?: Date
  /** Most bytes of both outputs together; default 64 MiB. A log with more is refused with SDK_OUTPUT_TOO_LARGE. */
  readonly maxOutputBytes?: number
}

export interface SandboxLogs {
  /** What the main process wrote to standard output, as UTF-8. */
  readonly text: string
  /** To standard error. */
  readonly errorText: string
}

export interface EventsOptions extends RuntimeOptions, EventsQuery {}

/** What `kata-ts ps` knows of a sandbox. */
export interface ListedSandbox {
  readonly name: string
  /** `created`, `creating`, `running`, `paused`, `restarting`, `suspended`, `stopped`, or `dead` when its shim was killed. */
  readonly status: string
  /** Null while it runs. */
  readonly exitCode: number | null
  readonly image: string
  readonly command: readonly string[]
  readonly createdAt: Date
  readonly labels: Readonly<Record<string, string>>
  /** `kvm` or `tcg`: the second is slow, and no wall against hostile code. Null when no machine runs. */
  readonly accelerator: string | null
}

const randomName = (): string => `sdk-${randomUUID().slice(0, 13)}`

/** Waits as process 1, ends at SIGTERM, and reaps what is left of other commands. */
const idle = ['-c', 'trap "exit 0" TERM INT; while :; do sleep 86400 & wait $!; done']

/**
 * A sandbox: a container in a virtual machine of its own. It outlives this program unless you dispose it, by `await using` or `kill()`.
 */
export class Sandbox implements AsyncDisposable {
  readonly name: string
  /** Warnings of the runtime at the start: walls that are off, emulation in place of KVM. */
  readonly warnings: readonly string[]
  readonly files: Files
  readonly #words: CommandWords
  readonly #isOwn: boolean
  /** Those that have not ended, also those that are being started. */
  readonly #processes = new Set<Promise<SandboxProcess>>()

  private constructor(
    words: CommandWords,
    name: string,
    more: { isOwn: boolean; warnings: readonly string[] },
  ) {
    this.#words = words
    this.name = name
    this.#isOwn = more.isOwn
    this.warnings = more.warnings
    this.files = filesOf(words, name, (command, options) => this.exec(command, options))
  }

  /**
   * Starts a sandbox, which exists until it is disposed or killed.
   *
   * @throws SandboxError any code of `kata-ts run`; SDK_TIMED_OUT. Throws the reason of `signal`.
   */
  static async create(options: CreateOptions = {}): Promise<Sandbox> {
    const { signal, timeoutMs, name = randomName() } = options
    signal?.throwIfAborted()
    requireClearImage(options.image)
    const words = wordsOf(options)
    requireNumber('timeoutMs', timeoutMs)
    const begunAt = Date.now()
    const late = timeoutMs === undefined ? undefined : deadline(timeoutMs)
    const { child, result } = await startCall(words, [
      'run',
      ...runFlags(name, options),
      ...commandOf(options),
    ])
    child.stdin.end()
    child.stdout.resume()
    child.stderr.resume()
    const started = await unlessFired(result, [late, signal])
    if (started !== 'cut' && started.exitCode !== 0) throw unexplained(started.exitCode)
    if (started !== 'cut') return new Sandbox(words, name, { isOwn: true, warnings: started.warnings })
    child.kill('SIGTERM')
    // What went wrong first is told in any case.
    const left = await undo(words, { name, begunAt }, result).then(
      () => undefined,
      (error: Error) => error,
    )
    if (signal?.aborted) throw signal.reason
    throw tooLate(name, timeoutMs, left)
  }

  /**
   * A running sandbox, by its name. Disposing this object ends the commands that it started, but not the sandbox.
   *
   * @throws SandboxError CONTAINER_NOT_FOUND, CONTAINER_NOT_RUNNING.
   */
  static async attach(name: string, options: AttachOptions = {}): Promise<Sandbox> {
    const found = (await Sandbox.list(options)).find((listed) => listed.name === name)
    if (found === undefined) throw new SandboxError('CONTAINER_NOT_FOUND', `there is no sandbox ${name}`)
    if (found.status !== 'running')
      throw new SandboxError('CONTAINER_NOT_RUNNING', `sandbox ${name} is ${found.status}, not running`)
    return new Sandbox(wordsOf(options), name, { isOwn: false, warnings: [] })
  }

  /**
   * A sandbox by its name, in any state: a stopped one can be started again. Disposing this object does not end the sandbox, as with
   * {@link Sandbox.attach}.
   *
   * @throws SandboxError CONTAINER_NOT_FOUND.
   */
  static async get(name: string, options: AttachOptions = {}): Promise<Sandbox> {
    if (!(await Sandbox.list(options)).some((listed) => listed.name === name))
      throw new SandboxError('CONTAINER_NOT_FOUND', `there is no sandbox ${name}`)
    return new Sandbox(wordsOf(options), name, { isOwn: false, warnings: [] })
  }

  /**
   * Reports what happens to the sandboxes of the namespace, as it happens. To end it, leave the loop or fire `signal`.
   *
   * @throws SandboxError.
   */
  static events(options: EventsOptions = {}): AsyncGenerator<SandboxEvent, void, undefined> {
    return eventsOf(wordsOf(options), options)
  }

  /** All sandboxes of the namespace, in every state, including those that the SDK did not make. */
  static async list(options: ListOptions = {}): Promise<ListedSandbox[]> {
    const filters = Object.entries(options.labels ?? {}).flatMap(([key, value]) => [
      '--filter',
      `label=${key}=${value}`,
    ])
    const { stdout } = await callToEnd(wordsOf(options), ['ps', '--format', 'json', ...filters])
    return answered(() => readPs(stdout)).map(
      ({ id, status, exitCode = null, image, command, createdAt, labels, accelerator = null }) => ({
        name: id,
        status,
        exitCode,
        image,
        command,
        labels,
        accelerator,
        createdAt: new Date(createdAt),
      }),
    )
  }

  /**
   * Runs a command to its end. A non-zero exit code is a result, not an error.
   *
   * @throws SandboxError COMMAND_NOT_FOUND, CONTAINER_NOT_RUNNING, SDK_TIMED_OUT, SDK_OUTPUT_TOO_LARGE...; the reason of `signal`.
   */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    requireNumber('maxOutputBytes', options.maxOutputBytes)
    await using process = await this.spawn(command, options)
    return await collect(process, options)
  }

  /** Starts a command and gives its streams. Later failures reject `exitCode`. @throws SandboxError; the reason of `signal`. */
  async spawn(command: readonly string[], options: ProcessOptions = {}): Promise<SandboxProcess> {
    const starting = startProcess(this.#words, this.name, command, options)
    this.#processes.add(starting)
    const forget = () => this.#processes.delete(starting)
    starting.then(({ exitCode }) => exitCode).then(forget, forget)
    return starting
  }

  /**
   * Asks the main process to end, and kills it after the time-out. This ends the machine; files, record and name stay until `kill()`.
   */
  async stop({ timeoutMs }: StopOptions = {}): Promise<void> {
    requireNumber('timeoutMs', timeoutMs)
    const time = timeoutMs === undefined ? [] : ['--time', String(Math.ceil(Math.max(timeoutMs, 0) / 1000))]
    await callToEnd(this.#words, ['stop', ...time, this.name])
  }

  /** Starts a stopped sandbox again, in a new machine with its files. Does nothing if it runs. @throws SandboxError. */
  async start(): Promise<void> {
    await callToEnd(this.#words, ['start', this.name])
  }

  /**
   * Saves everything that runs in the sandbox; the sandbox goes on. docs/how-to/suspend.md says which sandboxes can be saved.
   *
   * @throws SandboxError CHECKPOINT_REFUSED, SNAPSHOT_EXISTS.
   */
  async snapshot(name = randomName()): Promise<Snapshot> {
    await callToEnd(this.#words, ['snapshot', 'create', this.name, name])
    return snapshotNamed(this.#words, name)
  }

  /** Starts a copy that continues from the current state of this sandbox, which goes on, too. @throws SandboxError CHECKPOINT_REFUSED. */
  async fork(name = randomName()): Promise<Sandbox> {
    const { warnings } = await callToEnd(this.#words, ['fork', this.name, name])
    return new Sandbox(this.#words, name, { isOwn: true, warnings })
  }

  /** Saves the sandbox with everything that runs in it, and ends its machine until {@link Sandbox.resume}. @throws SandboxError CHECKPOINT_REFUSED. */
  async suspend(): Promise<void> {
    await callToEnd(this.#words, ['suspend', this.name])
  }

  /** Continues a suspended sandbox, in a new machine under another user. @throws SandboxError CONTAINER_NOT_SUSPENDED, CHECKPOINT_*. */
  async resume(): Promise<void> {
    await callToEnd(this.#words, ['resume', this.name])
  }

  /**
   * The output of the main process.
   *
   * @throws SandboxError SDK_OUTPUT_TOO_LARGE; LOG_NOT_KEPT for one that an earlier version ran in a terminal.
   */
  async logs({
    tail,
    since,
    until,
    maxOutputBytes = defaultOutputBytes,
  }: LogsOptions = {}): Promise<SandboxLogs> {
    requireNumber('maxOutputBytes', maxOutputBytes)
    const flags = [
      ...(tail === undefined ? [] : ['--tail', String(tail)]),
      ...(since === undefined ? [] : ['--since', timeWord('since', since)]),
      ...(until === undefined ? [] : ['--until', timeWord('until', until)]),
    ]
    const words = ['logs', ...flags, this.name]
    const { stdout: text, stderr: errorText } = await callToEnd(this.#words, words, maxOutputBytes)
    return { text, errorText }
  }

  /** Ends the sandbox at once, and removes all its files. Does nothing if it is gone already. */
  async kill(): Promise<void> {
    await remove(this.#words, this.name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOwn) return this.kill()
    const ends = [...this.#processes].map((starting) =>
      // One that cannot be started has told its caller.
      starting.then(
        (process) => process[Symbol.asyncDispose](),
        () => {},
      ),
    )
    await Promise.all(ends)
  }
}

function tooLate(name: string, timeoutMs: number | undefined, left: Error | undefined): SandboxError {
  const message = `sandbox ${name} did not start within ${timeoutMs} ms`
  if (left === undefined) return new SandboxError('SDK_TIMED_OUT', message)
  const remedy = `Remove it, if it is there: kata-ts rm --force ${name}.`
  const whole = `${message}, and could not be removed: ${left.message}. ${remedy}`
  return new SandboxError('SDK_TIMED_OUT', whole, { remedy, cause: left })
}

function answered<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new SandboxError('SDK_ANSWER_MISSING', 'kata-ts ps answered something else', { cause })
  }
}

function wordsOf({ executable, namespace, globalFlags = [] }: RuntimeOptions): CommandWords {
  const words = executableWords(executable, process.env)
  return [...words, ...globalFlags, ...(namespace === undefined ? [] : ['--namespace', namespace])]
}

function runFlags(name: string, options: CreateOptions): string[] {
  const { image, rootfs, memory, cpus, pids, env, volumes = [], labels, user, cwd } = options
  const { hostname, readOnly, from, flags = [] } = options
  const value = (flag: string, given: string | number | undefined) =>
    given === undefined ? [] : [flag, String(given)]
  const pairs = (flag: string, given: Readonly<Record<string, string>> = {}) =>
    Object.entries(given).flatMap(([key, word]) => [flag, `${key}=${word}`])
  return [
    ...['--detach', '--name', name],
    ...value('--from', typeof from === 'object' ? from.name : from),
    ...value('--image', image !== undefined && isImagePath(image) ? image : undefined),
    ...value('--rootfs', rootfs === undefined ? undefined : resolve(rootfs)),
    ...value('--memory', memory),
    ...value('--cpus', cpus),
    ...value('--pids-limit', pids),
    ...networkFlags(options),
    ...value('--user', user),
    ...value('--workdir', cwd),
    ...value('--hostname', hostname),
    ...(readOnly ? ['--read-only'] : []),
    ...envLines(env).flatMap((line) => ['--env', line]),
    ...pairs('--label', labels),
    ...volumes.flatMap(volumeFlags),
    ...flags,
  ]
}

/** Untrusted code gets a network only if the caller asks for one. */
function networkFlags({ network, allow, from }: CreateOptions): string[] {
  // A snapshot keeps its network.
  if (from !== undefined && network === undefined && allow === undefined) return []
  if (allow === undefined) return ['--network', network ?? 'none']
  return ['--network', network ?? 'bridge', '--deny-all', ...allow.flatMap((host) => ['--allow', host])]
}

/** `--mount` takes any path, but no file system. */
function volumeFlags({ source, target, readOnly, type }: VolumeOptions): string[] {
  if (type !== undefined) {
    const words = readOnly ? [type, 'ro'] : [type]
    return ['--volume', `${resolve(source)}:${target}:${words}`]
  }
  const fields = ['type=bind', `source=${resolve(source)}`, `target=${target}`]
  return ['--mount', [...fields, ...(readOnly ? ['readonly'] : [])].map(csvField).join(',')]
}

const csvField = (field: string): string => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)

/** The image's name is the first word, and the `--` is for a command without one. */
function commandOf({ command, image, from }: CreateOptions): string[] {
  if (from !== undefined)
    return [...(image === undefined || isImagePath(image) ? [] : [image]), ...(command ?? [])]
  const first = image === undefined || isImagePath(image) ? '--' : image
  return command === undefined ? ['--entrypoint', 'sh', first, ...idle] : [first, ...command]
}

/** How long a start that was given up may take to end by itself until what is there of it is removed, milliseconds, and how often. */
const undoMs = 10_000
const undoTimes = 12

/** Takes away what a start has made that was given up. Not everybody may signal the program that makes it (sudo). */
async function undo(
  words: CommandWords,
  { name, begunAt }: { name: string; begunAt: number },
  result: Promise<CallResult>,
): Promise<void> {
  const ended = result.then(
    () => true,
    () => true,
  )
  for (let times = 0; times < undoTimes; times++) {
    const isOver = (await within(ended, undoMs)) !== undefined
    // One that was there before has the name, and the start would have failed.
    const { stdout } = await callToEnd(words, ['ps', '--format', 'json'])
    const isIts = ({ id, createdAt }: PsEntry) => id === name && Date.parse(createdAt) >= begunAt
    if (answered(() => readPs(stdout)).some(isIts)) await remove(words, name)
    if (isOver) return
  }
}

async function remove(words: CommandWords, name: string): Promise<void> {
  await callToEnd(words, ['rm', '--force', name]).catch((error: unknown) => {
    if (!(error instanceof SandboxError && error.code === 'CONTAINER_NOT_FOUND')) throw error
  })
}
