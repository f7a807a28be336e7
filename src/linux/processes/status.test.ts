import { expect, test } from 'bun:test'
import { readStatus } from './proc.ts'

test('the first line, others and the last have their values; what is not there has none', () => {
  const status = readStatus('/proc/self/status')!
  expect(status.get('Pid')).toBe(`${process.pid}`)
  expect(status.get('Uid')?.split('\t')).toHaveLength(4)
  expect(status.get('nonvoluntary_ctxt_switches')).toMatch(/^\d+$/)
  for (const missing of ['Pi', 'id', 'Uids', '']) expect(status.get(missing)).toBeUndefined()
  expect(readStatus('/proc/self/no-such/status')).toBeUndefined()
})

test('a process does not become another user’s by its name', async () => {
  const rename = `require('node:fs').writeFileSync('/proc/self/comm', 'a\\nUid:\\t77')`
  const script = `${rename}; console.log(); setInterval(() => {}, 60_000)`
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
  try {
    await child.stdout.getReader().read()
    const status = readStatus(`/proc/${child.pid}/status`)!
    expect(status.get('Name')).toBe('a\\nUid:\t77')
    expect(status.get('Uid')?.split('\t')[0]).toBe(`${process.getuid!()}`)
  } finally {
    child.kill()
    await child.exited
  }
})
