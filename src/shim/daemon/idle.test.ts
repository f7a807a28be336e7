import { expect, test } from 'bun:test'
import { transportPair } from '../../ttrpc/ttrpc.ts'
import { collectWhenIdle, watched } from './idle.ts'

test('collects once after a busy time, and again after the next one', async () => {
  let collected = 0
  const touch = collectWhenIdle(() => collected++, { idleMs: 20, atLatestMs: 60_000 })
  for (let call = 0; call < 5; call++) {
    touch()
    expect(collected).toBe(0)
  }
  await Bun.sleep(100)
  expect(collected).toBe(1)
  await Bun.sleep(100)
  expect(collected).toBe(1)
  touch()
  await Bun.sleep(100)
  expect(collected).toBe(2)
})

test('calls that never stop are no reason to wait for ever: it collects about once in each longest time', async () => {
  let collected = 0
  const touch = collectWhenIdle(() => collected++, { idleMs: 60_000, atLatestMs: 30 })
  const probe = setInterval(touch, 1)
  try {
    while (collected < 3) await Bun.sleep(1)
  } finally {
    clearInterval(probe)
  }
})

test('a watched transport passes everything on', async () => {
  const [left, right] = transportPair()
  let calls = 0
  const received: string[] = []
  watched(right, () => calls++).onData((chunk) => void received.push(Buffer.from(chunk).toString()))
  await left.write(Buffer.from('one'))
  await left.write(Buffer.from('two'))
  await Bun.sleep(1)
  expect({ calls, received }).toEqual({ calls: 2, received: ['one', 'two'] })
})
