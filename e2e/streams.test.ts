// test:vmm: every VMM
/** What goes through the standard streams of processes: every byte, in its order, at the pace of whoever reads. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { closeSync, constants, openSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { makeFifo } from '../src/linux/files/fifo.ts'
import { mountPoints } from '../src/linux/mounts/mount.ts'
import { hollowText, makeHollowOutput } from './attack/hollow-output.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'

const MiB = 2 ** 20
const name = 'streams'

const area = scratch()
let kata: Kata
beforeAll(async () => {
  kata = new Kata()
  const program = join(area.path, 'hollow-output')
  makeHollowOutput(program)
  const flags = ['-v', `${program}:/hollow-output:ro`]
  const { code, stderr } = await kata.call(['run', '-d', '--name', name, ...flags, '--', 'sleep', '3600'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
afterAll(async () => {
  await kata.close()
  area[Symbol.dispose]()
})

const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
const exec = (script: string, flags: readonly string[] = [], stdin?: Uint8Array) =>
  kata.spawn(['exec', ...flags, name, '--', 'sh', '-c', script], stdin === undefined ? {} : { stdin })
const allOf = async (stream: ReadableStream<Uint8Array>) =>
  new Uint8Array(await new Response(stream).arrayBuffer())

test('both outputs at once, 8 MiB each of what nothing can guess', async () => {
  const make = (of: string) =>
    `head -c ${8 * MiB} /dev/urandom >/tmp/${of}; sha256sum </tmp/${of} >/tmp/${of}.sum`
  const child = exec(`${make('a')}; ${make('b')}; cat /tmp/a & cat /tmp/b >&2; wait`)
  const [out, err, code] = await Promise.all([allOf(child.stdout), allOf(child.stderr), child.exited])
  expect(code).toBe(0)
  const sums = exec('cat /tmp/a.sum /tmp/b.sum; rm /tmp/a* /tmp/b*')
  const lines = (await new Response(sums.stdout).text()).split('\n')
  expect([`${sha256(out)}  -`, `${sha256(err)}  -`]).toEqual(lines.slice(0, 2))
})

test('much output goes through the buffer of the share, and leaves nothing in memory there', async () => {
  const child = exec(`head -c ${MiB} /dev/urandom >/tmp/m; for i in $(seq 48); do cat /tmp/m; done`)
  const bytes = await allOf(child.stdout)
  expect(await child.exited).toBe(0)
  const first = bytes.slice(0, MiB)
  expect(Buffer.from(bytes).equals(Buffer.concat(Array(48).fill(first)))).toBe(true)
  expect((await buffer())?.() ?? 0).toBe(0)
})

/** Tells the bytes in the buffer. Undefined with Firecracker, which has no share. */
async function buffer(): Promise<(() => number) | undefined> {
  const { shimPid, virtiofsdPids } = (await kata.inspect(name)).sandbox
  const buffers = mountPoints(shimPid).filter((point) => point.endsWith('/scratch/stream-buffer'))
  expect(buffers.length).toBe(virtiofsdPids.length > 0 ? 1 : 0)
  if (buffers.length === 0) return undefined
  return () => {
    const { blocks, bfree, bsize } = statfsSync(`/proc/${shimPid}/root${buffers[0]}`)
    expect(blocks * bsize).toBe(32 * MiB)
    return (blocks - bfree) * bsize
  }
}

test('input goes through the buffer, and a process that does not take it leaves nothing there', async () => {
  const room = await buffer()
  let most = 0
  const child = exec('until [ -e /tmp/sum ]; do sleep 0.1; done; sha256sum', ['-i'], new Uint8Array(32 * MiB))
  // Its place is given back after a second.
  await eventually('input in the buffer', async () => {
    most = Math.max(most, room?.() ?? MiB)
    return most >= MiB ? true : undefined
  })
  await eventually('nothing to be in the buffer', async () => (room?.() ? undefined : true))
  expect((await kata.call(['exec', name, '--', 'touch', '/tmp/sum'])).code).toBe(0)
  expect(await new Response(child.stdout).text()).toBe(`${sha256(new Uint8Array(32 * MiB))}  -\n`)
  expect(await child.exited).toBe(0)
  expect(room?.() ?? 0).toBe(0)
})

