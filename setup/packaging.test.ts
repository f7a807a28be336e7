/** What packaging/ holds for others' programs is well-formed, agrees with itself and with the code. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'smol-toml'
import { applyAnnotations } from '../src/config/annotations.ts'
import { drivers } from '../src/config/drivers.ts'
import { loadConfigText } from '../src/config/load.ts'
import { createLogger } from '../src/log.ts'
import { generatedFiles } from './pages/generate-docs.ts'
import { bridgeName } from './uninstall/bridge.ts'

const packaging = join(import.meta.dir, '../packaging')
const read = (path: string) => readFileSync(join(packaging, path), 'utf8')

interface Runtime {
  readonly runtime_type: string
  readonly pod_annotations?: readonly string[]
  readonly options?: { readonly ConfigPath: string }
}

const cri = {
  'containerd/config-v2.toml': 'io.containerd.grpc.v1.cri',
  'containerd/config-v3.toml': 'io.containerd.cri.v1.runtime',
}

function runtimes(file: keyof typeof cri): Record<string, Runtime> {
  const { plugins } = parse(read(file)) as unknown as {
    plugins: Record<string, { containerd: { runtimes: Record<string, Runtime> } }>
  }
  expect(Object.keys(plugins)).toEqual([cri[file]])
  return plugins[cri[file]]!.containerd.runtimes
}

describe('containerd', () => {
  const [two, three] = (Object.keys(cri) as (keyof typeof cri)[]).map(runtimes)

  test('both versions say the same', () => expect(three).toEqual(two!))

  test('each runtime lets our annotations through and names a configuration file that we ship', () => {
    const { runc, ...ours } = two!
    expect(runc).toEqual({ runtime_type: 'io.containerd.runc.v2' })
    expect(Object.keys(ours)).toHaveLength(drivers.length)
    for (const { runtime_type, pod_annotations, options } of Object.values(ours)) {
      expect(runtime_type).toBe('io.containerd.kata-ts.v2')
      expect(pod_annotations).toEqual(['io.katacontainers.*'])
      const file = options?.ConfigPath ?? '/etc/kata-ts/configuration.toml'
      expect(readdirSync(packaging)).toContain(file.replace('/etc/kata-ts/', ''))
    }
  })
})

describe('CRI-O', () => {
  interface CrioRuntime {
    readonly runtime_path: string
    readonly runtime_type: string
    readonly runtime_config_path: string
  }
  const { crio } = parse(read('crio/50-kata-ts.conf')) as unknown as {
    crio: { runtime: { runtimes: Record<string, CrioRuntime> } }
  }
  const { runtimes: ours } = crio.runtime

  test('has the handlers that containerd has', () => {
    const { runc: _runc, ...ofContainerd } = runtimes('containerd/config-v2.toml')
    expect(Object.keys(ours)).toEqual(Object.keys(ofContainerd))
  })

  test('each is a shim by CRI-O’s rule, with a configuration file that we ship', () => {
    for (const { runtime_path, runtime_type, runtime_config_path } of Object.values(ours)) {
      expect(runtime_type).toBe('vm')
      expect(basename(runtime_path)).toMatch(/^containerd-shim-([a-zA-Z\-+])+-v2$/)
      expect(readdirSync(packaging)).toContain(runtime_config_path.replace('/etc/kata-ts/', ''))
    }
  })
})

describe('Kubernetes', () => {
  interface RuntimeClass {
    readonly kind: string
    readonly metadata: { readonly name: string }
    readonly handler: string
    readonly overhead: { readonly podFixed: { readonly memory: string; readonly cpu: string } }
  }
  interface Pod {
    readonly kind: string
    readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> }
    readonly spec: { readonly runtimeClassName: string }
  }
  const classes = Bun.YAML.parse(read('kubernetes/runtimeclasses.yaml')) as RuntimeClass[]
  const podFiles = readdirSync(join(packaging, 'kubernetes/pods')).map((name) => `kubernetes/pods/${name}`)

  test('a RuntimeClass with overhead for each runtime of containerd', () => {
    const handlers = Object.keys(runtimes('containerd/config-v2.toml')).filter((name) => name !== 'runc')
    expect(classes.map(({ handler }) => handler)).toEqual(handlers)
    for (const { kind, overhead } of classes) {
      expect(kind).toBe('RuntimeClass')
      expect(overhead.podFixed.memory).toMatch(/^\d+Mi$/)
      expect(overhead.podFixed.cpu).toMatch(/^\d+m$/)
    }
  })

  test('no example is left of an annotation that is gone', () => {
    const generated = Object.keys(generatedFiles()).filter((path) => path.includes('/pods/'))
    expect(podFiles.map((path) => `packaging/${path}`).sort()).toEqual(generated.sort())
  })

  test.each(podFiles)('%s is a pod whose annotation counts when it is enabled as the file says', (path) => {
    const text = read(path)
    const pod = Bun.YAML.parse(text) as Pod
    expect(pod.kind).toBe('Pod')
    expect(classes.map(({ metadata }) => metadata.name)).toContain(pod.spec.runtimeClassName)
    // Kubernetes' limits: a name's part behind the slash, and the name of a pod.
    for (const name of Object.keys(pod.metadata.annotations)) expect(name.length).toBeLessThanOrEqual(63)
    expect(pod.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)

    const comment = text.replace(/\n# /g, ' ')
    const settings = [...comment.matchAll(/(enable_annotations|valid_\w+) = (\[[^\]]*\])/g)]
    expect(settings.length > 0 || comment.includes('Needs no permission')).toBe(true)
    const driver = pod.spec.runtimeClassName === 'kata-ts-fc' ? 'firecracker' : 'qemu'
    const file = `[hypervisor.${driver}]\n${settings.map(([setting]) => setting).join('\n')}`
    const warnings: string[] = []
    const log = createLogger({ sink: ({ message }) => warnings.push(message) })
    const size = { cpus: 4, memoryMiB: 8192 }
    const config = loadConfigText('/c.toml', new TextEncoder().encode(file), log, size)
    applyAnnotations(config, pod.metadata.annotations, log, {
      size,
      exists: () => true,
      isOpenToAll: () => true,
    })
    expect(warnings).toEqual([])
  })
})

test('CNI: the bridge that uninstall looks for', () => {
  const { plugins } = JSON.parse(read('cni/10-kata-ts.conflist'))
  expect(plugins).toMatchObject([{ type: 'bridge', bridge: bridgeName }])
})

test('docker: the shim of our name', () => {
  const { runtimes: configured } = JSON.parse(read('docker/daemon.json'))
  expect(configured).toEqual({ 'kata-ts': { runtimeType: 'io.containerd.kata-ts.v2' } })
})

describe('systemd', () => {
  const dryRun = (program: string, file: string, ...options: string[]) => {
    if (Bun.which(program) === null) {
      console.log(`not checked: ${program} is not installed`)
      return
    }
    const { exitCode, stderr } = Bun.spawnSync([
      program,
      '--dry-run',
      ...options,
      join(packaging, 'systemd', file),
    ])
    expect({ exitCode, stderr: stderr.toString() }).toMatchObject({ exitCode: 0 })
    expect(stderr.toString()).not.toMatch(/unknown|invalid|fail/i)
  }
  test('sysusers', () => dryRun('systemd-sysusers', 'kata-ts.sysusers.conf'))
  test('sysusers of the service', () => dryRun('systemd-sysusers', 'kata-ts-service.sysusers.conf'))
  test('tmpfiles', () => dryRun('systemd-tmpfiles', 'kata-ts.tmpfiles.conf', '--create'))
})
