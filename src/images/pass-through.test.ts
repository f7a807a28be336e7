import { afterEach, beforeEach, expect, spyOn, test } from 'bun:test'
import { closeSync, readSync, writeSync } from 'node:fs'
import { makeThreePipes, type Pipe } from '../linux/files/pipe.ts'
import { realClock } from '../time.ts'
import { passThrough } from './pass-through.ts'

let open: Set<number>
let input: Pipe
let output: Pipe
beforeEach(() => {
  const pipes = makeThreePipes(['write', 'read', 'read'])
  ;[input, output] = pipes
  open = new Set(pipes.flatMap(({ read, write }) => [read, write]))
})
afterEach(() => close(...open))

function close(...fds: readonly number[]): void {
  for (const fd of fds) if (open.delete(fd)) closeSync(fd)
}

async function plainOf(packed: AsyncIterable<Uint8Array>, stallMs?: number): Promise<string> {
  const ends = { to: input.write, from: output.read, endInput: () => close(input.write) }
  const plain: Buffer[] = []
  for await (const piece of passThrough(packed, ends, new AbortController().signal, stallMs))
    plain.push(piece)
  return Buffer.concat(plain).toString()
}

test('a program is not given up because the machine stood still while it was at work', async () => {
  const clock = spyOn(realClock, 'now')
  async function* packed() {
    yield Buffer.from('packed')
    const begun = performance.now()
    let looks = 0
    clock.mockImplementation(() => begun + 3_600_000 * Math.min(looks++, 1))
  }
  const answer = () => {
    readSync(input.read, Buffer.alloc(9))
    writeSync(output.write, 'plain')
    close(output.write)
  }
  setTimeout(answer, 50)
  try {
    expect(await plainOf(packed())).toBe('plain')
  } finally {
    clock.mockRestore()
  }
})

test('one that does nothing is given up, and its input let go', async () => {
  let isLetGo = false
  async function* packed() {
    try {
      for (;;) yield Buffer.alloc(1 << 20)
    } finally {
      isLetGo = true
    }
  }
  await expect(plainOf(packed(), 40)).rejects.toThrow('the program neither reads nor writes for 0.04 s')
  expect(isLetGo).toBe(true)
})
