/** docs/how-to/first-pod.md, run as it is written. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { clientCgroups, removeEmptyCgroup } from '../containerd/cgroups.ts'
import { Cri, type Pod } from '../containerd/cri.ts'
import { busyboxImage, makeImages, pauseImage } from '../containerd/images.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { type Host, PageHost } from './host.ts'
import { LabPageHost } from './lab-host.ts'
import { readBlocks } from './page.ts'

/** On the lab host the page changes the host itself. */
const isLab = process.env.KATA_TS_E2E_LAB === '1'
const page = 'docs/how-to/first-pod.md'
const repository = resolve(import.meta.dir, '../..')
const blocks = readBlocks(page)
const commands = blocks.filter(({ language }) => language === 'sh')

interface Manifest {
  readonly metadata: { readonly name: string; readonly annotations: Record<string, string> }
  readonly spec: {
    readonly runtimeClassName: string
    readonly containers: readonly { readonly image: string; readonly command: readonly string[] }[]
  }
}

let before: HostState
let cgroupsBefore: string[]
let host: Host
let isClosed = false
let cri: Cri
beforeAll(async () => {
  before = hostState(defaultRunDir)
  cgroupsBefore = clientCgroups()
  host = isLab ? new LabPageHost() : await PageHost.start()
  cri = new Cri(host.socket)
})
afterAll(async () => {
  cri.close()
  if (!isClosed) await host.close()
})

/** Runs the first blocks of the page that were not run yet, up to and with the first that holds `last`. */
async function runThrough(last: string): Promise<string> {
  let output = ''
  for (;;) {
    const block = commands.shift()
    if (block === undefined) throw new Error(`${page} has no block with ${JSON.stringify(last)}`)
    if (block.notRun !== undefined && !host.alsoRuns.includes(block.name ?? '')) {
      console.log(`not run, ${block.notRun}: ${block.text.split('\n')[0]} ...`)
      if (block.text.includes(last)) return output
      continue
    }
    const { code, stdout, stderr } = await host.run(block.text)
    if (code !== 0)
      throw new Error(`exit ${code} of\n${block.text}\n${stdout}${stderr}\n${host.log().slice(-2000)}`)
    output += stdout
    if (block.text.includes(last)) return output
  }
}

/** What a registry would have. */
async function importImages(): Promise<void> {
  const names = {
    [busyboxImage]: 'docker.io/library/busybox:1.37',
    [pauseImage]: 'registry.k8s.io/pause:3.8',
  }
  for (const archive of makeImages(host.directory)) {
    const file = `${host.directory}/image.tar`
    writeFileSync(file, archive)
    for (const namespace of ['default', 'k8s.io']) await host.run(`ctr -n ${namespace} images import ${file}`)
  }
  for (const [name, other] of Object.entries(names))
    for (const namespace of ['default', 'k8s.io']) {
      const { code, stderr } = await host.run(`ctr -n ${namespace} images tag ${name} ${other}`)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    }
}

test('kata-ts is installed and reads the configuration that was put there', async () => {
  const output = await runThrough('config show')
  expect(output).toContain('source: /etc/kata-ts/configuration.toml')
  expect(output).toMatch(/hypervisor\.qemu +rootless +true/)
})

test('containerd takes the snippet', async () => {
  await runThrough('restart containerd')
  const { stdout } = await host.run('containerd config dump')
  for (const handler of ['kata-ts', 'kata-ts-clh', 'kata-ts-fc'])
    expect(stdout).toContain(`runtimes.${handler}]`)
})

test('containers with ctr: own kernels, own users, nothing afterwards', async () => {
  await importImages()
  const [hostKernel, guestKernel] = (await runThrough('first uname -r')).trim().split('\n')
  expect(guestKernel).toMatch(/^\d+\./)
  expect(guestKernel).not.toBe(hostKernel)
  const second = await runThrough('container delete second')
  expect(second).toContain('hello from')
  expect(second).toMatch(/^second +running/m)
  expect(second).toMatch(/^kata-\d+ +\S*qemu-system/m)
  await runThrough('getent passwd')
})

test('the manifest as a kubelet would hand it to CRI', async () => {
  await runThrough('kubectl apply')
  const manifest = Bun.YAML.parse(blocks.find(({ language }) => language === 'yaml')!.text) as Manifest
  const classes = Bun.YAML.parse(
    readFileSync(`${repository}/packaging/kubernetes/runtimeclasses.yaml`, 'utf8'),
  ) as readonly { metadata: { name: string }; handler: string }[]
  const { handler } = classes.find(({ metadata }) => metadata.name === manifest.spec.runtimeClassName)!
  const [container] = manifest.spec.containers
  let pod: Pod | undefined
  try {
    pod = await cri.runPod({ handler, annotations: manifest.metadata.annotations })
    const id = await pod.start(container!.command, { image: { image: container!.image } })
    const { stdout } = await pod.exec(id, ['uname', '-r'])
    expect(stdout.trim()).not.toBe(Bun.spawnSync(['uname', '-r']).stdout.toString().trim())
    expect(await pod.address()).toMatch(/^10\.88\.7\./)
    expect(await runThrough('--namespace k8s.io ps')).toContain(pod.id.slice(0, 12))
  } finally {
    await pod?.remove()
  }
})

test('every block of the page was run or says why not, and nothing is left', async () => {
  expect(commands.filter(({ notRun }) => notRun === undefined)).toEqual([])
  await host.close()
  isClosed = true
  Bun.spawnSync(['ip', 'link', 'delete', 'kata-ts0'])
  for (const path of clientCgroups()) if (!cgroupsBefore.includes(path)) removeEmptyCgroup(path)
  await expectNothingLeft(before, defaultRunDir)
})
