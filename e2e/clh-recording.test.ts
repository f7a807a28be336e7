/**
 * Cloud Hypervisor beside its recordings (e2e/recordings): the real program where there is one, else its double, which may
 * differ in what its table of differences names, and in nothing else.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import {
  closeSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { openTap } from '../src/linux/tap.ts'
import { readPosture } from '../src/rootless/posture.ts'
import { CloudHypervisor } from '../src/vmm/cloud-hypervisor/cloud-hypervisor.ts'
import { ApiClient } from '../src/vmm/http/api.ts'
import { differences } from './doubles/cloud-hypervisor/differences.ts'
import { type Answered, startAlone } from './harness/clh-alone.ts'
import { eventually } from './harness/kata.ts'
import { descriptorKind, recordedLines, recordedProcess } from './harness/recording.ts'
import { findVmm } from './harness/vmm.ts'
import { serveShare } from './machine/share.ts'
import { bootLimitMs, guestImage, kvmGroupUsable, MachineStage } from './machine/stage.ts'
import { bootWithAgent } from './machine/suite.ts'

const recording = 'cloud-hypervisor-53.0'
const clh = await findVmm('clh')
const noKvm = kvmGroupUsable ? '' : ' (skipped: it needs /dev/kvm with a group)'
/** What may differ: nothing of the real program. */
const known = clh.isDouble ? differences : []
const fields = new Set(known.flatMap(({ fields = [] }) => fields))

interface Event {
  readonly source: string
  readonly event: string
}

describe.skipIf(noKvm !== '')(`asked by itself${noKvm}`, () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync('/run/kt-recording-')
    for (const name of ['disks', 'sockets', 'outside']) mkdirSync(`${directory}/${name}`)
    for (const name of ['disks/d0', 'disks/d1', 'outside/disk', 'disks/initrd'])
      writeFileSync(`${directory}/${name}`, Buffer.alloc(1 << 20, 'x'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))
  afterEach(() => {
    for (const name of ['api.sock', 'sockets/chv.sock']) rmSync(`${directory}/${name}`, { force: true })
  })

  const start = () => startAlone(clh.path, `${directory}/api.sock`)

  /** With what is here in place of the recorder's paths. */
  function recorded(file: string): Answered[] {
    const { kernel, initrd } = guestImage
    const [disks, sockets, outside] = ['disks', 'sockets', 'outside'].map((name) => `${directory}/${name}`)
    const places: Record<string, string> = {
      kernel,
      initrd,
      disks: disks!,
      sockets: sockets!,
      outside: outside!,
    }
    const text = JSON.stringify(recordedLines(recording, file))
    return JSON.parse(text.replace(/@(kernel|initrd|disks|sockets|outside)\b/g, (_, name) => places[name]!))
  }

  test(
    'every request is answered as it was, every event comes in its place, and it ends well',
    async () => {
      await using vmm = await start()
      const differing: number[] = []
      for (const [index, answered] of recorded('answers.jsonl').entries())
        if (!isSame(answered, await vmm.ask(answered))) differing.push(index + 1)
      expect(differing).toEqual(known.flatMap(({ answers = [] }) => answers))
      expect(await vmm.exited).toBe(0)
      const events = recordedLines<Event>(recording, 'events.jsonl').map(({ source, event }) => ({
        source,
        event,
      }))
      expect(vmm.events.filter(isAskedFor)).toEqual(events.filter(isAskedFor))
    },
    bootLimitMs,
  )

  test(
    'a machine tells of a disk that comes and goes as it did',
    async () => {
      await using vmm = await start()
      const answers = recorded('info.jsonl')
      const last = answers.length - 2
      for (const [index, answered] of answers.entries()) {
        // The disk has left when the guest has let go of it; one that was still booting missed that it was asked to.
        if (index === last)
          await eventually('the disk to leave', async () => {
            if (isSame(answered, await vmm.ask(answered))) return true
            await vmm.ask(answers[last - 2]!)
            return undefined
          })
        const seen = await vmm.ask(answered)
        expect([index, answered.request, told(seen.answer)]).toEqual([
          index,
          answered.request,
          told(answered.answer),
        ])
      }
      expect(vmm.events).toContainEqual(expect.objectContaining({ source: 'vm', event: 'device-removed' }))
    },
    bootLimitMs,
  )

  test(
    'a guest that resets is told, and started anew',
    async () => {
      await using vmm = await start()
      const machine = recorded('info.jsonl')[0]!.body as { payload: object }
      const payload = { ...machine.payload, initramfs: `${directory}/disks/initrd` }
      await vmm.ask({ request: 'PUT /api/v1/vm.create', body: { ...machine, payload } })
      await vmm.ask({ request: 'PUT /api/v1/vm.boot', body: null })
      const wanted = ['starting', 'booting', 'booted', 'rebooting', 'rebooted']
      const came = () => vmm.events.slice(0, wanted.length).map(({ event }) => event)
      await eventually('the new start', () => came().length === wanted.length || undefined, bootLimitMs)
      expect(came()).toEqual(wanted)
    },
    bootLimitMs,
  )

  test('what its command line does not know ends it with code 2', async () => {
    const child = Bun.spawn([clh.path, '--landlock', '--api-socket', 'fd=3'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    expect(await child.exited).toBe(2)
  })
})

type Seen = Pick<Answered, 'head' | 'answer'>

function isSame(recorded: Seen, seen: Seen): boolean {
  const head = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('Content-Length')).join()
  if (head(recorded.head) !== head(seen.head)) return false
  return isCutOff(recorded) || Bun.deepEquals(told(recorded.answer), told(seen.answer))
}

