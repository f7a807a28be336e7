/** Programs that may not be signalled, as sudo's, and those that cannot be started. */
import { expect, test } from 'bun:test'
import { getEventListeners } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { until, within } from '../time.ts'
import type { CommandWords } from './call.ts'
import { callToEnd, startCall } from './call.ts'
import { eventsOf } from './events.ts'
import { startProcess } from './process.ts'
import { Sandbox } from './sandbox.ts'

/** A program that does this and answers as the executable does; `$2` is its result file. */
const program = (script: string): CommandWords => [...(['sh', '-c'] as const), `${script}; ${answer}`, 'sh']
const answer = `echo '{"exitCode":0,"errors":[],"warnings":[]}' > "$2"`

test('a signal that could not be sent is no end of the call', async () => {
  const { child, result } = await startCall(program('sleep 0.3'), ['run'])
  // What Node's `kill` does for a process of another user; without a listener the second would end the program.
  for (let times = 0; times < 2; times++)
    child.emit('error', Object.assign(new Error('kill EPERM'), { code: 'EPERM' }))
  expect(await result).toEqual({ exitCode: 0, warnings: [] })
})

test('a command that failed without a word is no success', async () => {
  const failed: CommandWords = [
    ...(['sh', '-c'] as const),
    `echo '{"exitCode":125,"errors":[],"warnings":[]}' > "$2"; exit 125`,
    'sh',
  ]
  await expect(callToEnd(failed, ['stop', 'box'])).rejects.toMatchObject({ code: 'SDK_ANSWER_MISSING' })
  await expect(Sandbox.create({ executable: failed })).rejects.toMatchObject({ code: 'SDK_ANSWER_MISSING' })
})

test('a signal for many commands keeps no listener of those that have ended', async () => {
  const { signal } = new AbortController()
  for (let times = 0; times < 3; times++) {
    const running = await startProcess(program('true'), 'box', ['true'], { signal })
    expect(await running.exitCode).toBe(0)
  }
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})

const box = `[{"id":"box","status":"running","image":"","command":[],"createdAt":"","labels":{}}]`

test('disposing of an attached sandbox ends its commands, also one that is being started', async () => {
  const words = program(
    `case "$3" in ps) echo '${box}';; exec) trap "" PIPE; while echo .; do sleep 0.1; done 2>/dev/null;; esac`,
  )
  const attached = await Sandbox.attach('box', { executable: words })
  // One that fails is told to its caller alone.
  const refused = attached.spawn(['true'], { timeoutMs: Number.NaN })
  const starting = attached.spawn(['sleep', '60'])
  await Promise.all([attached[Symbol.asyncDispose](), expect(refused).rejects.toThrow()])
  const { exitCode } = await starting
  expect(await within(exitCode, 0)).toBeDefined()
})

test('a log that is too large is refused, and its reader ends', async () => {
  const words = program(`case "$3" in ps) echo '${box}';; logs) yes >&2;; esac`)
  const attached = await Sandbox.attach('box', { executable: words })
  await expect(attached.logs()).rejects.toMatchObject({ code: 'SDK_OUTPUT_TOO_LARGE' })
  const fitting = program(`case "$3" in ps) echo '${box}';; logs) printf 1234; printf 5 >&2;; esac`)
  const small = await Sandbox.attach('box', { executable: fitting })
  expect(await small.logs({ maxOutputBytes: 5 })).toEqual({ text: '1234', errorText: '5' })
  await expect(small.logs({ maxOutputBytes: 4 })).rejects.toMatchObject({ code: 'SDK_OUTPUT_TOO_LARGE' })
})

test('words that the kernel does not take are refused, and the remedy is not to install something', async () => {
  for (const word of ['x'.repeat(200_000), 'a\0b'])
    await expect(callToEnd(program('true'), ['exec', word])).rejects.toMatchObject({
      name: 'SandboxError',
      code: 'OPTION_INVALID',
      remedy: expect.stringContaining('stdin'),
    })
  await expect(callToEnd([''], ['exec'])).rejects.toMatchObject({ code: 'SDK_EXECUTABLE_MISSING' })
})

