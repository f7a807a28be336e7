// test:vmm: clh
/**
 * Cloud Hypervisor beside its recordings (e2e/recordings), asked by itself: the real program where there is one, else its
 * double, which may differ in what its table of differences names, and in nothing else.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { differences } from './doubles/cloud-hypervisor/differences.ts'
import { ownDirectory } from './harness/directories.ts'
import { eventually } from './harness/kata.ts'
import { findVmm } from './harness/vmm.ts'
import type { Answered } from './harness/vmms/ask-api.ts'
import { startAlone } from './harness/vmms/clh-alone.ts'
import { recordedLines } from './harness/vmms/recording.ts'
import { bootLimitMs, guestImage, kvmGroupUsable } from './machine/stage.ts'

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
    directory = ownDirectory('/run/kt-recording-')
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

  test(
    'what is wrong with a machine shows at its boot, and with a disk when it is opened',
    async () => {
      await using vmm = await start()
      const put = (command: string, body: object | null = null) =>
        vmm.ask({ request: `PUT /api/v1/${command}`, body })
      const reasons = async (command: string, body?: object) =>
        JSON.parse((await put(command, body)).answer) as string[]
      const machine = recorded('info.jsonl')[0]!.body as object
      const path = `${directory}/gone`
      expect(
        (await put('vm.create', { ...machine, landlock_rules: [{ path, access: 'rw' }] })).head[0],
      ).toContain(' 204 ')
      expect((await reasons('vm.boot')).join()).toContain(
        `Path "${path}" provided in landlock-rules does not exist`,
      )
      await put('vm.delete')
      await put('vm.create', machine)
      const disk = { id: 'none', image_type: 'Raw' }
      expect((await put('vm.add-disk', disk)).head[0]).toContain(' 204 ')
      await put('vm.delete')
      await put('vm.create', machine)
      await put('vm.boot')
      expect((await reasons('vm.add-disk', disk)).at(-1)).toBe(
        'No disk path was specified when one was expected',
      )
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
