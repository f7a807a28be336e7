// test:vmm: every VMM
/** Whose processes a container sees: its own, those of another container (`kubectl debug --target`), or the pod's. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readlinkSync } from 'node:fs'
import { ContainerState, NamespaceMode } from '../../src/protocol/generated/cri/runtime.ts'
import type { AuditedProcess } from '../../src/sandbox/records/audit.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { executable } from '../harness/executable.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { vmm } from '../harness/vmm.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import type { ContainerOptions, Pod } from './cri.ts'
import { busyboxImage } from './images.ts'

setDefaultTimeout(slow(90_000))

let before: HostState
let containerd: Containerd
beforeAll(async () => {
  before = hostState(defaultRunDir)
  containerd = await Containerd.start()
}, slow(120_000))
afterAll(async () => {
  await containerd?.close()
  await expectNothingLeft(before, defaultRunDir)
}, slow(60_000))

const calls = () => containerd.cri.calls
const sleep = (seconds: number) => ['sh', '-c', `exec sleep ${seconds}`]
/** As a kubelet asks for an ephemeral container with a target. */
const targeting = (targetId: string): ContainerOptions => ({
  linux: {
    resources: {},
    securityContext: { namespaceOptions: { pid: NamespaceMode.TARGET, targetId } },
  },
})
/** The command lines that a container sees, its own `ps` left out. */
async function seenBy(pod: Pod, id: string): Promise<string[]> {
  return eventually('processes that all run their programs', async () => {
    const { stdout } = await pod.exec(id, ['ps', '-o', 'pid,args'])
    const lines = stdout.trim().split('\n').slice(1)
    const args = lines
      .map((line) => line.trim().replace(/\s+/g, ' '))
      .filter((line) => !line.endsWith('ps -o pid,args'))
    // One that has only just started is still the runtime's own program, or the shell of `sleep`.
    const isNew = (line: string) => line.endsWith('[exe]') || /crun|sh -c exec /.test(line)
    return args.some(isNew) ? undefined : args
  })
}
/**
 * Without its process number, which the first of a namespace alone has for certain, and without the `{name}` that ps puts before
 * the arguments of a process that has just become another program.
 */
const argsOf = (lines: readonly string[]) =>
  lines.map((line) => line.replace(/^(?!1 )\d+ /, '').replace(/\{[^}]*\} /, '')).sort()

async function exitCode(containerId: string): Promise<number> {
  const ended = await eventually('the end', async () => {
    const { status } = await calls().containerStatus({ containerId })
    return status?.state === ContainerState.CONTAINER_EXITED ? status : undefined
  })
  return ended.exitCode
}

function audited(pod: Pod): readonly AuditedProcess[] {
  const { stdout } = Bun.spawnSync([executable, 'audit', '--format', 'json', `k8s.io/${pod.id}`])
  return (JSON.parse(stdout.toString()) as [{ processes: AuditedProcess[] }])[0].processes
}
const isStandIn = ({ name }: AuditedProcess) => name.startsWith('stand-in-')

async function pidOf(containerId: string): Promise<number> {
  const { info } = await calls().containerStatus({ containerId, verbose: true })
  return (JSON.parse(info.info!) as { pid: number }).pid
}

