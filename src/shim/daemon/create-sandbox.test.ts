/**
 * A pod of the Sandbox service whose shim waited with a machine. At `start` of the shim only its configuration file is known: what the pod
 * says later decides whether the machine is for it.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { lstatSync, readdirSync, writeFileSync } from 'node:fs'
import { loadConfig } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { PodSandboxConfig } from '../../protocol/generated/cri/runtime.ts'
import { nameForPod } from '../../sandbox/pool/adopt.ts'
import { Pool } from '../../sandbox/pool/pool.double.ts'
import { readFacts } from '../../sandbox/records/facts.ts'
import { listSandboxes, listWaiting } from '../../sandbox/records/gc.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { optionsTypeUrl } from '../bootstrap.ts'
import { SandboxService } from '../sandbox/sandbox-service.ts'
import { configPath, createSandboxForTask } from './create-sandbox.ts'
import { Pod } from './pod.ts'

const configurationText = `
[hypervisor.qemu]
path = "/bin/sh"
virtio_fs_daemon = "/bin/sh"
valid_hypervisor_paths = ["/bin/sh"]
valid_virtio_fs_daemon_paths = ["/bin/sh"]
default_memory = 256
enable_annotations = ["default_memory"]
[factory]
enable_template = true
vm_cache_number = 1
`
const annotation = 'io.katacontainers.config.hypervisor.default_memory'
const podId = { sandboxId: 'pod' }

let host: Pool
beforeEach(() => {
  host = new Pool()
})
afterEach(() => host[Symbol.dispose]())

/** The Sandbox service of a shim that took the pod with the machine with which it waited. */
async function takenShim() {
  const { directory } = host
  const { runDir, namespace } = host.pod()
  const file = `${directory}/configuration.toml`
  writeFileSync(file, configurationText)
  const config = loadConfig({ file, env: {}, log: silentLogger })
  let unused: Awaited<ReturnType<Pool['waiting']>> | undefined = await host.waiting(config)
  nameForPod(unused, { namespace, id: 'pod' })
  host.log.splice(0)
  const takeMachine = () => {
    const taken = unused
    unused = undefined
    return taken
  }
  const told: string[] = []
  const log = { ...silentLogger, warn: (message: string) => void told.push(message) }
  const bundle = `${directory}/bundle`
  const flags = {
    action: 'serve',
    namespace,
    id: 'pod',
    address: '',
    publishBinary: '',
    bundle,
    debug: false,
    runDir,
  } as const
  const pod = new Pod({
    id: 'pod',
    createSandbox: (request, container, signal) =>
      createSandboxForTask(
        { flags, runDir, request, container, log, signal, detailedLog: log, takeMachine },
        host.withTemplate,
      ),
    releaseUnused: async () => await takeMachine()?.release(),
    onDied: () => {},
    onLeft: () => {},
    oom: { isKnown: () => false, onOom: () => {} },
  })
  const service = new SandboxService({
    pod,
    runtimeOptions: () => ({
      typeUrl: optionsTypeUrl,
      value: Options.encode(Options.fromPartial({ configPath: file })).finish(),
    }),
    networkStats: async () => [],
    onShutdown: () => {},
  })
  const create = (annotations: Record<string, string> = {}) =>
    service.createSandbox({
      ...podId,
      bundlePath: bundle,
      rootfs: [],
      netnsPath: '',
      annotations,
      options: {
        typeUrl: 'runtime.v1.PodSandboxConfig',
        value: PodSandboxConfig.encode(PodSandboxConfig.fromPartial({ hostname: 'web' })).finish(),
      },
    })
  return { service, create, told }
}

const paths = () => sandboxPaths(host.pod().runDir, 'test', 'pod')
const facts = () => readFacts(paths().facts)!
const released = () => host.log.filter((line) => line.startsWith('release '))
/** No machine waits or runs, and the name is free. */
function expectNothingLeft(): void {
  expect(readdirSync(`${host.pod().runDir}/pool`)).toEqual([])
  expect(lstatSync(paths().stateDir, { throwIfNoEntry: false })).toBeUndefined()
}
const failed = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'nothing failed',
    (error) => error,
  )

test('takes the machine at its start, and not before, and its end releases all of it', async () => {
  const { service, create, told } = await takenShim()
  await create()
  expect(host.log).toEqual([])
  await service.startSandbox(podId)
  expect(facts()).toMatchObject({ id: 'pod', waited: 'w1', uid: 7 })
  expect(host.log).not.toContain('user')
  expect(host.log).not.toContain('vmm')
  expect(listSandboxes(host.pod().runDir).map(({ id }) => id)).toEqual(['pod'])
  expect(listWaiting(host.pod().runDir)).toEqual([])
  expect(told.join()).not.toContain('POOL_UNUSABLE')
  expect((await service.sandboxStatus({ ...podId, verbose: false })).state).toBe('SANDBOX_READY')
  await service.stopSandbox({ ...podId, timeoutSecs: 0 })
  expect(released()).toEqual(expect.arrayContaining(['release vmm', 'release user', 'release owner']))
  expectNothingLeft()
})

