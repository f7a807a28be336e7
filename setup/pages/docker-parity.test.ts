import { expect, test } from 'bun:test'
import { refusals } from '../../src/cli/docker-refusals.ts'
import { commandParity, dockerParityPage, optionParity, otherOptionParity } from './docker-parity.ts'

test('every command and option of docker’s is here, or somebody says what to use', () => {
  const unexplained = [...commandParity(), ...optionParity(), ...otherOptionParity()].filter(
    ({ text }) => text === '',
  )
  expect(unexplained.map(({ word }) => word)).toEqual([])
})

test('what is here is not said to be missing', () => {
  const words = (isHere: boolean) =>
    [...commandParity(), ...optionParity()].filter((one) => one.isHere === isHere).map(({ word }) => word)
  expect(words(true)).toEqual(
    expect.arrayContaining(['run', 'rename', 'events', 'diff', '--health-cmd', '--restart']),
  )
  expect(words(false)).toEqual(expect.arrayContaining(['swarm', 'service', 'push', '--gpus', '--userns']))
  const others = otherOptionParity().filter(({ isHere }) => !isHere)
  expect(others.map(({ word }) => word)).toEqual(
    expect.arrayContaining(['cp --archive', 'update --cpu-shares']),
  )
  expect(dockerParityPage()).toContain('| `--cpu-shares` | – | it weighs containers of one kernel')
})

test('nothing that is here has a reason why it is not', () => {
  const here = [...commandParity(), ...optionParity()].filter(({ isHere }) => isHere)
  expect(here.map(({ word }) => word).filter((word) => word in refusals)).toEqual([])
})
