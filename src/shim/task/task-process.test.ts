import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KataError } from '../../errors.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { openFiles, watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { createLogger, silentLogger } from '../../log.ts'
import type { GuestProcess } from '../../sandbox/guest/guest-process.ts'
import { type HeldUp, neverHeldUp } from '../../sandbox/guest/health.ts'
import { logUri } from '../../sandbox/records/log-files.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { TaskProcess } from './task-process.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'task-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A double of a process in the guest: prints `says`, then ends with `ends`. */
function guestDouble(
  options: { says?: string; starts?: Promise<void>; ends?: Promise<number>; fails?: Error } = {},
) {
  const calls: string[] = []
  const guest: GuestProcess = {
    start: async (size) => {
      calls.push(size === undefined ? 'start' : `start in ${size.rows}x${size.columns}`)
      await options.starts
      if (options.fails) throw options.fails
    },
    wait: () => options.ends ?? Promise.resolve(0),
    signal: async (signal) => void calls.push(`signal ${signal}`),
    resize: async ({ rows, columns }) => void calls.push(`resize ${rows}x${columns}`),
    output: async (stream, sink) => {
      if (stream === 'stdout' && options.says) await sink(new TextEncoder().encode(options.says))
    },
    input: async (chunks, { isTerminal } = {}) => {
      for await (const _ of chunks);
      calls.push(isTerminal ? 'no more for the terminal' : 'stdin closed')
    },
  }
  return { guest, calls }
}

function processOf(guest: GuestProcess, more: { lost?: AbortSignal; terminal?: boolean } = {}): TaskProcess {
  const stdout = `file://${join(directory, 'out')}`
  const { lost = new AbortController().signal, terminal = false } = more
  return new TaskProcess({
    namespace: 'default',
    id: 'p',
    stdio: { stdin: '', stdout, stderr: '', terminal },
    guest,
    lost,
    log: silentLogger,
  })
}