// runc is what a kubelet expects.
describe.each(['runc', 'kata-ts'])('kubectl debug --target under %s', (handler) => {
  let pod: Pod
  let web: string
  let other: string
  beforeAll(async () => {
    pod = await containerd.cri.runPod({ handler })
    web = await pod.start(sleep(1111))
    other = await pod.start(sleep(2222))
  })
  afterAll(() => pod.remove())

  test('sees the processes of its target, whichever that is, and no others', async () => {
    const [ofWeb, ofOther] = [
      await pod.start(sleep(3333), targeting(web)),
      await pod.start(sleep(4444), targeting(other)),
    ]
    expect(argsOf(await seenBy(pod, ofWeb))).toEqual(['1 sleep 1111', 'sleep 3333'])
    expect(argsOf(await seenBy(pod, ofOther))).toEqual(['1 sleep 2222', 'sleep 4444'])
    // So does the target, as its namespace is one.
    expect(argsOf(await seenBy(pod, web))).toEqual(['1 sleep 1111', 'sleep 3333'])
    const further = await pod.start(sleep(5555), targeting(ofWeb))
    expect(argsOf(await seenBy(pod, further))).toEqual(['1 sleep 1111', 'sleep 3333', 'sleep 5555'])
    const { stdout } = await pod.exec(ofWeb, ['cat', '/proc/1/root/etc/hostname'])
    expect(stdout.trim()).toBe(pod.config.hostname)
    for (const id of [ofWeb, ofOther, further]) {
      await calls().stopContainer({ containerId: id, timeout: 0n })
      await calls().removeContainer({ containerId: id })
    }
    expect(argsOf(await seenBy(pod, web))).toEqual(['1 sleep 1111'])
  })

  test('ends with its target, which it may signal', async () => {
    const victim = await pod.start(['sh', '-c', 'trap "exit 7" USR1; >/ready; while :; do sleep 0.1; done'])
    // Before its trap, a signal to the first process of a namespace is lost.
    await pod.exec(victim, ['sh', '-c', 'until [ -e /ready ]; do sleep 0.05; done'])
    const id = await pod.start(sleep(6666), targeting(victim))
    await pod.exec(id, ['kill', '-USR1', '1'])
    expect(await exitCode(victim)).toBe(7)
    expect(await exitCode(id)).toBe(137)
  })
})

describe('the processes that stand for containers on the host', () => {
  let pod: Pod
  beforeAll(async () => {
    pod = await containerd.cri.runPod()
  })
  afterAll(() => pod.remove())

  test('each container has another one, which is jailed, audited, and gone with its container', async () => {
    const [first, second, third] = [
      await pidOf(await pod.start(sleep(1000))),
      await pidOf(await pod.start(sleep(1000))),
      await pidOf(await pod.start(sleep(1000))),
    ]
    expect(first).toBe(await pod.pid())
    expect(new Set([first, second, third]).size).toBe(3)
    const standIn = third!
    expect(readlinkSync(`/proc/${standIn}/exe`)).toEndWith('/sleep')
    for (const kind of ['net', 'pid', 'mnt'])
      expect(readlinkSync(`/proc/${standIn}/ns/${kind}`)).not.toBe(readlinkSync(`/proc/self/ns/${kind}`))
    expect(
      audited(pod)
        .filter(isStandIn)
        .map(({ name, differences }) => [name, differences]),
    ).toEqual([
      ['stand-in-1', 0],
      ['stand-in-1-waiter', 0],
      ['stand-in-2', 0],
      ['stand-in-2-waiter', 0],
    ])
    // A double has its QEMU besides.
    if (!vmm.isDouble) expect(audited(pod).some(({ name }) => name === 'unknown')).toBe(false)
    await pod.clear()
    expect(() => readlinkSync(`/proc/${standIn}/exe`)).toThrow('ENOENT')
    expect(audited(pod).filter(isStandIn)).toEqual([])
  })
})

describe('a pod that shares its processes', () => {
  test('shows all of them to all containers, and to one with a target', async () => {
    const namespaceOptions = { pid: NamespaceMode.POD }
    const pod = await containerd.cri.runPod({
      config: { linux: { cgroupParent: '/kata-ts-e2e', securityContext: { namespaceOptions } } },
    })
    const shared = { linux: { resources: {}, securityContext: { namespaceOptions } } }
    const web = await pod.start(sleep(1111), shared)
    const other = await pod.start(sleep(2222), shared)
    const debug = await pod.start(sleep(3333), targeting(web))
    for (const id of [web, other, debug])
      expect(argsOf(await seenBy(pod, id))).toEqual(['1 /pause', 'sleep 1111', 'sleep 2222', 'sleep 3333'])
    await pod.remove()
  })
})

test('a pid namespace that is none of the pod’s is refused, with the path and what to do', async () => {
  const { code, stderr } = await containerd.ctr([
    ...['run', '--rm', '--runtime', ourRuntime, '--with-ns', 'pid:/proc/1/ns/pid'],
    ...[busyboxImage, 'foreign', 'ps'],
  ])
  expect(code).not.toBe(0)
  expect(stderr).toContain(
    '[PID_NAMESPACE_FOREIGN] container foreign asks for the pid namespace /proc/1/ns/pid, which belongs to no container of its pod. Name a running container of the same pod',
  )
})
