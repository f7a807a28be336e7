/** A pod in this very process: the sandbox as the shim makes it, and containers in it with what a test says of them. */
import { existsSync, rmSync, symlinkSync } from 'node:fs'
import type { Config, HypervisorConfig, RuntimeConfig } from '../../src/config/config.ts'
import { silentLogger } from '../../src/log.ts'
import { defaultSpec } from '../../src/oci/defaults/default-spec.ts'
import { deviceRights } from '../../src/oci/devices/device-rights.ts'
import type { OciSpec } from '../../src/oci/spec.ts'
import type { Container } from '../../src/sandbox/container.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { createSandbox } from '../../src/sandbox/start/create.ts'
import { makeRootfs } from '../agent/guest.ts'
import { ownDirectory } from '../harness/directories.ts'
import { configurationOfVmm } from '../harness/vmm.ts'

export type ContainerOptions = Partial<Pick<Parameters<typeof defaultSpec>[0], 'mounts' | 'devices'>>

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

/** Commands of busybox, besides what every test's root file system has. */
const commands = ['mknod', 'od', 'rm', 'stat', 'sync']

export class Pod implements AsyncDisposable {
  readonly runDir: string
  readonly sandbox: Sandbox
  readonly #rootfs: string
  #count = 0

  private constructor(runDir: string, sandbox: Sandbox) {
    this.runDir = runDir
    this.sandbox = sandbox
    this.#rootfs = makeRootfs(runDir, 'files')
    for (const name of commands)
      if (!existsSync(`${this.#rootfs}/bin/${name}`)) symlinkSync('busybox', `${this.#rootfs}/bin/${name}`)
  }

  static async start(
    hypervisor: Partial<HypervisorConfig> = {},
    runtime: Partial<RuntimeConfig> = {},
  ): Promise<Pod> {
    const runDir = ownDirectory('/run/kp-')
    const base = configurationOfVmm()
    const config: Config = {
      ...base,
      hypervisor: { ...base.hypervisor, ...hypervisor },
      runtime: { ...base.runtime, ...runtime },
    }
    const request = {
      id: 'pod',
      namespace: 'test',
      runDir,
      hostname: 'pod',
      shmBytes: 64 << 20,
      network: { dns: [] },
      container: { id: 'pod', bundle: '/nowhere', spec: {}, rights: deviceRights({}), rootfs: [] },
      config,
      log: silentLogger,
      signal: new AbortController().signal,
    }
    return new Pod(runDir, await createSandbox(request))
  }

  /** Makes a container that runs this once it is started; `change` has the last word on its spec. */
  create(
    script: string,
    options: ContainerOptions = {},
    change: (spec: OciSpec) => OciSpec = (spec) => spec,
  ): Promise<Container> {
    const spec = defaultSpec({
      args: ['sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      user: { uid: 0, gid: 0 },
      terminal: false,
      hostname: 'pod',
      readonly: false,
      rootfs: this.#rootfs,
      mounts: [],
      ...options,
    })
    const changed = change(spec)
    return this.sandbox.createContainer({
      id: `c${++this.#count}`,
      bundle: '/nowhere',
      spec: changed,
      rights: deviceRights(changed),
      rootfs: [],
    })
  }

  /** Runs it to its end and removes it. */
  async run(...what: Parameters<Pod['create']>): Promise<Outcome> {
    const container = await this.create(...what)
    const outcome = await finish(container)
    await container.remove()
    return outcome
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox.stop()
    rmSync(this.runDir, { recursive: true, force: true })
  }
}

/** Starts a container and waits for all that comes of it. */
export async function finish({ init }: Container): Promise<Outcome> {
  await init.start()
  await init.input(nothing())
  // The answer to `wait` closes both streams: they are read to their end first.
  const [stdout, stderr] = await Promise.all([read(init, 'stdout'), read(init, 'stderr')])
  return { stdout, stderr, status: await init.wait() }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function read(init: Container['init'], stream: 'stdout' | 'stderr'): Promise<string> {
  const chunks: Uint8Array[] = []
  await init.output(stream, async (chunk) => void chunks.push(chunk))
  return Buffer.concat(chunks).toString()
}