function isCutOff({ head, answer }: Seen): boolean {
  const length = head.map((line) => /^Content-Length: (\d+)/.exec(line)?.[1]).find(Boolean)
  return length !== undefined && Number(length) > answer.length && head[0]!.includes(' 200 ')
}

/** Of one answer what another process, bus or directory would tell too. */
function told(answer: string): unknown {
  if (answer === '') return ''
  // Where in a text the fault is depends on the paths in it.
  const text = answer.replace(/ at line \d+ column \d+/, '')
  return JSON.parse(text, (key, value) => (key === 'pid' || fields.has(key) ? null : value))
}

/** Those that the guest brings about come when it is ready for them. */
const isAskedFor = ({ event }: Event) => !['rebooting', 'rebooted', 'device-removed'].includes(event)

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
      const socket = `${stage.privateDir}/vhost-fs.sock`
      lchownSync(socket, stage.identity.uid, stage.identity.gid)
      const taps = openTap('kt-recording', 1)
      const image = `${stage.runDir}/disk.img`
      writeFileSync(image, Buffer.alloc(1 << 20), { mode: 0o600 })
      const fd = openSync(image, 'r+')
      const session = listen()
      try {
        const machine = new CloudHypervisor(
          stage.options({
            ...{ vcpus: 2, maxVcpus: 2, memoryMiB: 768, maxMemoryMiB: 7936 },
            share: { tag: 'kataShared', socket, queueSize: 1024 },
            nics: [{ id: 'nic18', mac: '46:ef:4c:b6:53:db', mtu: 1500, taps }],
          }),
        )
        const { ref } = await machine.start()
        const agent = await bootWithAgent(machine)
        await machine.plugDisk({
          ...{ id: 'disk1', name: image, fd, kind: 'file', bus: 'virtio-blk' },
          ...{ readonly: false, direct: false },
        })
        expect(share.directory).toBeString()
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

function listen() {
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
      const body = comparable(JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4) || '{}'))
      return { command: `${method} ${command}`, body, fds }
    })
}

/** Threads, descriptors and mounts; ids and rights are in clh.test.ts and posture.test.ts. */
function looksAsRecorded(pid: number): void {
  const recorded = recordedProcess(recording)
  const { descriptors, mounts, limits, environment } = readPosture(pid)
  const threads = readdirSync(`/proc/${pid}/task`).map((tid) => {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
    const value = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)![1]!
    return { name: value('Name'), filters: Number(value('Seccomp_filters')) }
  })
  const named = (list: readonly (typeof threads)[number][]) => [
    ...new Set(list.filter(isItsOwn).map(({ name, filters }) => `${plain(name)} ${filters}`)),
  ]
  expect(differing(named(recorded.threads), named(threads))).toEqual(listed('threads'))

  const kinds = (list: Readonly<Record<number, string>>) => [
    ...new Set(Object.values(list).map((target) => plain(descriptorKind(target)))),
  ]
  expect(differing(kinds(recorded.descriptors), kinds(descriptors))).toEqual(listed('descriptors'))
  const more = known.reduce((sum, { sockets = 0 }) => sum + sockets, 0)
  expect(sockets(descriptors)).toBe(sockets(recorded.descriptors) + more)

  const own = mounts.filter(({ point }) => point !== clh.path)
  expect(own).toEqual([...recorded.mounts])
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
const differing = (one: readonly string[], other: readonly string[]): string[] =>
  [...one.filter((name) => !other.includes(name)), ...other.filter((name) => !one.includes(name))].sort()

const listed = (kind: 'threads' | 'descriptors'): string[] =>
  known.flatMap((known) => known[kind] ?? []).sort()
