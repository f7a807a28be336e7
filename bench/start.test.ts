/** By which configuration a start is measured, and that a clone is no cold start. */
import { describe, expect, test } from 'bun:test'
import { type Host, withDefaults } from './host.ts'
import { runOnce } from './start.ts'

describe('a run', () => {
  test('has no network, and the configuration that we ship', () => {
    expect(withDefaults(['run', '-d', '--', 'true'], '/shipped.toml')).toEqual([
      ...['run', '--network', 'none', '--config', '/shipped.toml'],
      ...['-d', '--', 'true'],
    ])
  })

  test('has those that it asks for', () => {
    const asked = ['run', '--network', 'ns:/n', '--config', '/mine.toml', '--', 'true']
    expect(withDefaults(asked, '/shipped.toml')).toEqual(asked)
  })
})

test('other commands have neither', () => {
  expect(withDefaults(['exec', 'name', '--', 'true'], '/shipped.toml')).toEqual([
    ...['exec', 'name', '--', 'true'],
  ])
})

test('a clone is measured only where clones are', async () => {
  const hostOf = (template: string): Pick<Host, 'must' | 'facts'> => ({
    must: async (_args, { onFirstByte } = {}) => {
      onFirstByte?.()
      return {
        code: 0,
        stderr: '',
        tail: 'x',
        bytes: 1,
        firstByteMs: 5,
        totalMs: 9,
        streamMs: 0,
        startedAt: 0,
      }
    },
    facts: () => ({ template, startedAt: 1, timings: [{ step: 'boot', at: 0, ms: 2 }] }) as never,
  })
  expect(await runOnce(hostOf(''), 'cold')).toMatchObject({ firstOutputMs: 5 })
  await expect(runOnce(hostOf('key'), 'warm')).rejects.toThrow('warm was a clone, not a cold start')
  expect(await runOnce(hostOf('key'), 'warm', [], { mayClone: true })).toMatchObject({ totalMs: 9 })
})
