import { expect, test } from 'bun:test'

/** A report of `check`, a list of `ps` and a sandbox of `audit`, as they print them. */
const code = `
  const { asText } = await import(${JSON.stringify(`${import.meta.dir}/../actions/check.ts`)})
  const { asTable } = await import(${JSON.stringify(`${import.meta.dir}/../actions/ps.ts`)})
  const { auditText } = await import(${JSON.stringify(`${import.meta.dir}/../actions/audit.ts`)})
  const result = (status) => ({ name: status, status, detail: 'found', remedy: '' })
  process.stdout.write(asText({ fix: [], checks: ['ok', 'warning', 'failed'].map(result) }))
  const openWalls = [{ wall: 'landlock', what: 'none' }]
  const live = { status: 'running', exitCode: null, oomKilled: false, vmmPid: 7, accelerator: 'kvm', openWalls }
  const listed = [live, { ...live, openWalls: [] }].map((more) => ({ id: 'c', image: 'i', command: ['x'], createdAt: 0, ports: [], ...more }))
  process.stdout.write(asTable(listed, { now: 0, withNamespace: false, width: undefined }))
  const rows = [['uid', '1', '1'], ['groups', '', '0']].map(([field, expected, actual]) => ({ field, expected, actual }))
  const processes = [{ name: 'VMM', pid: 7, rows, differences: 1 }, { name: 'shim', pid: 8, rows: [], differences: 0 }]
  process.stdout.write(auditText({ namespace: 'n', id: 's', processes, openWalls }))`

function printed(env: Record<string, string>, onTerminal = false): string {
  const { PATH = '' } = process.env
  const command = [process.execPath, '-e', code]
  const terminal = ['script', '-qec', `${process.execPath} -e "$CODE"`, '/dev/null']
  const { stdout, exitCode } = Bun.spawnSync(onTerminal ? terminal : command, {
    env: { PATH, CODE: code, SHELL: '/bin/sh', TERM: 'xterm', ...env },
    stdin: 'ignore',
  })
  expect(exitCode).toBe(0)
  return stdout.toString().replaceAll('\r\n', '\n')
}

const inColour = [
  ...[
    '\u001b[31mfailed\u001b[39m   found',
    '\u001b[33mwarning\u001b[39m  found',
    '\u001b[32mok\u001b[39m       found',
  ],
  ...['kvm          \u001b[33mlandlock\u001b[39m    i', 'kvm          -           i'],
  ...['\u001b[33m! open wall landlock: none\u001b[39m', 'process 7: \u001b[31m1 DIFFERENCE\u001b[39m'],
  ...[
    'process 8: \u001b[32mas asked for\u001b[39m',
    '\u001b[31m!\u001b[39m  \u001b[31mgroups\u001b[39m  (none)    \u001b[31m0\u001b[39m',
  ],
]

test.each([
  ['on a terminal', {}, true],
  ['where it is forced', { FORCE_COLOR: '1' }, false],
])(
  'what stands well and what does not has its colour, and columns stay aligned: %s',
  (_where, env, onTerminal) => {
    const text = printed(env, onTerminal)
    for (const part of inColour) expect(text).toContain(part)
  },
)

test.each([
  ['into a pipe', {}, false],
  ['on a terminal whose person wants none', { NO_COLOR: '1' }, true],
  ['on a terminal where it is turned off', { FORCE_COLOR: '0' }, true],
])('there is no colour %s', (_where, env, onTerminal) => {
  const text = printed(env, onTerminal)
  expect(text).not.toContain('\u001b')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is looked for
  for (const part of inColour) expect(text).toContain(part.replace(/\u001b\[\d+m/g, ''))
})