describe('a task process', () => {
  test('starts, delivers its output and ends with its own status', async () => {
    writeFileSync(join(directory, 'out'), '')
    const { guest, calls } = guestDouble({ says: 'hello', ends: Promise.resolve(42) })
    const process = processOf(guest)
    expect(process.state).toBe('created')
    await process.start()
    expect((await process.exited).status).toBe(42)
    expect(process.state).toBe('stopped')
    expect(readFileSync(join(directory, 'out'), 'utf8')).toBe('hello')
    expect(calls).toEqual(['start', 'stdin closed'])
  })

  test('before its start a signal that would kill it ends it, and one that would do nothing does nothing', async () => {
    for (const signal of [0, 17, 18, 19, 23, 28]) {
      const { guest, calls } = guestDouble()
      const process = processOf(guest)
      await process.signal(signal)
      expect([signal, process.state]).toEqual([signal, 'created'])
      await process.start()
      await process.exited
      expect(calls).toEqual(['start', 'stdin closed'])
    }
    for (const signal of [1, 9, 10, 15, 37]) {
      const process = processOf(guestDouble().guest)
      await process.signal(signal)
      expect((await process.exited).status).toBe(128 + signal)
    }
  })

  test('what a full disk does not take is lost, which is said once; the process goes on, and what comes later is written', async () => {
    const path = join(directory, 'log')
    const stdout = logUri({ path, stream: 'stdout', bounds: { maxBytes: 50, maxFiles: 2 } })
    const warned: string[] = []
    const log = createLogger({ sink: ({ message }) => void warned.push(message) })
    // This directory keeps the full log from being rotated.
    mkdirSync(`${path}.1`)
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin: '', stdout, stderr: '', terminal: false },
      guest: {
        ...guestDouble().guest,
        output: async (stream, sink) => {
          if (stream !== 'stdout') return
          for (const line of ['one', 'two', 'three', 'four']) {
            if (line === 'four') rmdirSync(`${path}.1`)
            await sink(Buffer.from(`${line}\n`))
          }
        },
      },
      lost: new AbortController().signal,
      log,
    })
    await process.start()
    await process.exited
    const words = [`${path}.1`, path].map((file) => readFileSync(file, 'utf8').match(/(?<= F )\w+/g))
    expect({ words, warned }).toEqual({ words: [['one'], ['four']], warned: ['output is lost'] })
  })

  test('one that was killed and has ended is not waited for any more', async () => {
    const { promise: ends, resolve: end } = Promise.withResolvers<number>()
    const { guest } = guestDouble({ ends })
    let looks = 0
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin: '', stdout: '', stderr: '', terminal: false },
      guest: { ...guest, signal: async () => end(137) },
      lost: new AbortController().signal,
      log: silentLogger,
      limits: { stallMs: 60_000, endMs: 20 },
      heldUp: () => {
        looks++
        return neverHeldUp()
      },
    })
    await process.start()
    await process.signal(9)
    await process.exited
    // The time would have been over long ago if anything had waited for it.
    await Bun.sleep(60)
    expect(looks).toBe(1)
  })

  test('an input that is closed while the process starts is read all the same', async () => {
    const path = join(directory, 'in')
    makeFifo(path)
    const starting = Promise.withResolvers<void>()
    let text = ''
    const { guest } = guestDouble({ ends: new Promise(() => {}) })
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin: path, stdout: '', stderr: '', terminal: false },
      guest: {
        ...guest,
        start: () => starting.promise,
        input: async (chunks) => {
          for await (const chunk of chunks) text += new TextDecoder().decode(chunk)
          text += '.'
        },
      },
      lost: new AbortController().signal,
      log: silentLogger,
    })
    const started = process.start()
    const writer = openSync(path, constants.O_RDWR)
    writeSync(writer, 'twelve bytes')
    process.closeInput()
    // This is longer than the time for a running process.
    await Bun.sleep(1100)
    starting.resolve()
    await started
    while (!text.endsWith('.')) await Bun.sleep(10)
    closeSync(writer)
    expect(text).toBe('twelve bytes.')
  })

  test('a terminal keeps its stdin open', async () => {
    const { guest, calls } = guestDouble()
    const process = processOf(guest, { terminal: true })
    await process.start()
    await process.exited
    expect(calls).toEqual(['start'])
  })

  test('a terminal stays open when its client has no more input', async () => {
    const { guest, calls } = guestDouble({ ends: new Promise(() => {}) })
    const stdin = join(directory, 'in')
    makeFifo(stdin)
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin, stdout: '', stderr: '', terminal: true },
      guest,
      lost: new AbortController().signal,
      log: silentLogger,
    })
    await process.start()
    closeSync(openSync(stdin, constants.O_WRONLY))
    while (calls.length === 1) await Bun.sleep(1)
    expect(calls).toEqual(['start', 'no more for the terminal'])
  })

  test('ends with 255 when its machine is lost', async () => {
    const lost = new AbortController()
    const process = processOf(guestDouble({ ends: new Promise(() => {}) }).guest, { lost: lost.signal })
    await process.start()
    lost.abort()
    expect((await process.exited).status).toBe(255)
  })

  test('a broken connection waits for the word of what became of the machine', async () => {
    const lost = new AbortController()
    const broken = Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'reset' }))
    const process = processOf(guestDouble({ ends: broken as Promise<never> }).guest, { lost: lost.signal })
    await process.start()
    const early = await Promise.race([
      process.exited.then(() => 'ended'),
      Bun.sleep(30).then(() => 'waiting'),
    ])
    expect(early).toBe('waiting')
    lost.abort()
    expect((await process.exited).status).toBe(255)
  })

  test.each([9, 15])('a signal %d that a dying machine does not take is no failure', async (signal) => {
    const lost = new AbortController()
    const died = () => Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'reset' }))
    const { guest } = guestDouble({ ends: new Promise(() => {}) })
    const process = processOf({ ...guest, signal: died }, { lost: lost.signal })
    await process.start()
    const signalled = process.signal(signal)
    signalled.catch(() => {})
    // The fate of the machine is known a little later.
    await Bun.sleep(20)
    lost.abort()
    await signalled
    expect((await process.exited).status).toBe(255)
  })

  test('a guest that lives and does not tell how it ended is not waited for', async () => {
    const refused = Promise.reject(new TtrpcError('not_found', 'no such process'))
    const process = processOf(guestDouble({ ends: refused as Promise<never> }).guest)
    await process.start()
    expect((await process.exited).status).toBe(255)
  })

  test('one that cannot start is stopped, and says why', async () => {
    const process = processOf(guestDouble({ fails: new Error('no such program') }).guest)
    await expect(process.start()).rejects.toThrow('no such program')
    expect(process.state).toBe('stopped')
  })

  test('killed before it was started it just ends; afterwards there is nobody to signal', async () => {
    const { guest, calls } = guestDouble()
    const process = processOf(guest)
    await process.signal(9)
    expect((await process.exited).status).toBe(137)
    expect(calls).toEqual([])
    await expect(process.signal(9)).rejects.toThrow('TASK_NOT_FOUND')
    await expect(process.start()).rejects.toThrow('TASK_STATE')
  })

  test('a signal or a size during the start waits for it, and nobody starts it twice', async () => {
    const { promise: starts, resolve: run } = Promise.withResolvers<void>()
    const { promise: ends, resolve: end } = Promise.withResolvers<number>()
    const { guest, calls } = guestDouble({ starts, ends })
    const process = processOf(guest, { terminal: true })
    const started = process.start()
    const signalled = process.signal(9)
    const resized = process.resize(24, 80)
    await expect(process.start()).rejects.toThrow('cannot start p: it is starting')
    expect(calls).toEqual(['start'])
    run()
    await Promise.all([started, signalled, resized])
    expect(calls).toEqual(['start', 'signal 9', 'resize 24x80'])
    end(137)
    expect((await process.exited).status).toBe(137)
  })

  test('where the start fails, a signal that waited finds nobody', async () => {
    const process = processOf(guestDouble({ fails: new Error('no such program') }).guest)
    const [started, signalled] = await Promise.allSettled([process.start(), process.signal(9)])
    expect(started).toMatchObject({ reason: { message: 'no such program' } })
    expect(signalled).toMatchObject({ reason: { code: 'TASK_NOT_FOUND' } })
  })

  test('a resize before the start is kept for it, and one to nothing is ignored', async () => {
    const { guest, calls } = guestDouble({ ends: new Promise(() => {}) })
    const process = processOf(guest, { terminal: true })
    await process.resize(24, 80)
    await process.resize(0, 0)
    await process.start()
    await process.resize(0, 0)
    await process.resize(30, 100)
    expect(calls).toEqual(['start in 24x80', 'resize 30x100'])
  })

  test.each(['not_found', 'unavailable'] as const)(
    'a resize that comes to a terminal after its end, by the guest’s %s, has no effect, and no other failure is hidden',
    async (code) => {
      const { guest } = guestDouble({ ends: new Promise(() => {}) })
      let answer = new TtrpcError(code, 'no tty', { isAnswer: true })
      guest.resize = () => Promise.reject(answer)
      // Its end is still to be told here: execs are ended before that.
      const process = processOf(guest, { terminal: true })
      await process.start()
      await process.resize(24, 80)
      answer = new TtrpcError('internal', 'EIO', { isAnswer: true })
      await expect(process.resize(24, 80)).rejects.toBe(answer)
      answer = new TtrpcError(code, 'the connection is closed')
      await expect(process.resize(24, 80)).rejects.toBe(answer)
    },
  )

  test('a process without a terminal starts without a size, and one that has ended takes none', async () => {
    const { guest, calls } = guestDouble()
    const process = processOf(guest)
    await process.resize(24, 80)
    await process.start()
    await process.exited
    await process.resize(24, 80)
    expect(calls).toEqual(['start', 'stdin closed'])
  })

  test('a stream that cannot be opened keeps it from starting', async () => {
    const { guest, calls } = guestDouble()
    const stdio = { stdin: '', stdout: 'file:///proc/nonexistent/log', stderr: '', terminal: false }
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio,
      guest,
      lost: new AbortController().signal,
      log: silentLogger,
    })
    await expect(process.start()).rejects.toThrow('STDIO_INVALID')
    expect(calls).toEqual([])
  })

  test.each(['stderr', 'stdin'])('nothing stays open when its %s cannot be opened', async (broken) => {
    const [out, fifo] = ['out', 'err'].map((name) => join(directory, name)) as [string, string]
    makeFifo(fifo)
    const nothingStaysOpen = watchOpenFiles((path) => path === out || path === fifo)
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      guest: guestDouble().guest,
      lost: new AbortController().signal,
      log: silentLogger,
      stdio: {
        stdin: '',
        stdout: `file://${out}`,
        stderr: fifo,
        terminal: false,
        [broken]: '/nonexistent/fifo',
      },
    })
    await expect(process.start()).rejects.toThrow('STDIO_INVALID')
    await nothingStaysOpen()
  })

  test('holds nothing of an output that nobody reads, once it has been removed for a while', async () => {
    const path = join(directory, 'fifo')
    makeFifo(path)
    const nothingStaysOpen = watchOpenFiles((name) => name === path)
    const isOpen = () => openFiles().includes(path)
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin: '', stdout: path, stderr: '', terminal: false },
      guest: guestDouble({ says: 'x'.repeat(300_000), ends: Promise.resolve(137) }).guest,
      lost: new AbortController().signal,
      log: silentLogger,
      limits: { stallMs: 50, endMs: 20_000 },
    })
    await process.start()
    await process.signal(9)
    await process.exited
    await Bun.sleep(200)
    // A client that comes back could still read the rest.
    expect(isOpen()).toBe(true)
    process.removed()
    expect(isOpen()).toBe(true)
    await nothingStaysOpen()
  })

  test('gives a reader that comes late all of its output, though it has been removed', async () => {
    const path = join(directory, 'fifo')
    makeFifo(path)
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const lost = new AbortController()
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      stdio: { stdin: '', stdout: path, stderr: '', terminal: false },
      guest: guestDouble({ says: 'x'.repeat(300_000) }).guest,
      lost: lost.signal,
      log: silentLogger,
      // So long may the reader take here.
      limits: { stallMs: 60_000, endMs: 20_000 },
    })
    await process.start()
    // The end of the process does not wait for a reader.
    lost.abort()
    await process.exited
    process.removed()
    await Bun.sleep(50)
    const text = await new Response(Bun.file(reader).stream()).text()
    expect(text.length).toBe(300_000)
    closeSync(reader)
  })

  describe('that was sent SIGKILL', () => {
    const limits = { stallMs: 60_000, endMs: 20 }
    const unstarted = (
      guest: GuestProcess,
      heldUp?: () => HeldUp,
      within = limits,
      lost = new AbortController(),
      isExec = false,
    ) => {
      let survived = 0
      const process = new TaskProcess({
        namespace: 'default',
        id: 'p',
        stdio: { stdin: '', stdout: '', stderr: '', terminal: false },
        limits: within,
        log: silentLogger,
        lost: lost.signal,
        guest,
        isExec,
        ...(heldUp && { heldUp }),
        onSurvived: () => {
          survived++
          lost.abort(new Error('the machine is gone'))
        },
      })
      return { process, survived: () => survived }
    }
    /** A guest that never ends its process, whatever it answers. */
    const started = async (more: Partial<GuestProcess> = {}, heldUp?: () => HeldUp, within = limits) => {
      const { guest } = guestDouble({ ends: new Promise(() => {}) })
      const made = unstarted({ ...guest, ...more }, heldUp, within)
      await made.process.start()
      return made
    }

    test.each<[string, Partial<GuestProcess>]>([
      ['and it says that all is well', {}],
      ['and it does not answer', { signal: () => new Promise(() => {}) }],
    ])('and that its guest lets live is told, %s', async (_, more) => {
      const { process, survived } = await started(more)
      await process.signal(9)
      expect((await process.exited).status).toBe(255)
      expect(survived()).toBe(1)
    })

    test('and whose guest refuses is told all the same', async () => {
      const { process } = await started({ signal: () => Promise.reject(new Error('no such process')) })
      await expect(process.signal(9)).rejects.toThrow('no such process')
      expect((await process.exited).status).toBe(255)
    })

    test('and of which a little comes now and then is not waited for piece by piece for ever', async () => {
      const output: GuestProcess['output'] = async (stream, sink) => {
        while (stream === 'stdout') {
          await sink(new Uint8Array(1))
          await Bun.sleep(10)
        }
      }
      const { process, survived } = await started({ output }, undefined, { stallMs: 100, endMs: 20 })
      await process.signal(9)
      await process.exited
      expect(survived()).toBe(1)
    })

    test('and has no end of output is not read for ever', async () => {
      const output: GuestProcess['output'] = async (stream, sink) => {
        while (stream === 'stdout') {
          await sink(new Uint8Array(64 * 1024))
          await Bun.sleep(0)
        }
      }
      const { process, survived } = await started({ output })
      await process.signal(9)
      await process.exited
      expect(survived()).toBe(1)
    })

    test('and wrote as much as is on its way of two streams loses nothing of it', async () => {
      // Two places of the stream buffer, and a full pipe.
      const bytes = 17 * 1024 * 1024
      const path = join(directory, 'whole')
      writeFileSync(path, '')
      const killed = Promise.withResolvers<void>()
      const output: GuestProcess['output'] = async (_, sink) => {
        await killed.promise
        await sink(new Uint8Array(bytes - 1))
        // The limit is checked four times a second.
        await Bun.sleep(400)
        await sink(new Uint8Array(1))
      }
      const process = new TaskProcess({
        namespace: 'default',
        id: 'p',
        stdio: { stdin: '', stdout: `file://${path}`, stderr: `file://${path}`, terminal: false },
        guest: { ...guestDouble().guest, output },
        lost: new AbortController().signal,
        log: silentLogger,
        limits: { stallMs: 10_000, endMs: 20_000 },
      })
      await process.start()
      await process.signal(9)
      await Bun.sleep(0)
      killed.resolve()
      await process.exited
      expect(statSync(path).size).toBe(2 * bytes)
    })

    test('while its guest does not answer the start is told, and has not started', async () => {
      const lost = new AbortController()
      const start = () =>
        new Promise<void>((_, reject) =>
          lost.signal.addEventListener('abort', () => reject(lost.signal.reason)),
        )
      const { process, survived } = unstarted({ ...guestDouble().guest, start }, undefined, limits, lost)
      const starting = process.start()
      const killing = process.signal(9)
      await expect(starting).rejects.toThrow('the machine is gone')
      await killing
      expect({ survived: survived(), failedToStart: process.failedToStart }).toEqual({
        survived: 1,
        failedToStart: true,
      })
    })

    test('while it is started as an exec, for however long, costs no machine: it ends once it runs', async () => {
      const starts = Promise.withResolvers<void>()
      const ends = Promise.withResolvers<number>()
      const { guest } = guestDouble({ starts: starts.promise, ends: ends.promise })
      const signal = async () => ends.resolve(137)
      const { process, survived } = unstarted({ ...guest, signal }, undefined, limits, undefined, true)
      const starting = process.start()
      const killing = process.signal(9)
      await Bun.sleep(60)
      expect(survived()).toBe(0)
      starts.resolve()
      await Promise.all([starting, killing])
      expect((await process.exited).status).toBe(137)
    })

    test('and lives on as an exec is told, once it runs', async () => {
      const { guest } = guestDouble({ ends: new Promise(() => {}) })
      const { process, survived } = unstarted(guest, undefined, limits, undefined, true)
      const starting = process.start()
      await process.signal(9)
      await starting
      await process.exited
      expect(survived()).toBe(1)
    })

    test('while it starts, and starts in time, is no reason to tell anybody', async () => {
      const starts = Promise.withResolvers<void>()
      const ends = Promise.withResolvers<number>()
      const { guest, calls } = guestDouble({ starts: starts.promise, ends: ends.promise })
      const { process, survived } = unstarted({ ...guest, signal: async () => ends.resolve(137) })
      const starting = process.start()
      const killing = process.signal(9)
      starts.resolve()
      await Promise.all([starting, killing])
      expect({ status: (await process.exited).status, calls }).toEqual({
        status: 137,
        calls: ['start', 'stdin closed'],
      })
      await Bun.sleep(60)
      expect(survived()).toBe(0)
    })

    test('gets its time anew while its machine is held up on purpose', async () => {
      const holds = [1, 2, 3]
      const heldUp = () => ({ times: holds.shift() ?? 3, now: false })
      const { process, survived } = await started({}, heldUp)
      await process.signal(9)
      await process.exited
      expect({ survived: survived(), left: holds }).toEqual({ survived: 1, left: [] })
    })

    test('and ends is no reason to tell anybody; another signal has no deadline', async () => {
      const ended = Promise.withResolvers<number>()
      const { process, survived } = await started({ wait: () => ended.promise })
      await process.signal(15)
      await Bun.sleep(50)
      expect(survived()).toBe(0)
      ended.resolve(137)
      await process.signal(9)
      expect((await process.exited).status).toBe(137)
      await Bun.sleep(50)
      expect(survived()).toBe(0)
    })
  })
})

