/** A real containerd of the test's own: its own sockets, directories, images and network, all gone when it is closed. */
import { appendFileSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { needsConfiguration } from '../harness/configuration.ts'
import { isKept, keepLogs, ownDirectory, sayKept } from '../harness/directories.ts'
import { programDir } from '../harness/executable.ts'
import { makeExt4 } from '../harness/host/disks.ts'
import { eventually, type Outcome } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration, vmm } from '../harness/vmm.ts'
import { clientCgroups, makePodCgroup, removeEmptyCgroup } from './cgroups.ts'
import {
  bridgeName,
  type ContainerdFiles,
  containerdConfiguration,
  type Handler,
  networkConfiguration,
} from './configuration.ts'
import { Cri } from './cri.ts'
import { makeImages } from './images.ts'

/** Longest any one command of a test may take, milliseconds. */
const commandDeadlineMs = slow(120_000)
const readyMs = slow(30_000)
/** Size of every snapshot of the snapshotter blockfile: it copies that file. */
const scratchMiB = 24

/** What containerd calls us. */
export const ourRuntime = 'io.containerd.kata-ts.v2'

export interface ContainerdOptions {
  /** Runtime handlers beside runc; default one named `kata-ts` without a configuration file. */
  readonly handlers?: Readonly<Record<string, Handler>>
  readonly snapshotter?: string
  /** Directory of the containerd and ctr to take before those of PATH. */
  readonly programs?: string
  /** More of containerd's environment, KATA_CONF_FILE for instance. */
  readonly env?: Readonly<Record<string, string>>
}

export class Containerd {
  readonly files: ContainerdFiles
  readonly cri: Cri
  readonly #options: ContainerdOptions
  readonly #cgroupsBefore = new Set(clientCgroups())
  #daemon: Bun.Subprocess | undefined

  private constructor(options: ContainerdOptions) {
    const root = ownDirectory('/var/lib/kata-ts-e2e-ctd-')
    const state = ownDirectory('/run/ctd-')
    this.files = {
      root,
      state,
      socket: `${state}/s.sock`,
      configuration: `${root}/config.toml`,
      networks: `${root}/net.d`,
      scratch: `${root}/scratch.ext4`,
    }
    this.#options = options
    this.cri = new Cri(this.files.socket)
  }

  /** Starts it with the test images in the namespaces `default` and `k8s.io`. */
  static async start(options: ContainerdOptions = {}): Promise<Containerd> {
    const containerd = new Containerd(options)
    try {
      containerd.#configure()
      await containerd.startDaemon()
      await containerd.#importImages()
      return containerd
    } catch (error) {
      const log = containerd.log().slice(-2000)
      await containerd.close()
      throw new Error(`containerd did not come up: ${error}\n${log}`, { cause: error })
    }
  }

  get pid(): number {
    return this.#daemon!.pid
  }

  /** Its own output, with what shims log through it. */
  log(): string {
    try {
      return readFileSync(`${this.files.root}/log`, 'utf8')
    } catch {
      return ''
    }
  }

