// test:vmm: every VMM
/** What goes wrong through CRI and ctr: the text that a person needs arrives there, and nothing is left. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { rmSync, writeFileSync } from 'node:fs'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { configuration } from '../harness/configuration.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState, leftBehind } from '../harness/host/host.ts'
import { eventually } from '../harness/kata.ts'
import { networkConfiguration } from './configuration.ts'
import { Containerd } from './containerd.ts'
import { failureOf, type Pod } from './cri.ts'
import { bareImage, busyboxImage } from './images.ts'

let containerd: Containerd
let directory: string
beforeAll(async () => {
  directory = ownDirectory('/var/lib/kata-ts-e2e-conf-')
  const file = (name: string, text: string) => {
    writeFileSync(`${directory}/${name}`, text)
    return { configPath: `${directory}/${name}` }
  }
  containerd = await Containerd.start({
    handlers: {
      'kata-ts': {},
      missing: { configPath: `${directory}/none.toml` },
      broken: file('broken.toml', '[hypervisor.qemu]\nrootless = "perhaps"\n'),
      noprogram: file('noprogram.toml', '[hypervisor.qemu]\npath = "/usr/bin/no-such-vmm"\n'),
      open: file(
        'open.toml',
        configuration('[hypervisor.qemu]\nrootless = true\nenable_annotations = [".*"]\n'),
      ),
    },
  })
  // The first pod makes the bridge of all.
  await (await containerd.cri.runPod({ handler: 'runc' })).remove()
})
afterAll(async () => {
  await containerd.close()
  rmSync(directory, { recursive: true })
})

/** Runs something that must fail, and then looks for what it left. */
async function failing(call: () => Promise<string>): Promise<string> {
  const before = hostState(defaultRunDir)
  const message = await call()
  let left: string[] = []
  await eventually('nothing to be left', () => {
    left = leftBehind(before, hostState(defaultRunDir))
    return left.length === 0 || undefined
  }).catch(() => expect(left).toEqual([]))
  return message
}

const pod = (handler: string, annotations: Record<string, string> = {}) =>
  failing(() => failureOf(containerd.cri.runPod({ handler, annotations })))

describe('a pod that cannot be', () => {
  test('handler options name a file that is not there', async () => {
    const message = await pod('missing')
    expect(message).toContain('[CONFIG_NOT_FOUND]')
    expect(message).toContain(`${directory}/none.toml`)
  })

  test('handler options name a file with a wrong value: file, line, and what is allowed', async () => {
    const message = await pod('broken')
    expect(message).toContain(`${directory}/broken.toml`)
    expect(message).toMatch(/2/)
    expect(message).toContain('rootless')
    expect(message).toMatch(/true or false/)
  })

  test('the program of the VMM is not installed', async () => {
    expect(await pod('noprogram')).toContain('/usr/bin/no-such-vmm')
  })

  test.each([
    ['default_vcpus', 'many'],
    ['default_memory', '-5'],
  ])('annotation %s: "%s"', async (key, value) => {
    expect(await pod('open', { [`io.katacontainers.config.hypervisor.${key}`]: value })).toContain(key)
  })

  test('more memory asked than the host has', async () => {
    const message = await pod('open', { 'io.katacontainers.config.hypervisor.default_memory': '99999999' })
    expect(message).toContain('memory')
    expect(message).toContain('99999999')
  })

  test('a network plugin that fails', async () => {
    const { cri, files } = containerd
    const file = `${files.networks}/10-kata-ts.conflist`
    /** containerd notices by itself that the file is gone, and that there is one again. */
    const configure = async (name?: string) => {
      rmSync(file, { force: true })
      await eventually('the network to be gone', async () => !(await cri.isReady()) || undefined)
      writeFileSync(file, networkConfiguration(`${files.root}/addresses`, name))
      await eventually('the network to be another', () => cri.isReady())
    }
    try {
      await configure('a-name-too-long-for-linux')
      expect(await pod('kata-ts')).toMatch(/network.*a-name-too-long-for-linux/s)
    } finally {
      await configure()
    }
  })
})

describe('a container that cannot be, in a pod that lives on', () => {
  let running: Pod
  let witness: string
  beforeAll(async () => {
    running = await containerd.cri.runPod()
    witness = await running.start(['sleep', '1000'])
  })

  const container = (command: readonly string[], options = {}) =>
    failing(() => failureOf(running.start(command, options)))

  test('its entry point is not there', async () => {
    expect(await container(['/no/such/entry-point'])).toContain('/no/such/entry-point')
  })

  test('its image has no shell', async () => {
    const image = { image: { image: bareImage } }
    expect(await container(['sh', '-c', 'true'], image)).toMatch(/sh.*not found/)
    const own = await running.start([], image)
    expect(await failureOf(running.exec(own, ['sh']))).toMatch(/sh.*not found/)
  })

  test('its working directory is a file', async () => {
    expect(await container(['true'], { workingDir: '/etc/passwd' })).toMatch(/cwd|passwd|directory/)
  })

  test('it mounts a file where its image has a directory, or the other way round', async () => {
    const file = `${directory}/broken.toml`
    const mounted = (hostPath: string, containerPath: string) =>
      container(['true'], { mounts: [{ hostPath, containerPath, readonly: true }] })
    expect(await mounted(file, '/etc')).toMatch(/\[MOUNT_KIND\].*`etc`.*subPath/)
    expect(await mounted(directory, '/etc/passwd')).toMatch(/\[MOUNT_KIND\].*`etc\/passwd`/)
    expect(await mounted(file, '/etc/passwd/below')).toMatch(/\[MOUNT_KIND\].*`etc\/passwd\/below`/)
  })

  test('a program that is not executable', async () => {
    expect(await container(['/etc/passwd'])).toMatch(/passwd.*(executable|permi)/i)
  })

  test('the pod is as well as before', async () => {
    expect((await running.exec(witness, ['echo', 'fine'])).stdout).toBe('fine\n')
    await running.remove()
  })
})

describe('a task that cannot be', () => {
  const ctr = (flags: readonly string[], command: readonly string[] = ['true']) =>
    failing(async () => {
      const args = ['run', '--rm', '--runtime', 'io.containerd.kata-ts.v2', ...flags, busyboxImage, 'wrong']
      const { code, stderr } = await containerd.ctr([...args, ...command])
      expect(code).toBe(1)
      return stderr
    })

  test('a mount whose source is missing', async () => {
    const message = await ctr(['--mount', 'type=bind,src=/no/such/source,dst=/data,options=rbind:rw'])
    expect(message).toContain('[SHARE_SOURCE_MISSING]')
    expect(message).toContain('/no/such/source')
  })

  test('a name that is no name of ours is refused by containerd or by us', async () => {
    const args = ['run', '--rm', '--runtime', 'io.containerd.kata-ts.v2', busyboxImage, '../up', 'true']
    expect((await containerd.ctr(args)).code).toBe(1)
  })

  test('a pod whose shim is gone takes no further container', async () => {
    const orphan = ['--annotation', 'io.kubernetes.cri.container-type=container']
    const message = await ctr([...orphan, '--annotation', 'io.kubernetes.cri.sandbox-id=no-such-pod'])
    expect(message).toContain('[POD_SHIM_GONE]')
    expect(message).toContain('no-such-pod')
  })
})
