// test:vmm: every VMM
/** Programs that take a container's output: `ctr run --log-uri binary://…`, and so `nerdctl run -d`. runc's shim starts the same one. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, scratch } from '../harness/kata.ts'
import { Containerd, ourRuntime } from './containerd.ts'
import { busyboxImage } from './images.ts'

const area = scratch()
let containerd: Containerd
beforeAll(async () => {
  containerd = await Containerd.start()
})
afterAll(async () => {
  await containerd.close()
  area[Symbol.dispose]()
})

const at = (name: string) => join(area.path, name)
const kept = (name: string) => readFileSync(at(name), 'utf8')

/** Keeps all that it is given in files of this name, and takes a while to end. */
function logger(name: string): string {
  const script = `#!/bin/sh
    cd ${area.path}
    echo "$CONTAINER_NAMESPACE $CONTAINER_ID $*" >> $2.who
    echo $$ > $2.pid
    exec 5>&-
    cat <&3 >> $2.out &
    cat <&4 >> $2.err &
    wait
    sleep 0.3
    echo end >> $2.end`
  writeFileSync(at('logger'), script, { mode: 0o700 })
  return `binary://${at('logger')}?name=${name}`
}

const run = (
  runtime: string,
  id: string,
  uri: string,
  flags: readonly string[],
  command: readonly string[],
) => [...['run', '-d', '--log-uri', uri, '--runtime', runtime, ...flags], ...[busyboxImage, id, ...command]]

async function start(runtime: string, id: string, script: string): Promise<void> {
  const { code, stderr } = await containerd.ctr(run(runtime, id, logger(id), [], ['sh', '-c', script]))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

/** Removes a container that has ended, and says what its logging program has by then. */
async function end(id: string) {
  const listed = async () => (await containerd.ctr(['task', 'ls'])).stdout
  const isStopped = async () => new RegExp(`^${id}\\s+\\d+\\s+STOPPED`, 'm').test(await listed()) || undefined
  await eventually('the end of the container', isStopped)
  expect((await containerd.ctr(['task', 'rm', id])).stderr).not.toContain('failed')
  const [out, err] = ['out', 'err'].map((stream) => kept(`${id}.${stream}`))
  const hasEnded = existsSync(at(`${id}.end`))
  expect(() => process.kill(Number(kept(`${id}.pid`)), 0)).toThrow('ESRCH')
  await containerd.ctr(['container', 'rm', id])
  return { out, err, hasEnded }
}

test('output and error stream reach the program, with kata-ts as with runc', async () => {
  const script = 'echo one; echo two >&2; echo three'
  for (const runtime of ['io.containerd.runc.v2', ourRuntime]) {
    const id = runtime.replaceAll('.', '-')
    await start(runtime, id, script)
    expect({ runtime, ...(await end(id)) }).toMatchObject({ runtime, out: 'one\nthree\n', err: 'two\n' })
    expect(kept(`${id}.who`)).toBe(`default ${id} name ${id}\n`)
  }
})

test('it may end in peace before the task is removed, and goes on with the next one', async () => {
  await start(ourRuntime, 'again', 'echo first')
  expect(await end('again')).toEqual({ out: 'first\n', err: '', hasEnded: true })
  await start(ourRuntime, 'again', 'echo second')
  expect((await end('again')).out).toBe('first\nsecond\n')
})

test('it has the last words of a container whose machine was killed', async () => {
  await start(ourRuntime, 'killed', 'echo alive; sleep 1000')
  const { stdout } = await containerd.ctr(['task', 'ls'])
  const hasWords = () => existsSync(at('killed.out')) && kept('killed.out') === 'alive\n'
  await eventually('its words', () => hasWords() || undefined)
  process.kill(Number(/^killed\s+(\d+)/m.exec(stdout)![1]), 9)
  const { out, err, hasEnded } = await end('killed')
  expect({ out, hasEnded }).toEqual({ out: 'alive\n', hasEnded: true })
  expect(err).toContain('died')
})

test('an exec has a program of its own', async () => {
  await start(ourRuntime, 'main', 'echo main; read -r line < /dev/zero')
  const exec = ['task', 'exec', '--exec-id', 'e1', '--log-uri', logger('exec'), 'main', 'echo', 'hello']
  expect((await containerd.ctr(exec)).stderr).toBe('')
  await eventually('the end of its program', () => existsSync(at('exec.end')) || undefined)
  expect(kept('exec.out')).toBe('hello\n')
  expect(kept('exec.who')).toBe('default e1 name exec\n')
  await containerd.ctr(['task', 'kill', '-s', 'KILL', 'main'])
  expect((await end('main')).out).toBe('main\n')
})

test('one that is not there is an error that names it, and leaves no task', async () => {
  const uri = 'binary:///nonexistent/logger'
  const { code, stderr } = await containerd.ctr(run(ourRuntime, 'missing', uri, [], ['true']))
  expect(code).toBe(1)
  expect(stderr).toMatch(/\[STDIO_INVALID\].*binary:\/\/\/nonexistent\/logger.*ENOENT/)
  expect((await containerd.ctr(['task', 'ls'])).stdout).not.toContain('missing')
})
