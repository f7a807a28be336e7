import { expect, test } from 'bun:test'
import { transportPair } from '../../ttrpc/ttrpc.ts'
import { collectWhenIdle, watched } from './idle.ts'

test('collects once after a busy time, and again after the next one', async () => {
  let collected = 0
  const touch = collectWhenIdle(() => collected++, 20)
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