test('a process that ends leaves none of its input in the buffer, although another holds its pipe', async () => {
  const room = await buffer()
  const holds = '(exec sleep 3600 <&3) 3<&0 & echo $! >/tmp/holder'
  const child = exec(holds, ['-i'], new Uint8Array(32 * MiB))
  expect(await child.exited).toBe(0)
  await eventually('nothing to be in the buffer', async () => (room?.() ? undefined : true))
  expect((await kata.call(['exec', name, '--', 'sh', '-c', 'kill $(cat /tmp/holder)'])).code).toBe(0)
})

test('writes of every size keep their order: a byte, a line, a page, more than a pipe holds', async () => {
  const sizes = [1, 100, 4096, 4097, 16_383, 16_384, 16_385, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_001]
  const script = sizes.map((size) => `printf '%s\\n' ${size}; head -c ${size} /dev/zero | tr '\\0' x; echo`)
  const child = exec(`for round in 1 2 3; do ${script.join('; ')}; done`)
  const text = await new Response(child.stdout).text()
  expect(await child.exited).toBe(0)
  const round = sizes.map((size) => `${size}\n${'x'.repeat(size)}\n`).join('')
  expect(new Bun.CryptoHasher('sha256').update(text).digest('hex')).toBe(
    new Bun.CryptoHasher('sha256').update(round.repeat(3)).digest('hex'),
  )
})

test('empty buffers in the pipe of a process, which the kernel leaves there for writes that fail, end no sandbox', async () => {
  const rounds = 100
  for (const empty of [1, 63, 100, 150]) {
    const child = exec(`exec /hollow-output ${empty} ${rounds}`)
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    expect({ empty, code, err, isWhole: out === hollowText(rounds) }).toEqual({
      empty,
      code: 0,
      err: 'written\n',
      isWhole: true,
    })
  }
  expect(await kata.call(['exec', name, '--', 'echo', 'well'])).toEqual({
    code: 0,
    stdout: 'well\n',
    stderr: '',
  })
})

test('a reader that does not read holds the process back, and then has everything', async () => {
  const blocks = 512
  // Nobody reads this pipe, as Bun would that of a child.
  const fifo = `${kata.stateDir}/unread`
  makeFifo(fifo)
  const unread = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  // The shell notes which block is next, so that what waits in pipes and in our processes has a bound.
  const block = 'dd if=/dev/zero bs=65536 count=1 2>/dev/null'
  const script = `for i in $(seq ${blocks}); do echo $i >/tmp/block; ${block}; done; echo done >/tmp/block`
  const child = Bun.spawn(kata.command(['exec', name, '--', 'sh', '-c', script]), {
    stdio: ['ignore', unread, 'inherit'],
  })
  const noted = async () => (await kata.call(['exec', name, '--', 'cat', '/tmp/block'])).stdout.trim()
  let before = ''
  const held = await eventually('the process to be held back', async () => {
    const now = await noted()
    const isHeld = now === before && now !== ''
    before = now
    if (!isHeld) await Bun.sleep(500)
    return isHeld ? now : undefined
  })
  expect(held).not.toBe('done')
  // 16 MiB: pipes of the guest and the host, two chunks in the shim, and what the client reads ahead.
  expect(Number(held)).toBeLessThan(256)
  const reader = Bun.spawn(['wc', '-c', fifo], { stdout: 'pipe' })
  expect(await child.exited).toBe(0)
  closeSync(unread)
  expect(await new Response(reader.stdout).text()).toBe(`${blocks * 65_536} ${fifo}\n`)
})

test('a client that leaves in the middle takes nothing with it: the next process has its own output', async () => {
  const child = exec('exec cat /dev/zero')
  const reader = child.stdout.getReader()
  await reader.read()
  // This one goes on, with nobody to read it.
  // More than the pipes of guest and host hold.
  const note = `echo begun; head -c ${8 * MiB} /dev/zero; touch /tmp/noted`
  const left = exec(note)
  const begun = left.stdout.getReader()
  await begun.read()
  for (const client of [child, left]) client.kill('SIGKILL')
  await Promise.all([child.exited, left.exited])
  await eventually('the end of what nobody reads', async () => {
    const { code } = await kata.call(['exec', name, '--', 'test', '-e', '/tmp/noted'])
    return code === 0 ? true : undefined
  })
  const next = exec(`head -c ${MiB} /dev/zero | tr '\\0' y`)
  const bytes = await allOf(next.stdout)
  expect(await next.exited).toBe(0)
  expect(bytes.length).toBe(MiB)
  expect(bytes.every((byte) => byte === 'y'.charCodeAt(0))).toBe(true)
})

