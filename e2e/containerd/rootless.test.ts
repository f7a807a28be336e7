// test:vmm: every VMM
/** Who runs the machine of a pod: the operator's configuration, and what a pod may ask for by annotation. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readStatus } from '../../src/linux/processes/proc.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState, leftBehind } from '../harness/host/host.ts'
import { eventually } from '../harness/kata.ts'
import { Containerd } from './containerd.ts'
import { failureOf } from './cri.ts'

let containerd: Containerd
let directory: string
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const kata = `${directory}/share/defaults/kata-containers`
  mkdirSync(kata, { recursive: true })
  const handler = (name: string, lines: string, below = directory) => {
    const configPath = `${below}/${name}.toml`
    writeFileSync(configPath, configuration(`[hypervisor.qemu]\ndefault_memory = 256\n${lines}`))
    return { configPath }
  }
  containerd = await Containerd.start({
    handlers: {
      rootless: handler('rootless', 'rootless = true'),
      rooted: handler('rooted', 'rootless = false'),
      silent: handler('silent', ''),
      katas: handler('katas', '', kata),
      enabled: handler('enabled', 'rootless = true\nenable_annotations = ["rootless", "default_memory"]'),
    },
  })
})
afterAll(async () => {
  await containerd.close()
  rmSync(directory, { recursive: true })
})

const short = 'io.katacontainers.hypervisor.rootless'
const long = 'io.katacontainers.config.hypervisor.rootless'

/** Real uid of the VMM of a pod that is started for this and removed again. */
async function uidOfVmm(handler: string, annotations: Record<string, string>): Promise<number> {
  const pod = await containerd.cri.runPod({ handler, annotations })
  const status = readStatus(`/proc/${await pod.pid()}/status`)!
  expect(status.get('Name')).toContain('qemu-system')
  await pod.remove()
  const [real, effective, saved, fileSystem] = status.get('Uid')!.split('\t').map(Number)
  expect([effective, saved, fileSystem]).toEqual([real, real, real])
  return real!
}

/** A pod that must not start: the text of the CRI error, once it is sure that nothing of it is there. */
async function refusalOf(handler: string, annotations: Record<string, string>): Promise<string> {
  const before = hostState(defaultRunDir)
  const message = await failureOf(containerd.cri.runPod({ handler, annotations }))
  await eventually(
    'nothing to be left',
    () => leftBehind(before, hostState(defaultRunDir)).length === 0 || undefined,
  )
  return message
}

describe('the configuration decides', () => {
  test.each(['rootless', 'silent'])(
    'true, or a file of ours without the key: a user (%s)',
    async (handler) => {
      expect(await uidOfVmm(handler, {})).toBeGreaterThan(999)
    },
  )

  test.each(['rooted', 'katas'])(
    "false, or a file at Kata's places without it: root (%s)",
    async (handler) => {
      const told = () => containerd.log().split('the VMM runs as root of this host').length - 1
      const before = told()
      expect(await uidOfVmm(handler, {})).toBe(0)
      // By the shim, in the log of containerd.
      expect(told()).toBe(before + 1)
    },
  )
})

describe('"true" takes rights away, and works though nobody enabled it', () => {
  test.each([short, long])('%s', async (annotation) => {
    expect(await uidOfVmm('rooted', { [annotation]: 'true' })).toBeGreaterThan(999)
  })
})

describe('"false" gives rights', () => {
  test.each([short, long])('%s is refused with its name unless it is enabled', async (annotation) => {
    const message = await refusalOf('rootless', { [annotation]: 'false' })
    expect(message).toContain('[ANNOTATION_NOT_ENABLED]')
    expect(message).toContain(annotation)
    expect(message).toContain('enable_annotations')
  })

  test.each([short, long])('%s works once the operator has enabled it', async (annotation) => {
    expect(await uidOfVmm('enabled', { [annotation]: 'false' })).toBe(0)
  })

  test('where the file says false anyway it is no request for rights', async () => {
    expect(await uidOfVmm('rooted', { [short]: 'false' })).toBe(0)
  })
})

describe('anything but a boolean is an error', () => {
  test.each([
    [short, 'yes'],
    [long, '2'],
    [long, ''],
    [short, 'TRUE '],
  ])('%s: "%s"', async (annotation, value) => {
    const message = await refusalOf('rootless', { [annotation]: value })
    expect(message).toContain(annotation)
    expect(message).toMatch(/true or false/)
  })
})

describe('other annotations', () => {
  const memory = 'io.katacontainers.config.hypervisor.default_memory'

  test('one that is not enabled fails the pod, with the name of its key', async () => {
    const message = await refusalOf('rootless', { [memory]: '300' })
    expect(message).toContain('[ANNOTATION_NOT_ENABLED]')
    expect(message).toContain('default_memory')
  })

  test('an enabled one has its effect', async () => {
    const pod = await containerd.cri.runPod({ handler: 'enabled', annotations: { [memory]: '384' } })
    const id = await pod.start(['sleep', '1000'])
    const { stdout } = await pod.exec(id, ['grep', 'MemTotal', '/proc/meminfo'])
    const mebibytes = Number(/\d+/.exec(stdout)![0]) / 1024
    expect(mebibytes).toBeGreaterThan(300)
    expect(mebibytes).toBeLessThan(384)
    await pod.remove()
  })

  test('those that are none of ours are left alone', async () => {
    expect(await uidOfVmm('rootless', { 'example.com/rootless': 'false' })).toBeGreaterThan(999)
  })
})
