/** A dockerd of the test's own, with a bridge and directories of its own. It leaves the host's firewall and forwarding as they are. */
import { openSync, rmSync } from 'node:fs'
import { dockerPath } from '../../setup/packages/docker.ts'
import { makeTar } from '../../src/images/testing.ts'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ip } from '../../src/network/testing.ts'
import { clientCgroups, removeEmptyCgroup } from '../containerd/cgroups.ts'
import { busyboxFiles } from '../containerd/images.ts'
import { ownDirectory } from './directories.ts'
import { programDir } from './executable.ts'
import { eventually } from './kata.ts'
import { slow } from './time.ts'

/** A host's own Docker comes before Debian's, which `npm test` unpacks where it can. */
const path = `${programDir}:${process.env.PATH}:${dockerPath}`

/** Which of these programs are neither installed nor unpacked, as the reason to skip a test; undefined when all are there. */
export function noDocker(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((name) => Bun.which(name, { PATH: path }) === null)
  if (missing.length === 0) return undefined
  return `skipped: ${missing.join(' and ')} not installed, and \`npm test\` could not fetch Debian's`
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What runs a container with kata-ts. */
export const kataRuntime = 'io.containerd.kata-ts.v2'
/** The only image: busybox. */
export const image = 'bb'

export class Dockerd {
  readonly #root = ownDirectory('/var/lib/kata-ts-e2e-dk-')
  /** Its socket is here. */
  readonly state = ownDirectory('/run/dk-')
  readonly #cgroupsBefore = new Set(clientCgroups())
  readonly #bridge: string
  #daemon: Bun.Subprocess | undefined

  /** `gateway` is the address of the bridge, of a /24. */
  private constructor(bridge: string, gateway: string) {
    this.#bridge = bridge
    ip(`link add ${bridge} type bridge`)
    ip(`addr add ${gateway}/24 dev ${bridge}`)
    ip(`link set ${bridge} up`)
  }

  static async start(bridge: string, gateway: string): Promise<Dockerd> {
    const docker = new Dockerd(bridge, gateway)
    await docker.#start()
    return docker
  }

  async #start(): Promise<void> {
    const [root, { state }] = [this.#root, this]
    const log = openSync(`${root}/log`, 'a')
    const host = ['--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
    const files = ['--data-root', `${root}/data`, '--exec-root', `${state}/exec`, '--pidfile', `${state}/pid`]
    const argv = ['dockerd', ...host, '--bridge', this.#bridge, '--storage-driver', 'vfs', ...files]
    this.#daemon = Bun.spawn([Bun.which('dockerd', { PATH: path })!, ...argv.slice(1), '-H', this.#host], {
      env: { PATH: path },
      stdio: ['ignore', log, log],
    })
    await eventually('dockerd', async () => (await this.call(['version'])).code === 0 || undefined)
    const { code, stderr } = await this.call(['import', '-', image], makeTar(busyboxFiles()))
    if (code !== 0) throw new Error(`docker import: ${stderr}`)
  }

  get #host(): string {
    return `unix://${this.state}/d.sock`
  }

  call(args: readonly string[], stdin?: Buffer): Promise<Ran> {
    return this.#run('docker', args, stdin)
  }

  async must(...args: string[]): Promise<string> {
    return printed('docker', args, await this.call(args))
  }

  /** With the project's file; what it prints about its work goes to stderr. */
  async compose(file: string, ...args: string[]): Promise<string> {
    const all = ['--file', file, ...args]
    return printed('docker-compose', all, await this.#run('docker-compose', all))
  }

  async #run(program: string, args: readonly string[], stdin?: Buffer): Promise<Ran> {
    const child = Bun.spawn([Bun.which(program, { PATH: path })!, ...args], {
      stdin: stdin ?? 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: slow(120_000),
      env: { PATH: path, HOME: this.state, DOCKER_HOST: this.#host },
    } as const)
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    return { code, stdout, stderr }
  }

  /** Ends the containers, the daemon and what it left; safe to call again. */
  async close(): Promise<void> {
    if (this.#daemon?.exitCode === null) {
      for (const id of (await this.must('ps', '-aq')).split('\n').filter(Boolean))
        await this.call(['rm', '-f', id])
      this.#daemon.kill()
      await this.#daemon.exited
    }
    for (const directory of [this.#root, this.state]) {
      unmountBelow(directory)
      rmSync(directory, { recursive: true, force: true })
    }
    Bun.spawnSync(['ip', 'link', 'del', this.#bridge], { stderr: 'ignore' })
    for (const cgroup of clientCgroups()) if (!this.#cgroupsBefore.has(cgroup)) removeEmptyCgroup(cgroup)
  }
}

function printed(program: string, args: readonly string[], { code, stdout, stderr }: Ran): string {
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}