  /** Starts the daemon and waits until CRI answers. */
  async startDaemon(): Promise<void> {
    const log = openSync(`${this.files.root}/log`, 'a')
    this.#daemon = Bun.spawn([this.#program('containerd'), '-c', this.files.configuration], {
      env: { PATH: `${programDir}:${this.#path}`, ...this.#options.env },
      cwd: '/',
      stdio: ['ignore', log, log],
    })
    await eventually('containerd', () => this.cri.isReady(), readyMs)
  }

  /** Ends the daemon alone: what it started goes on. */
  async stopDaemon(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#daemon?.kill(signal)
    await this.#daemon?.exited
  }

  /** Runs `ctr ARGS` in a containerd namespace to its end. */
  async ctr(args: readonly string[], { namespace = 'default', stdin = '' } = {}): Promise<Outcome> {
    const child = this.spawnCtr(args, { namespace, stdin: new Blob([stdin]) })
    const timer = setTimeout(() => child.kill('SIGKILL'), commandDeadlineMs)
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    clearTimeout(timer)
    return { code, stdout, stderr }
  }

  /** Starts `ctr ARGS` with streams that the test drives itself. */
  spawnCtr(
    args: readonly string[],
    { namespace = 'default', stdin }: { namespace?: string; stdin?: Blob } = {},
  ): Bun.Subprocess<'pipe' | Blob, 'pipe', 'pipe'> {
    return Bun.spawn(
      [this.#program('ctr'), '-a', this.files.socket, '-n', namespace, ...this.#ctrWithVmm(args)],
      {
        stdin: stdin ?? 'pipe',
        stdout: 'pipe',
        stderr: 'pipe',
        env: { PATH: this.#path },
      },
    )
  }

  /** Ends every pod, task and container that is left, then the daemon, and removes all that it had. */
  async close(): Promise<void> {
    if (isKept) return sayKept(`ctr -a ${this.files.socket} -n k8s.io containers list`)
    keepLogs()
    if (this.#daemon !== undefined && this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      await this.#removeAll().catch(() => {})
      await this.stopDaemon()
    }
    this.cri.close()
    const { root, state } = this.files
    // For whoever looks for the cause of a failed test.
    const { CONTAINERD_LOG: keptLog } = process.env
    if (keptLog !== undefined) appendFileSync(keptLog, this.log())
    for (const directory of [root, state]) {
      unmountBelow(directory)
      rmSync(directory, { recursive: true, force: true })
    }
    Bun.spawnSync(['ip', 'link', 'delete', bridgeName])
    for (const path of clientCgroups()) if (!this.#cgroupsBefore.has(path)) removeEmptyCgroup(path)
  }

  get #path(): string {
    const { programs } = this.#options
    return [...(programs === undefined ? [] : [programs]), process.env.PATH ?? ''].join(':')
  }

  #program(name: string): string {
    return Bun.which(name, { PATH: this.#path }) ?? name
  }

  #configure(): void {
    const { root, configuration, networks } = this.files
    mkdirSync(networks)
    makePodCgroup()
    writeFileSync(`${networks}/10-kata-ts.conflist`, networkConfiguration(`${root}/addresses`))
    const { handlers = { 'kata-ts': {} }, snapshotter = 'overlayfs' } = this.#options
    if (snapshotter === 'blockfile') makeExt4(this.files.scratch, scratchMiB)
    writeFileSync(configuration, containerdConfiguration(this.files, this.#withVmm(handlers), snapshotter))
  }

  /** Handlers that say nothing of a configuration get that of the VMM under test, where the defaults do not serve. */
  #withVmm(handlers: Readonly<Record<string, Handler>>): Readonly<Record<string, Handler>> {
    if (vmm.driver === 'qemu' && !needsConfiguration) return handlers
    const configPath = this.#vmmConfiguration
    writeFileSync(configPath, shippedConfiguration())
    return Object.fromEntries(
      // Where the shim makes the pod, containerd 2.1 makes no container for a handler that has options.
      Object.entries(handlers).map(([name, handler]) => [
        name,
        handler.sandboxer === 'shim' ? handler : { configPath, ...handler },
      ]),
    )
  }

  /** `ctr run` knows no handlers: it is told of the configuration itself. */
  #ctrWithVmm(args: readonly string[]): readonly string[] {
    const isOurs = args[0] === 'run' && args.includes(ourRuntime)
    if ((vmm.driver === 'qemu' && !needsConfiguration) || !isOurs) return args
    return ['run', '--runtime-config-path', this.#vmmConfiguration, ...args.slice(1)]
  }

  get #vmmConfiguration(): string {
    return `${this.files.root}/vmm.toml`
  }

  async #importImages(): Promise<void> {
    for (const archive of makeImages(this.files.root)) await this.import(archive, ['default', 'k8s.io'])
  }

  /** Takes in the images of an OCI archive; pods have those of the namespace `k8s.io`. */
  async import(archive: Buffer, namespaces: readonly string[] = ['k8s.io']): Promise<void> {
    const file = `${this.files.root}/image.tar`
    writeFileSync(file, archive)
    const { snapshotter = 'overlayfs' } = this.#options
    // The daemon's own way of taking images in would need to be told of the snapshotter.
    const local = snapshotter === 'erofs' ? ['--local'] : []
    for (const namespace of namespaces) {
      const command = ['images', 'import', ...local, '--snapshotter', snapshotter, file]
      const { code, stderr } = await this.ctr(command, { namespace })
      if (code !== 0) throw new Error(`ctr images import: ${stderr}`)
    }
    rmSync(file)
  }

  async #removeAll(): Promise<void> {
    await this.cri.removeAll()
    for (const id of (await this.ctr(['tasks', 'ls', '-q'])).stdout.split('\n').filter(Boolean))
      await this.ctr(['tasks', 'delete', '-f', id])
    for (const id of (await this.ctr(['containers', 'ls', '-q'])).stdout.split('\n').filter(Boolean))
      await this.ctr(['containers', 'delete', id])
  }
}