test('32 MiB of input arrive whole, and the end behind them', async () => {
  const block = crypto.getRandomValues(new Uint8Array(65_536))
  const bytes = new Uint8Array(32 * MiB)
  for (let at = 0; at < bytes.length; at += block.length) {
    new DataView(block.buffer).setUint32(0, at)
    bytes.set(block, at)
  }
  const child = exec('sha256sum', ['-i'], bytes)
  expect(await new Response(child.stdout).text()).toBe(`${sha256(bytes)}  -\n`)
  expect(await child.exited).toBe(0)
})

test('the input of many processes at once waits for the guest', async () => {
  // Each may have 2 MiB under way, and so many of these are more than a guest may leave unread.
  const children = Array.from({ length: 12 }, () => exec('exec wc -c', ['-i'], new Uint8Array(8 * MiB)))
  const counts = await Promise.all(children.map((child) => new Response(child.stdout).text()))
  expect(counts).toEqual(children.map(() => `${8 * MiB}\n`))
  expect(await Promise.all(children.map((child) => child.exited))).toEqual(children.map(() => 0))
})

test('a container whose client was killed goes on, and its log has all of it', async () => {
  const script = `echo begun; sleep 2; head -c ${8 * MiB} /dev/zero; echo over; exec sleep 3600`
  const runner = kata.spawn(['run', '--name', 'killed', '--', 'sh', '-c', script])
  await runner.stdout.getReader().read()
  runner.kill('SIGKILL')
  await runner.exited
  const logged = await eventually('the end of its log', async () => {
    const { stdout } = await kata.call(['logs', 'killed'])
    return stdout.endsWith('over\n') ? stdout : undefined
  })
  expect(logged).toBe(`begun\n${'\0'.repeat(8 * MiB)}over\n`)
  expect((await kata.call(['rm', '-f', 'killed'])).code).toBe(0)
})

test('input that a process reads slowly waits for it', async () => {
  const bytes = new Uint8Array(4 * MiB)
  const child = exec('sleep 2; dd bs=5 count=1 2>/dev/null; sleep 1; wc -c', ['-i'], bytes)
  const text = await new Response(child.stdout).text()
  expect(await child.exited).toBe(0)
  expect(text.slice(5).trim()).toBe(String(4 * MiB - 5))
})

test('a process that does not read holds its source back, and then has everything', async () => {
  const blocks = 512
  const [fifo, note] = [`${kata.stateDir}/source`, `${kata.stateDir}/block`]
  makeFifo(fifo)
  const reading = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const writing = openSync(fifo, constants.O_WRONLY)
  // The source notes which block is next, so that what waits in pipes and in our processes has a bound.
  const block = 'dd if=/dev/zero bs=65536 count=1 2>/dev/null'
  const script = `for i in $(seq ${blocks}); do echo $i >${note}; ${block}; done; echo done >${note}`
  Bun.spawn(['sh', '-c', script], { stdio: ['ignore', writing, 'inherit'] })
  const reads = 'until [ -e /tmp/read ]; do sleep 0.1; done; wc -c'
  const child = Bun.spawn(kata.command(['exec', '-i', name, '--', 'sh', '-c', reads]), {
    stdio: [reading, 'pipe', 'inherit'],
  })
  for (const fd of [reading, writing]) closeSync(fd)
  let before = ''
  const held = await eventually('the source to be held back', async () => {
    const now = readFileSync(note, { encoding: 'utf8', flag: 'a+' }).trim()
    // The guest's pipe alone holds 16 blocks.
    const isHeld = now === before && (now === 'done' || Number(now) > 16)
    before = now
    if (!isHeld) await Bun.sleep(500)
    return isHeld ? now : undefined
  })
  expect(held).not.toBe('done')
  // 16 MiB, as above.
  expect(Number(held)).toBeLessThan(256)
  expect((await kata.call(['exec', name, '--', 'touch', '/tmp/read'])).code).toBe(0)
  expect((await new Response(child.stdout).text()).trim()).toBe(`${blocks * 65_536}`)
  expect(await child.exited).toBe(0)
})
