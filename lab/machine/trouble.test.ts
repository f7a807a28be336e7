import { expect, test } from 'bun:test'
import { twiceAtMost } from './trouble.ts'

const always = () => 'the lab host went down'
const never = () => undefined

function attempts(failures: number) {
  let left = failures
  let made = 0
  return {
    made: () => made,
    async run(): Promise<string> {
      made++
      if (left-- > 0) throw new Error('no')
      return 'yes'
    },
  }
}

test('trouble is tried once more, and said', async () => {
  const said: string[] = []
  expect(await twiceAtMost(attempts(1).run, (reason) => said.push(reason), always)).toBe('yes')
  expect(said).toEqual(['the lab host went down'])
})

test('never twice more', async () => {
  const stubborn = attempts(3)
  await expect(twiceAtMost(stubborn.run, () => {}, always)).rejects.toThrow('no')
  expect(stubborn.made()).toBe(2)
})

test('what is no trouble of the emulation is not tried again', async () => {
  const said: string[] = []
  const honest = attempts(1)
  await expect(twiceAtMost(honest.run, (reason) => said.push(reason), never)).rejects.toThrow('no')
  expect({ made: honest.made(), said }).toEqual({ made: 1, said: [] })
})