test('more commands at a time than there are descriptors are told so, and leave nothing', async () => {
  const directory = mkdtempSync(`${tmpdir()}/call-`)
  const script = `
    import { Sandbox } from '${import.meta.dir}/sdk.ts'
    const executable = ['sh', '-c', ${JSON.stringify(`case "$3" in ps) echo '${box}';; esac; ${answer}`)}, 'sh']
    const attached = await Sandbox.attach('box', { executable })
    const env = { A: 'b' }
    const all = await Promise.allSettled(Array.from({ length: 60 }, () => attached.exec(['true'], { env })))
    const told = all.map(({ value, reason }) => value ? 'done' : reason.code + ' ' + /fewer/.test(reason.remedy))
    console.log(JSON.stringify([...new Set(told)].sort()))
  `
  const limited = ['sh', '-c', 'ulimit -n 60; exec "$@"', 'sh', process.execPath, '-e', script]
  const child = Bun.spawn(limited, {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual(['SDK_EXECUTABLE_MISSING true', 'done'])
  expect(readdirSync(directory)).toEqual([])
  rmSync(directory, { recursive: true })
}, 30_000)

test('an answer waits for a descriptor that is free', async () => {
  const script = `
    import { closeSync, openSync } from 'node:fs'
    import { startCall } from '${import.meta.dir}/call.ts'
    const words = ['sh', '-c', ${JSON.stringify(`read go; ${answer}`)}, 'sh']
    const { child, result } = await startCall(words, ['exec'])
    const taken = []
    child.once('exit', () => {
      try { for (;;) taken.push(openSync('/', 'r')) } catch {}
      setTimeout(() => taken.forEach((fd) => closeSync(fd)), 300)
    })
    child.stdin.end('go')
    const told = await result.catch(({ code }) => code)
    console.log(JSON.stringify([taken.length > 5, told]))
  `
  const limited = ['sh', '-c', 'ulimit -n 60; exec "$@"', 'sh', process.execPath, '-e', script]
  const child = Bun.spawn(limited, { stdio: ['ignore', 'pipe', 'inherit'] })
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([true, { exitCode: 0, warnings: [] }])
}, 30_000)

test('a limit that is no number, and a time that is none, start nothing', async () => {
  const directory = mkdtempSync(`${tmpdir()}/call-`)
  const started = `${directory}/started`
  const list = `echo '[{"id":"box","status":"running","image":"","command":[],"createdAt":"","labels":{}}]'`
  const words = program(`case "$3" in ps) ${list};; *) echo >${started};; esac`)
  const box = await Sandbox.attach('box', { executable: words })
  const [maxOutputBytes, never] = [Number.NaN, new Date('never')]
  const wrong = [
    box.exec(['true'], { maxOutputBytes }),
    box.files.read('/a', { maxOutputBytes }),
    box.logs({ maxOutputBytes }),
    box.logs({ since: never }),
    box.logs({ until: never }),
    box.stop({ timeoutMs: Number.NaN }),
    ...[Number.NaN, -1, 0.5, 0o10000].map((mode) => box.files.write('/a', '', { mode })),
    Sandbox.events({ executable: words, since: never }).next(),
  ]
  const told = await Promise.allSettled(wrong)
  expect(told.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(
    wrong.map(() => 'OPTION_INVALID'),
  )
  expect(existsSync(started)).toBe(false)
  rmSync(directory, { recursive: true })
})

test('a signal ends the events of a program that does not take one', async () => {
  const over = new AbortController()
  const line = '{"Action":"start","Actor":{"ID":"a","Attributes":{}},"timeNano":1}'
  const directory = mkdtempSync(`${tmpdir()}/call-`)
  const ended = `${directory}/ended`
  // As the executable, it ends when nobody reads what it tells; until then it does not.
  const words = program(
    `trap "" TERM PIPE; while echo '${line}'; do sleep 0.1; done 2>/dev/null; echo >${ended}`,
  )
  for await (const _ of eventsOf(words, { signal: over.signal })) over.abort()
  expect(await until(() => existsSync(ended), { timeoutMs: 10_000, everyMs: 20 })).toBe(true)
  rmSync(directory, { recursive: true })
}, 20_000)

test('events of a program that fails without a word are an error', async () => {
  const words: CommandWords = [
    ...(['sh', '-c', `echo '{"exitCode":3,"errors":[],"warnings":[]}' > "$2"; exit 3`, 'sh'] as const),
  ]
  const all = async () => {
    for await (const _ of eventsOf(words, {}));
  }
  await expect(all()).rejects.toMatchObject({ name: 'SandboxError', code: 'SDK_ANSWER_MISSING' })
})

test('a value of a variable is no further variable, and what cannot be one is refused', async () => {
  const words = program('true')
  for (const env of [{ NAME: 'guest\0LD_PRELOAD=/tmp/x.so' }, { 'A\0B': '1' }, { 'A=B': '1' }, { '': '1' }]) {
    await expect(startProcess(words, 'box', ['true'], { env })).rejects.toMatchObject({
      name: 'SandboxError',
      code: 'OPTION_INVALID',
    })
    const made = Sandbox.create({ executable: words, env })
    await expect(made).rejects.toMatchObject({ name: 'SandboxError', code: 'OPTION_INVALID' })
  }
  const fine = { A: 'x=y\n', B: '' }
  const running = await startProcess(program('cat "$5"'), 'box', ['true'], { env: fine })
  expect(Buffer.from((await running.stdout.getReader().read()).value ?? []).toString()).toBe('A=x=y\n\0B=\0')
  expect(await running.exitCode).toBe(0)
})

test('a time that is over already ends what was started, and none at all starts nothing', async () => {
  const directory = mkdtempSync(`${tmpdir()}/call-`)
  const [started, removed] = [`${directory}/started`, `${directory}/removed`]
  const now = new Date(Date.now() + 60_000).toISOString()
  const listed = `[{"id":"box","status":"running","image":"","command":[],"createdAt":"${now}","labels":{}}]`
  const words = program(
    `case "$3" in run|exec) echo >${started};; ps) echo '${listed}';; rm) echo >${removed};; esac`,
  )
  await expect(Sandbox.create({ executable: words, name: 'box', timeoutMs: -1 })).rejects.toMatchObject({
    code: 'SDK_TIMED_OUT',
  })
  expect(existsSync(removed)).toBe(true)
  const ending = program('case "$3" in exec) sleep 0.3;; esac')
  const running = await startProcess(ending, 'box', ['true'], { timeoutMs: -1 })
  await expect(running.exitCode).rejects.toMatchObject({ code: 'SDK_TIMED_OUT' })
  rmSync(started, { force: true })
  const refused = {
    name: 'SandboxError',
    code: 'OPTION_INVALID',
    fields: { option: 'timeoutMs', value: 'NaN' },
  }
  const timeoutMs = Number.NaN
  await expect(Sandbox.create({ executable: words, timeoutMs })).rejects.toMatchObject(refused)
  await expect(startProcess(words, 'box', ['true'], { timeoutMs })).rejects.toMatchObject(refused)
  expect(existsSync(started)).toBe(false)
  rmSync(directory, { recursive: true })
}, 60_000)

test('a start that is given up says why, also when what is there of it cannot be removed', async () => {
  const words = program('case "$3" in run) exec sleep 5;; ps) echo none;; esac')
  const given = { executable: words, name: 'box' }
  await expect(Sandbox.create({ ...given, timeoutMs: 100 })).rejects.toMatchObject({
    code: 'SDK_TIMED_OUT',
    message: expect.stringContaining('kata-ts ps answered something else'),
    cause: { code: 'SDK_ANSWER_MISSING' },
  })
  const abort = new AbortController()
  const starting = Sandbox.create({ ...given, signal: abort.signal })
  const reason = new Error('enough')
  abort.abort(reason)
  await expect(starting).rejects.toBe(reason)
}, 60_000)

test('a stop whose time is over already kills at once, and does not wait for ever', async () => {
  const directory = mkdtempSync(`${tmpdir()}/call-`)
  const said = `${directory}/said`
  const list = `echo '[{"id":"box","status":"running","image":"","command":[],"createdAt":"","labels":{}}]'`
  const words = program(`case "$3" in ps) ${list};; stop) echo "$@" >>${said};; esac`)
  const box = await Sandbox.attach('box', { executable: words })
  for (const timeoutMs of [-1500, 1500]) await box.stop({ timeoutMs })
  const times = readFileSync(said, 'utf8').match(/stop --time \S+ box/g)
  expect(times).toEqual(['stop --time 0 box', 'stop --time 2 box'])
  rmSync(directory, { recursive: true })
})