test.each<[string, Record<string, string>, () => void, string]>([
  [
    'annotations change its configuration',
    { [annotation]: '300' },
    () => {},
    'the configuration of the pod is another',
  ],
  [
    'the template was made anew',
    {},
    () => {
      host.madeAt = 'later'
    },
    'its template is not the one that there is now',
  ],
  [
    'the machine has ended',
    {},
    () => host.vmm.end({ reason: 'exited', consoleTail: '', logTail: '' }),
    'it has ended',
  ],
])(
  'where %s, the machine is released, which is told, and the pod has one of its own',
  async (_, annotations, change, reason) => {
    const { service, create, told } = await takenShim()
    await create(annotations)
    change()
    await Bun.sleep(0)
    await service.startSandbox(podId)
    expect(told.join()).toContain(`[POOL_UNUSABLE] the pod cannot take a waiting machine: ${reason}`)
    expect(host.log.indexOf('release owner')).toBeLessThan(host.log.indexOf('claim'))
    expect(host.log).toContain('user')
    expect(facts().waited).toBeUndefined()
    await service.stopSandbox({ ...podId, timeoutSecs: 0 })
    expectNothingLeft()
  },
)

test('a pod that may not start has used nothing of the machine, and its end releases it', async () => {
  const { service, create } = await takenShim()
  await create({ [annotation]: 'much' })
  expect(await failed(service.startSandbox(podId))).toMatchObject({
    code: expect.stringMatching(/^(ANNOTATION|CONFIG)_/),
  })
  expect(host.log).toEqual([])
  await service.shutdownSandbox(podId)
  expect(released()).toContain('release vmm')
  expectNothingLeft()
})

test('a pod that ends before its start has the machine released, and gets no other one', async () => {
  const { service, create } = await takenShim()
  await create()
  await service.stopSandbox({ ...podId, timeoutSecs: 0 })
  expect(released()).toContain('release vmm')
  expectNothingLeft()
  expect(await failed(service.startSandbox(podId))).toMatchObject({ code: 'TASK_STATE' })
  expectNothingLeft()
})

test.each([
  ['', 'adopt'],
  ['/saved', 'resume'],
])(
  'with checkpoint "%s", a machine is not lost where the code of %s cannot be loaded',
  (checkpoint, part) => {
    const file = `${host.directory}/configuration.toml`
    writeFileSync(file, configurationText)
    const script = `
    Bun.plugin({
      name: 'broken',
      setup: (build) =>
        build.onLoad({ filter: /${part}.ts$/ }, () => {
          throw new Error('cannot be loaded')
        }),
    })
    const { createSandboxForTask } = await import('${import.meta.dir}/create-sandbox.ts')
    const { silentLogger: log } = await import('${import.meta.dir}/../../log.ts')
    const { Options } = await import('${import.meta.dir}/../../protocol/generated/containerd/runtime_options.ts')
    const value = Options.encode(Options.fromPartial({ configPath: '${file}' })).finish()
    const bundle = '${host.directory}'
    const takeMachine = () => {
      console.log('taken')
      return { release: async () => console.log('released') }
    }
    const container = { id: 'pod', spec: { linux: { namespaces: [{ type: 'network' }] } }, bundle }
    const request = { bundle, checkpoint: '${checkpoint}', options: { typeUrl: '${optionsTypeUrl}', value } }
    await createSandboxForTask({ flags: { id: 'pod', namespace: 'n' }, runDir: bundle, request, container, log, takeMachine })
      .catch((error) => console.log(error.message))
  `
    const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', script])
    expect(String(stderr)).toBe('')
    const lines = String(stdout).trim().split('\n')
    expect(lines.at(-1)).toContain('cannot be loaded')
    expect(lines.slice(0, -1)).toEqual(checkpoint === '' ? ['taken', 'released'] : [])
  },
)

test('options of another runtime are named in a warning, and empty ones are none', () => {
  const value = Options.encode(Options.fromPartial({ configPath: '/srv/strict.toml' })).finish()
  const told: unknown[] = []
  const log = { ...silentLogger, warn: (_: string, fields: unknown) => void told.push(fields) }
  expect(configPath({ options: { typeUrl: optionsTypeUrl, value } }, log)).toBe('/srv/strict.toml')
  expect(configPath({ options: undefined }, log)).toBe('')
  expect(
    configPath({ options: { typeUrl: 'containerd.runc.v1.Options', value: new Uint8Array() } }, log),
  ).toBe('')
  expect(told).toEqual([])
  expect(configPath({ options: { typeUrl: 'cri.runtimeoptions.v1.Options', value } }, log)).toBe('')
  expect(told).toEqual([{ type: 'cri.runtimeoptions.v1.Options', read: optionsTypeUrl }])
})
