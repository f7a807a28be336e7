/** What a runtime handler's file, its drop-ins and a pod's annotations decide, through CRI. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { requireImage } from '../../src/guest-image/guest-image.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { ownDirectory } from '../harness/directories.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { Containerd } from './containerd.ts'
import type { PodOptions } from './cri.ts'

/** Two of the places that are searched, of which ours comes first. */
const installed = {
  ours: '/etc/kata-ts/configuration.toml',
  kata: '/etc/kata-containers/configuration.toml',
}
const somebodys = Object.values(installed).find((path) => existsSync(dirname(path)))
if (somebodys !== undefined)
  console.log(`skipped: KATA_CONF_FILE, because ${dirname(somebodys)} belongs to this host`)

const annotation = (name: string) => `io.katacontainers.config.${name}`

let directory: string
let before: HostState
let containerd: Containerd
beforeAll(async () => {
  before = hostState(defaultRunDir)
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const file = (name: string, text: string) => {
    mkdirSync(`${directory}/${name}/config.d`, { recursive: true })
    writeFileSync(`${directory}/${name}/configuration.toml`, text)
    return { configPath: `${directory}/${name}/configuration.toml` }
  }
  const handlers = {
    small: file('small', configuration('[hypervisor.qemu]\nrootless = true\ndefault_memory = 300\n')),
    asked: file(
      'asked',
      configuration(`[hypervisor.qemu]
rootless = true
default_memory = 300
enable_annotations = ["default_memory", "kernel_params", "runtime.create_container_timeout", "enable_iommu", "kernel_hash"]
enable_iommu = true
virtio_fs_extra_args = ["--thread-pool-size=1", "-o", "announce_submounts"]
[agent.kata]
enable_debug = true
`),
    ),
    two: file('two', '[hypervisor.qemu]\n[hypervisor.clh]\n'),
    missing: { configPath: `${directory}/missing.toml` },
    // It finds one itself.
    none: { configPath: undefined },
  }
  writeFileSync(`${directory}/small/config.d/10-memory.toml`, '[hypervisor.qemu]\ndefault_memory = 200\n')
  containerd = await Containerd.start({ handlers, env: { KATA_CONF_FILE: installed.kata } })
})
afterAll(async () => {
  await containerd.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Starts a pod with one container and asks it; the pod is gone afterwards. */
async function inPod(
  options: PodOptions,
  script: string,
  look: (podId: string) => void = () => {},
): Promise<string> {
  const pod = await containerd.cri.runPod(options)
  try {
    const id = await pod.start(['sleep', '1000'])
    const { stdout, stderr } = await pod.exec(id, ['sh', '-c', script])
    expect(stderr).toBe('')
    look(pod.id)
    return stdout
  } finally {
    await pod.remove()
  }
}

/** The guest's memory in MiB, which is a little less than its machine has. */
const memory = `awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo`

const sha512 = (file: string) => createHash('sha512').update(readFileSync(file)).digest('hex')

async function refusal(options: PodOptions): Promise<string> {
  try {
    await (await containerd.cri.runPod(options)).remove()
  } catch (error) {
    return String(error)
  }
  throw new Error('the pod started')
}

test('ConfigPath of the handler counts, and the drop-ins beside that file', async () => {
  const mib = Number(await inPod({ handler: 'small' }, memory))
  expect(mib).toBeGreaterThan(100)
  expect(mib).toBeLessThan(200)
})

test.skipIf(somebodys !== undefined)(
  'KATA_CONF_FILE of containerd chooses among the installed files, and nothing else',
  async () => {
    expect(await refusal({ handler: 'none' })).toContain(`[CONFIG_ENV_REFUSED] KATA_CONF_FILE names`)
    const write = (path: string, text: string) => {
      mkdirSync(dirname(path))
      writeFileSync(path, configuration(`[hypervisor.qemu]\nrootless = true\n${text}`))
    }
    try {
      write(installed.ours, 'default_memory = 400\n')
      write(installed.kata, 'default_memory = 200\n')
      const mib = Number(await inPod({ handler: 'none' }, memory))
      expect(mib).toBeGreaterThan(100)
      expect(mib).toBeLessThan(200)
    } finally {
      for (const path of Object.values(installed)) rmSync(dirname(path), { recursive: true, force: true })
    }
  },
)

describe('annotations', () => {
  test('that are enabled count; what Kata knows and we do not is named in the log, once', async () => {
    const annotations = {
      [annotation('hypervisor.default_memory')]: '400',
      [annotation('hypervisor.kernel_params')]: 'asked.by=pod',
      [annotation('runtime.create_container_timeout')]: '50',
      [annotation('hypervisor.enable_iommu')]: 'true',
      [annotation('hypervisor.kernel_hash')]: sha512(requireImage().kernel),
    }
    let console = ''
    const output = await inPod({ handler: 'asked', annotations }, `${memory}; cat /proc/cmdline`, (id) => {
      console = readFileSync(`${defaultRunDir}/k8s.io/${id}/console.log`, 'utf8')
    })
    const [mib, commandLine] = output.split('\n')
    expect(Number(mib)).toBeGreaterThan(300)
    expect(commandLine).toContain('asked.by=pod')
    // What the file itself says for the agent.
    expect(console).toContain('kata-agent CreateContainer: ok')
    const said = (text: string) => containerd.log().split(text).length - 1
    expect(said(`annotation ${annotation('hypervisor.enable_iommu')} has no effect`)).toBe(1)
    expect(said('configuration key hypervisor.qemu.enable_iommu has no effect')).toBe(1)
  })

  const refused: [string, string, string][] = [
    ['hypervisor.default_vcpus', '2', '[ANNOTATION_NOT_ENABLED]'],
    ['runtime.sandbox_cgroup_only', 'true', '"runtime.sandbox_cgroup_only"'],
    ['agent.kernel_modules', 'loop', '"agent.kernel_modules"'],
    ['hypervisor.default_memory', 'much', '[CONFIG_TYPE]'],
    ['hypervisor.default_memory', '16000000', 'as much as the host has'],
    ['hypervisor.kernel_hash', 'ab', '128 hexadecimal digits'],
    ['agent.policy', 'cGFja2FnZSBhZ2VudA==', '[ANNOTATION_UNSUPPORTED]'],
    ['hypervisor.rx_rate_limiter_max_rate', '1000', '[ANNOTATION_NOT_ENABLED]'],
    ['hypervisor.default_memroy', '400', `Did you mean ${annotation('hypervisor.default_memory')}?`],
  ]
  test.each(refused)('%s: %s fails the pod: %s', async (name, value, text) => {
    const message = await refusal({ handler: 'asked', annotations: { [annotation(name)]: value } })
    expect(message).toContain(text)
    expect(message).toContain(annotation(name))
  })
})

test('a kernel that is not the one the pod asks for starts nothing', async () => {
  const wanted = 'ab'.repeat(64)
  const annotations = { [annotation('hypervisor.kernel_hash')]: wanted }
  const message = await refusal({ handler: 'asked', annotations })
  expect(message).toContain('[ASSET_HASH_MISMATCH]')
  expect(message).toContain(wanted)
})

test('a file that is missing, or for two VMMs, is named in the error', async () => {
  expect(await refusal({ handler: 'missing' })).toContain(`${directory}/missing.toml`)
  const both = await refusal({ handler: 'two' })
  expect(both).toContain('[hypervisor.clh] stands beside [hypervisor.qemu]')
  expect(both).toContain(`${directory}/two/configuration.toml:2`)
})

test('nothing is left', async () => {
  await containerd.close()
  await expectNothingLeft(before, defaultRunDir)
})
