/** How commands end, as programs read it: `--result-file`, and signals for one command among several. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { eventually, testClient } from './client.double.ts'

test('a program learns from the file whose exit code it is', async () => {
  await using client = testClient()
  const { base, kata, start } = client
  let files = 0
  const call = async (...args: string[]) => {
    const file = `${base}/result-${files++}`
    const { code } = await kata('--result-file', file, ...args)
    return { code, result: JSON.parse(readFileSync(file, 'utf8')) }
  }
  await start('c', ['sleep', '60'])
  const none = { errors: [], warnings: [] }
  expect(await call('exec', 'c', '--', 'sh', '-c', 'exit 125')).toEqual({
    code: 125,
    result: { exitCode: 125, ...none },
  })
  const errors = (code: string) => [expect.objectContaining({ code })]
  for (const [code, error, args] of [
    [127, 'COMMAND_NOT_FOUND', ['exec', 'c', '--', 'no-such-command']],
    [125, 'CONTAINER_EXISTS', ['run', '-d', '--name', 'c', '--rootfs', base, '--', 'true']],
    [1, 'CONTAINER_NOT_FOUND', ['rm', 'nobody']],
    [125, 'USAGE', ['ps', '--bogus']],
    [125, 'OPTION_INVALID', ['ps', '--format', 'yaml']],
  ] as const)
    expect(await call(...args)).toMatchObject({ code, result: { exitCode: code, errors: errors(error) } })
  expect(await kata('--result-file', `${base}/result-0`, 'ps')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[FILE_EXISTS]'),
  })
})

test('a signal reaches the command that has the id', async () => {
  await using client = testClient()
  const { kata, spawn, start } = client
  await start('c', ['sleep', '60'])
  const [one, two] = ['one', 'two'].map((id) => spawn(['exec', '--exec-id', id, 'c', '--', 'sleep', '60']))
  await eventually(async () => (await kata('kill', '--signal', 'TERM', '--exec-id', 'one', 'c')).code === 0)
  expect(await one!.exited).toBe(143)
  await eventually(async () => (await kata('kill', '--exec-id', 'two', 'c')).code === 0)
  expect(await two!.exited).toBe(137)
  expect((await kata('kill', '--exec-id', 'two', 'c')).code).toBe(1)
  expect((await kata('exec', '--exec-id', '../up', 'c', 'true')).stderr).toContain('[NAME_INVALID]')
})