describe('the death of the machine', () => {
  const death = new KataError('SANDBOX_DIED', { id: 's', reason: 'the VMM ended (SIGKILL)', tail: 'a\nb' })
  const line =
    '[SANDBOX_DIED] sandbox s died: the VMM ended (SIGKILL). The machine and all that it held have been removed. The end of ' +
    'its console and the log of the shim say more: a b'

  /** The output of a process whose machine dies after the process wrote `says` to stderr, or to its terminal. */
  async function toldTo(
    says: string,
    { terminal = false, tellsDeath = true, reason = death as unknown } = {},
  ) {
    for (const name of ['out', 'err']) writeFileSync(join(directory, name), '')
    const lost = new AbortController()
    const said = Promise.withResolvers<void>()
    const never = new Promise<never>(() => {})
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      lost: lost.signal,
      log: silentLogger,
      tellsDeath,
      stdio: {
        stdin: '',
        terminal,
        stdout: `file://${join(directory, 'out')}`,
        stderr: terminal ? '' : `file://${join(directory, 'err')}`,
      },
      guest: {
        ...guestDouble().guest,
        wait: () => never,
        output: async (stream, sink) => {
          if (stream !== (terminal ? 'stdout' : 'stderr')) return
          await sink(Buffer.from(says))
          said.resolve()
          // The loss of the connection ends a call in this way.
          await new Promise((resolve) => lost.signal.addEventListener('abort', resolve))
          throw death
        },
      },
    })
    await process.start()
    await said.promise
    lost.abort(reason)
    expect((await process.exited).status).toBe(255)
    return ['out', 'err'].map((name) => readFileSync(join(directory, name), 'utf8'))
  }

  test.each(['', 'working\n'])('is the last line of the error stream, after %j', async (says) => {
    expect(await toldTo(says)).toEqual(['', `${says}${line}\n`])
  })

  test('is a line of its own, though the process was within one', async () => {
    expect(await toldTo('work')).toEqual(['', `work\n${line}\n`])
  })

  test('is the last line of a terminal', async () => {
    expect(await toldTo('work', { terminal: true })).toEqual([`work\r\n${line}\r\n`, ''])
  })

  test('is not told where its client tells it, nor when the end was asked for', async () => {
    expect(await toldTo('work', { tellsDeath: false })).toEqual(['', 'work'])
    expect(await toldTo('work', { reason: null })).toEqual(['', 'work'])
  })

  test('does not reach a stream that is at its end', async () => {
    for (const name of ['out', 'err']) writeFileSync(join(directory, name), '')
    const lost = new AbortController()
    const process = new TaskProcess({
      namespace: 'default',
      id: 'p',
      lost: lost.signal,
      log: silentLogger,
      tellsDeath: true,
      stdio: { stdin: '', stdout: '', stderr: `file://${join(directory, 'err')}`, terminal: false },
      guest: guestDouble({ ends: new Promise(() => {}) }).guest,
    })
    await process.start()
    await Bun.sleep(0)
    lost.abort(death)
    await process.exited
    expect(readFileSync(join(directory, 'err'), 'utf8')).toBe('')
  })
})
