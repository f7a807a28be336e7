// test:vmm: clh
/**
 * Cloud Hypervisor as the driver has it beside the recording of one pod: what it is sent, and how its process looks. The double
 * may differ in what its table of differences names, the real program in nothing.
 */
import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { openTap } from '../src/linux/interfaces/tap.ts'
import { readPosture } from '../src/rootless/posture/posture.ts'
import { CloudHypervisor } from '../src/vmm/cloud-hypervisor/cloud-hypervisor.ts'
import { ApiClient } from '../src/vmm/http/api.ts'
import { differences } from './doubles/cloud-hypervisor/differences.ts'
import { eventually } from './harness/kata.ts'
import { findVmm } from './harness/vmm.ts'
import { inJailOfToday } from './harness/vmms/jail.ts'
import { descriptorKind, recordedLines, recordedProcess, threadsOf } from './harness/vmms/recording.ts'
import { serveShare } from './machine/share.ts'
import { bootLimitMs, kvmGroupUsable, MachineStage } from './machine/stage.ts'
import { bootWithAgent } from './machine/suite.ts'

const recording = 'cloud-hypervisor-53.0'
const clh = await findVmm('clh')
const noKvm = kvmGroupUsable ? '' : ' (skipped: it needs /dev/kvm with a group)'
const known = clh.isDouble ? differences : []

describe.skipIf(noKvm !== '')(`driven by us${noKvm}`, () => {
  let stage: MachineStage
  beforeEach(async () => {
    stage = await MachineStage.open(clh)
  })
  afterEach(() => stage[Symbol.asyncDispose]())

  test(
    'it is sent what was recorded, in that order, and looks as it did',
    async () => {
      await using share = await serveShare(stage)
      const taps = openTap('kt-recording', 1)
      const image = `${stage.runDir}/disk.img`
      writeFileSync(image, Buffer.alloc(1 << 20), { mode: 0o600 })
      const fd = openSync(image, 'r+')
      const session = overhear()
      try {
        const machine = new CloudHypervisor(
          stage.options({
            vcpus: 2,
            maxVcpus: 2,
            memoryMiB: 768,
            maxMemoryMiB: 7936,
            share: share.attachment,
            nics: [{ id: 'nic18', mac: '46:ef:4c:b6:53:db', mtu: 1500, taps }],
          }),
        )
        const { ref } = await machine.start()
        const agent = await bootWithAgent(machine)
        await machine.plugDisk({
          id: 'disk1',
          name: image,
          fd,
          kind: 'file',
          bus: 'virtio-blk',
          readonly: false,
          direct: false,
        })
        // The guest takes its devices up one after the other.
        await eventually('its devices', () => differencesOf(ref.pid).length === 0 || undefined).catch(
          () => {},
        )
        expect(differencesOf(ref.pid)).toEqual([])
        looksAsRecorded(ref.pid)
        agent.close()
        await machine.stop()
      } finally {
        for (const open of [fd, ...taps]) closeSync(open)
        session.end()
      }
      expect(session.said).toEqual(recordedSession())
    },
    bootLimitMs,
  )
})

interface Said {
  readonly command: string
  readonly body: unknown
  readonly fds: number
}

/** What the guest's kernel is told changes for reasons of its own. */
function comparable(body: unknown): unknown {
  const { payload, ...rest } = body as { payload?: object }
  return payload === undefined ? body : { ...rest, payload: { ...payload, cmdline: '' } }
}

/** That the guest is no host of machines itself is said since the recording. */
function asSaidToday(body: object): object {
  return 'cpus' in body ? { ...body, cpus: { ...(body.cpus as object), nested: false } } : body
}

function overhear() {
  const said: Said[] = []
  const spies = (['get', 'put'] as const).map((method) => {
    const really = ApiClient.prototype[method]
    return spyOn(ApiClient.prototype, method).mockImplementation(function (
      this: ApiClient,
      command,
      options = {},
    ) {
      const body = comparable(options.body ?? {})
      said.push({ command: `${method.toUpperCase()} ${command}`, body, fds: options.fds?.length ?? 0 })
      return really.call(this, command, options)
    })
  })
  return {
    said,
    end: () => {
      for (const spy of spies) spy.mockRestore()
    },
  }
}

function recordedSession(): Said[] {
  const lines = recordedLines<{ way: string; raw: string; fds?: number }>(recording, 'session.jsonl')
  return lines
    .filter(({ way }) => way === '>')
    .map(({ raw, fds = 0 }) => {
      const [, method, command] = /^(\w+) \/api\/v1\/(\S+) /.exec(raw)!
      const body = comparable(asSaidToday(JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4) || '{}')))
      return { command: `${method} ${command}`, body, fds }
    })
}

/** Of threads and descriptors: what one has and the other has not, besides what is known. */
function differencesOf(pid: number): string[] {
  const recorded = inJailOfToday(recordedProcess(recording), clh.path)
  const { descriptors } = readPosture(pid)
  const threads = threadsOf(pid)
  const named = (list: readonly (typeof threads)[number][]) =>
    list.filter(isItsOwn).map(({ name, filters }) => `${plain(name)} with ${filters} filters`)
  const kinds = (list: Readonly<Record<number, string>>) =>
    Object.values(list).map((target) => plain(descriptorKind(target)))
  const more = known.reduce((sum, { sockets = 0 }) => sum + sockets, 0)
  const count = sockets(descriptors) - sockets(recorded.descriptors) - more
  return [
    ...differing(named(recorded.threads), named(threads)),
    ...differing(kinds(recorded.descriptors), kinds(descriptors)),
    ...(count === 0 ? [] : [`${count} sockets more`]),
  ]
}

/** What else was recorded; ids and rights are in clh.test.ts and posture.test.ts. */
function looksAsRecorded(pid: number): void {
  const recorded = inJailOfToday(recordedProcess(recording), clh.path)
  const { mounts, limits, environment } = readPosture(pid)
  expect(mounts).toEqual([...recorded.mounts])
  const { core, nofile, nproc } = limits
  expect({ core, nofile, nproc }).toEqual({
    core: recorded.limits['Max core file size']!,
    nofile: recorded.limits['Max open files']!,
    nproc: recorded.limits['Max processes']!,
  })
  expect([environment, recorded.environment]).toEqual([0, ''])
  const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
  expect(commandLine.slice(1)).toEqual(recorded.commandLine.slice(1))
}

const sockets = (list: Readonly<Record<number, string>>): number =>
  Object.values(list).filter((target) => target.startsWith('socket:')).length

/** Some kernels show a task of KVM's as a thread of whoever runs a machine. */
const isItsOwn = ({ name }: { readonly name: string }): boolean => !name.startsWith('kvm-nx')

const plain = (name: string): string => name.replace(/\d+/g, 'N')

/** What only one of the two has. */
const differing = (one: readonly string[], other: readonly string[]): string[] => [
  ...new Set([
    ...one.filter((name) => !other.includes(name)).map((name) => `no ${name}`),
    ...other.filter((name) => !one.includes(name)),
  ]),
]
