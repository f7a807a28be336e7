import { expect, test } from 'bun:test'
import { withoutAgentLog } from './agent-log.ts'

const entry = (level: string, msg: string, more: object = {}) =>
  JSON.stringify({ msg, level, ts: '2026-11-25T10:00:00Z', source: 'agent', name: 'kata-agent', ...more })

test('of what Kata’s agent logs, warnings and errors stay, in their words', () => {
  const console = [
    '","level":"INFO","ts":"2026-11-25T10:00:00Z","name":"kata-agent"}',
    '[ 1.2] virtio_blk: ok',
    entry('INFO', 'rpc call from shim to agent: "create_container"'),
    entry('CRIT', 'cannot go on', { error: 'no cpuset' }),
    entry('WARN', 'slow'),
    '{"level" is no entry',
    '[ 2.0] reboot: Power down',
  ]
  expect(withoutAgentLog(console.join('\n')).split('\n')).toEqual([
    '[ 1.2] virtio_blk: ok',
    'the agent: cannot go on: no cpuset',
    'the agent: slow',
    '{"level" is no entry',
    '[ 2.0] reboot: Power down',
  ])
})

test('any other text is left as it is', () => {
  for (const text of ['', 'plain', 'kata-agent ready\n', '{"a":1}\nx', `{"msg":"no level"}`])
    expect(withoutAgentLog(text)).toBe(text)
})
