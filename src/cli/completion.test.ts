import { expect, test } from 'bun:test'
import type { Command } from 'commander'
import { completionScript, type Shell } from './completion.ts'
import { buildProgram } from './program.ts'

const program = buildProgram({
  settings: () => {
    throw new Error('no command runs here')
  },
  finish: () => {},
  print: () => {},
  tell: () => {},
  throughService: async () => undefined,
  again: async () => 0,
})

function walk(command: Command): Command[] {
  return command.commands
    .filter((child) => !['monitor', 'service-worker'].includes(child.name()))
    .flatMap((child) => [child, ...walk(child)])
}

test.each(['bash', 'zsh', 'fish'] as Shell[])('%s knows every command and every long option', (shell) => {
  const script = completionScript(program, shell)
  for (const command of walk(program)) {
    expect(script).toContain(command.name())
    for (const { long, hidden } of command.options) {
      if (hidden) continue
      const flag = shell === 'fish' ? `-l ${long!.slice(2)} ` : long!
      expect(script).toContain(flag)
    }
  }
  expect(script).not.toContain('monitor')
})

/** What bash offers after these words. */
async function complete(...words: string[]): Promise<string[]> {
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_kata_ts; printf '%s\\n' "\${COMPREPLY[@]}"`
  const child = Bun.spawn(['bash', '-c', script], { env: { PATH: '' }, stdio: ['ignore', 'pipe', 'inherit'] })
  return (await child.stdout.text()).split('\n').filter((line) => line !== '')
}

test('bash completes commands, sub-commands and options of the command at hand', async () => {
  expect(await complete('kata-ts', 'ins')).toEqual(['inspect'])
  expect(await complete('kata-ts', 'guest', 'b')).toEqual(['build'])
  expect(await complete('kata-ts', 'run', '--rea')).toEqual(['--read-only'])
  expect(await complete('kata-ts', 'ps', '--rea')).toEqual([])
})

test('every command has a summary and an example', () => {
  for (const command of walk(program)) {
    expect(command.summary()).not.toBe('')
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    expect(help).toContain('Example:\n  $ kata-ts ')
  }
})
