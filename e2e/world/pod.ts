/**
 * A pod as containerd makes it, without containerd: bundles on disk, the shim's `start`, and its Task service. The specs
 * are those of containerd's CRI plugin as far as the pod's world goes: namespaces by path, /dev/shm and the files of
 * /etc as binds.
 */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { embeddedRootfs } from '../../src/images/embedded-rootfs.ts'
import { mount, unmountBelow } from '../../src/linux/mounts/mount.ts'
import { defaultSpec } from '../../src/oci/defaults/default-spec.ts'
import type { OciMount, OciSpec } from '../../src/oci/spec.ts'
import { TaskDefinition } from '../../src/protocol/generated/containerd/task.ts'
import type { RootfsMount } from '../../src/sharing/share.ts'
import { connectUnix } from '../../src/ttrpc/bun.ts'
import { type Client, type ClientConnection, connect, createClient } from '../../src/ttrpc/ttrpc.ts'
import { shim } from '../harness/executable.ts'
import { runtimeOptions } from '../harness/runtime-options.ts'

const namespace = 'k8s.io'
/** By which the kubelet's directory of the pod is known. */
export const podUid = '6b1f'
/** What a pause container does. */
const sleepForEver = ['sh', '-c', 'while :; do sleep 1000; done']

/** What a test changes of the spec that a container gets. */
export interface SpecWish {
  readonly args?: readonly string[]
  readonly mounts?: readonly OciMount[]
  readonly process?: Readonly<Record<string, unknown>>
  readonly linux?: Readonly<Record<string, unknown>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly readonlyRoot?: boolean
  /** Its first process has a terminal. */
  readonly terminal?: boolean
  /** In place of an overlay over {@link Pod.files}. */
  readonly rootfs?: readonly RootfsMount[]
  /** `pid: 'pod'` joins the pod's processes. */
  readonly pid?: 'own' | 'pod'
}

export interface PodOptions {
  readonly id: string
  /** The test's own: what a kubelet would keep of the pod. */
  readonly dir: string
  /** Short. */
  readonly runDir: string
  readonly sandbox?: SpecWish
  readonly configPath?: string
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export class Pod {
  readonly id: string
  /** Scratch of the test: what a kubelet would keep of the pod. */
  readonly dir: string
  readonly task: Client<TaskDefinition>
  readonly #runDir: string
  readonly #connection: ClientConnection
  /** Directory on the host with what containers find in their root file systems. */
  readonly files: string
  readonly #containers = new Set<string>()
  #execs = 0

  private constructor(parts: {
    id: string
    dir: string
    runDir: string
    rootfs: string
    connection: ClientConnection
  }) {
    this.id = parts.id
    this.dir = parts.dir
    this.#runDir = parts.runDir
    this.files = parts.rootfs
    this.#connection = parts.connection
    this.task = createClient(TaskDefinition, parts.connection)
  }

  /** Makes the pod with its pause container running. @throws TtrpcError with the shim's words; nothing is left then. */
  static async start(options: PodOptions): Promise<Pod> {
    const { id, dir, runDir, sandbox = {} } = options
    mkdirSync(join(dir, 'etc'), { recursive: true })
    mkdirSync(shmIn(dir), { recursive: true })
    mount({ source: 'shm', target: shmIn(dir), type: 'tmpfs', data: 'mode=1777,size=3m' })
    writeFileSync(join(dir, 'etc/hosts'), `127.0.0.1\tlocalhost\n10.1.2.3\t${id}\n`)
    writeFileSync(join(dir, 'etc/hostname'), `${id}\n`)
    writeFileSync(join(dir, 'etc/resolv.conf'), 'nameserver 192.0.2.53\nsearch world.test\n')
    const rootfs = await embeddedRootfs(readFileSync(busyboxPath), join(dir, 'cache'))
    const bundle = makeBundle(dir, id)
    writeSpec(bundle, podSpec({ id, dir }, id, { args: sleepForEver, ...sandbox }))
    const address = startShim(bundle, id, runDir)
    const connection = connect(await connectUnix(address.replace('unix://', '')))
    const pod = new Pod({ id, dir, runDir, rootfs, connection })
    try {
      await pod.#createTask(id, bundle, options)
      await pod.task.start({ id })
      return pod
    } catch (error) {
      await pod.stop()
      throw error
    }
  }

  /** Makes and starts a container. @throws TtrpcError with the shim's words. */
  async add(name: string, wish: SpecWish = {}): Promise<void> {
    await this.create(name, wish)
    await this.task.start({ id: name })
  }

  /** Makes a container. @throws TtrpcError with the shim's words. */
  async create(name: string, wish: SpecWish = {}): Promise<void> {
    const { id, dir } = this
    const { pid } = await this.task.state({ id })
    const bundle = makeBundle(this.dir, name)
    writeSpec(bundle, podSpec({ id, dir, pid }, name, { args: sleepForEver, ...wish }))
    startShim(bundle, name, this.#runDir)
    await this.#createTask(name, bundle, { terminal: wish.terminal, rootfs: wish.rootfs })
    this.#containers.add(name)
  }

  /** Makes a container, waits for its end and removes it. */
  async run(name: string, script: string, wish: SpecWish = {}): Promise<Outcome> {
    await this.add(name, { args: ['sh', '-c', script], ...wish })
    return this.end(name)
  }

  /** Waits for the end of a container and removes it. */
  async end(name: string): Promise<Outcome> {
    const { exitStatus } = await this.task.wait({ id: name })
    const outcome = this.#outcome(name, exitStatus)
    await this.remove(name)
    return outcome
  }

  /** Runs a shell script in a running container. */
  async exec(name: string, script: string, more: object = {}): Promise<Outcome> {
    const request = this.described(name, script, more)
    await this.task.exec(request)
    return this.finish(name, request.execId)
  }

  /** The request for an exec of a shell script in a container. */
  described(name: string, script: string, more: object = {}) {
    const execId = `exec-${++this.#execs}`
    const { process } = JSON.parse(readFileSync(join(this.dir, name, 'config.json'), 'utf8')) as OciSpec
    const spec = { ...process, args: ['sh', '-c', script], terminal: false, ...more }
    const value = new TextEncoder().encode(JSON.stringify(spec))
    return { id: name, execId, ...this.#stdio(execId, spec.terminal), spec: { typeUrl: '', value } }
  }

  /** Starts an exec, waits for its end and removes it. */
  async finish(name: string, execId: string): Promise<Outcome> {
    await this.task.start({ id: name, execId })
    const { exitStatus } = await this.task.wait({ id: name, execId })
    await this.task.delete({ id: name, execId })
    return this.#outcome(execId, exitStatus)
  }

  async remove(name: string): Promise<void> {
    await this.task.kill({ id: name, signal: 9, all: true }).catch(() => {})
    await this.task.wait({ id: name })
    await this.task.delete({ id: name })
    this.#containers.delete(name)
  }

  /** Ends the pod. Its directory stays the test's. */
  async stop(): Promise<void> {
    for (const name of this.#containers) await this.remove(name).catch(() => {})
    await this.remove(this.id).catch(() => {})
    await this.task.shutdown({ id: this.id }).catch(() => {})
    this.#connection.close()
    unmountBelow(this.dir)
    const args = ['-namespace', namespace, '-id', this.id, '-bundle', join(this.dir, this.id)]
    Bun.spawnSync([shim, ...args, '-run-dir', this.#runDir, 'delete'], { cwd: join(this.dir, this.id) })
  }

  async #createTask(
    id: string,
    bundle: string,
    {
      configPath,
      terminal,
      rootfs: given,
    }: {
      configPath?: string | undefined
      terminal?: boolean | undefined
      rootfs?: readonly RootfsMount[] | undefined
    },
  ): Promise<void> {
    for (const name of ['upper', 'work']) mkdirSync(join(bundle, name))
    const options = [`lowerdir=${this.files}`, `upperdir=${bundle}/upper`, `workdir=${bundle}/work`]
    const mounts = given ?? [{ type: 'overlay', source: 'overlay', options }]
    const rootfs = mounts.map((mount) => ({ ...mount, target: '', options: [...mount.options] }))
    await this.task.create({
      id,
      bundle,
      rootfs,
      ...this.#stdio(id, terminal),
      ...runtimeOptions(this.dir, configPath),
    })
  }

  #stdio(name: string, terminal = false) {
    const file = (stream: string) => join(this.dir, `${name}.${stream}`)
    for (const stream of ['out', 'err']) closeSync(openSync(file(stream), 'w'))
    return { stdin: '', stdout: `file://${file('out')}`, stderr: `file://${file('err')}`, terminal }
  }

  #outcome(name: string, code: number): Outcome {
    const [stdout = '', stderr = ''] = ['out', 'err'].map((stream) =>
      readFileSync(join(this.dir, `${name}.${stream}`), 'utf8'),
    )
    return { code, stdout, stderr }
  }
}

/** Compiles probe.c to `path`. */
export function buildProbe(path: string): void {
  const source = join(import.meta.dir, 'probe.c')
  const { stderr, exitCode } = Bun.spawnSync(['gcc', '-static', '-O1', '-o', path, source])
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
}

/** The pod's shared memory, where containerd has it: in a directory of the pod's id. */
const shmIn = (dir: string): string => join(dir, 'sandboxes', '5a4d'.repeat(16), 'shm')

/** A bind as kubelet and containerd ask for it. */
export function bind(source: string, destination: string, ...options: string[]): OciMount {
  const words = options.length === 0 ? ['rw'] : options
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', ...words] }
}

function makeBundle(dir: string, name: string): string {
  const bundle = join(dir, name)
  rmSync(bundle, { recursive: true, force: true })
  mkdirSync(join(bundle, 'rootfs'), { recursive: true })
  return bundle
}

function writeSpec(bundle: string, spec: OciSpec): void {
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec))
}

function startShim(bundle: string, id: string, runDir: string): string {
  const args = ['-namespace', namespace, '-id', id, '-bundle', bundle, '-run-dir', runDir, 'start']
  const { stdout, stderr, exitCode } = Bun.spawnSync([shim, ...args], { cwd: bundle })
  if (exitCode !== 0) throw new Error(`shim start: ${stderr}`)
  return stdout.toString().trim()
}

/** The spec of one container of the pod `pod`; the sandbox's own when both names are the same. */
function podSpec(
  { id: pod, dir, pid = 0 }: { id: string; dir: string; pid?: number },
  name: string,
  wish: SpecWish,
): OciSpec {
  const isSandbox = pod === name
  const spec = defaultSpec({
    args: wish.args ?? [],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: pod,
    readonly: wish.readonlyRoot ?? false,
    rootfs: 'rootfs',
    mounts: [],
    annotations: {
      'io.kubernetes.cri.container-type': isSandbox ? 'sandbox' : 'container',
      'io.kubernetes.cri.sandbox-id': pod,
      'io.kubernetes.cri.sandbox-uid': podUid,
      ...wish.annotations,
    },
  })
  const podMounts = [
    bind(shmIn(dir), '/dev/shm'),
    ...(isSandbox ? [] : [bind(join(dir, 'etc/hosts'), '/etc/hosts')]),
    ...(isSandbox ? [] : [bind(join(dir, 'etc/hostname'), '/etc/hostname')]),
    bind(join(dir, 'etc/resolv.conf'), '/etc/resolv.conf', ...(isSandbox ? ['ro'] : ['rw'])),
  ]
  const own = spec.mounts.filter(({ destination }) => destination !== '/dev/shm')
  return {
    ...spec,
    process: { ...spec.process, ...wish.process },
    mounts: [...own, ...podMounts, ...(wish.mounts ?? [])],
    linux: { ...spec.linux, namespaces: namespaces(isSandbox, wish.pid ?? 'own', pid), ...wish.linux },
  }
}

/** The pod's namespaces are those of a process of the host's: the sandbox's, by its pid. */
function namespaces(isSandbox: boolean, pid: 'own' | 'pod', podPid: number) {
  if (isSandbox) return ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type }))
  const pathOf = (type: string) => `/proc/${podPid}/ns/${type === 'network' ? 'net' : type}`
  return [
    ...['ipc', 'uts', 'network'].map((type) => ({ type, path: pathOf(type) })),
    pid === 'own' ? { type: 'pid' } : { type: 'pid', path: pathOf('pid') },
    { type: 'mount' },
  ]
}
