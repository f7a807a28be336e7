import { expect, test } from 'bun:test'
import type { Command } from 'commander'
import { completionScript, type Shell } from './completion.ts'
import { groupOrder } from './groups.ts'
import { buildProgram } from './program.ts'

const programThat = (print: (text: string) => void) =>
  buildProgram({
    settings: () => {
      throw new Error('no command runs here')
    },
    finish: () => {},
    print,
    tell: () => {},
    throughService: async () => undefined,
    again: async () => 0,
  })
const program = programThat(() => {})

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

test('help has its commands in groups', () => {
  let help = ''
  program.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
  const headings = [...help.matchAll(/^(\S.*:)$/gm)].map(([, heading]) => heading)
  expect(headings.slice(0, 2)).toEqual(['Options:', 'Options of all commands:'])
  expect(headings.slice(2)).toEqual(groupOrder.filter((group) => headings.includes(group)))
  expect(headings).toContain('Run containers:')
})

function helpOf(...words: string[]): string {
  let help = ''
  const parse = () => programThat((text) => (help += text)).parse(['help', ...words], { from: 'user' })
  expect(parse).toThrow('outputHelp')
  return help
}

/** What bash offers after each of these lines; `files` stands for those of the directory. */
async function complete(...lines: (readonly string[])[]): Promise<string[][]> {
  const each = lines.map(
    (words) => `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
COMPREPLY=(); _kata_ts; printf '%s ' "\${COMPREPLY[@]}"; printf '\\n'`,
  )
  // What it asks for names answers with its own words.
  const lister = `kata-ts() { local IFS=-; echo "$*"; }
compopt() { [[ "$*" == "-o default" ]] && printf 'files '; }`
  const script = `${completionScript(program, 'bash')}\n${lister}\n${each.join('\n')}`
  const child = Bun.spawn(['bash', '-c', script], { env: { PATH: '' }, stdio: ['ignore', 'pipe', 'inherit'] })
  return (await child.stdout.text())
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').filter((word) => word !== ''))
}

test('bash completes commands, sub-commands and options of the command at hand', async () => {
  expect(
    await complete(
      ['kata-ts', 'ins'],
      ['kata-ts', 'guest', 'b'],
      ['kata-ts', 'run', '--rea'],
      ['kata-ts', 'ps', '--rea'],
      ['kata-ts', 'ver'],
    ),
  ).toEqual([['inspect'], ['build'], ['--read-only'], [], ['version']])
})

test('bash completes the values of an option, and nothing where it knows none', async () => {
  expect(
    await complete(
      ['kata-ts', 'run', '--accelerator', ''],
      ['kata-ts', 'ps', '--format', 'j'],
      ['kata-ts', 'stop', '-s', 'T'],
      ['kata-ts', 'run', '--name', '-'],
      ['kata-ts', 'run', '--config', ''],
      ['kata-ts', 'completion', 'f'],
      ['kata-ts', 'images', '--filter', ''],
      ['kata-ts', 'events', '--filter', 'c'],
      ['kata-ts', 'ps', '--filter', 'e'],
    ),
  ).toEqual([
    ...[['auto', 'kvm', 'tcg'], ['json'], ['TERM'], [], ['files'], ['fish']],
    ...[['reference='], ['container='], ['exited=']],
  ])
})

const fileLines = [
  ['kata-ts', 'load', '-i', ''],
  ['kata-ts', 'run', '--image', ''],
  ['kata-ts', 'run', '-v', '/sr'],
  ['kata-ts', 'import', ''],
  ['kata-ts', 'cp', 'web:/etc/hosts', ''],
]
const valueLines = [
  ['kata-ts', '--namespace', 'ps', 'ver'],
  ['kata-ts', '--run-dir', 'volume', 'ps', '--runn'],
  // A value that looks like an option.
  ['kata-ts', 'run', '--name', '--accelerator', '--rea'],
]
const afterValues = [['version'], ['--running'], ['--read-only']]

test('bash completes files where an option or argument is one', async () => {
  expect(await complete(...fileLines)).toEqual(fileLines.map(() => ['files']))
  expect(await complete(['kata-ts', 'import', '--mes'])).toEqual([['--message']])
})

test('bash takes the value of an option for no command', async () => {
  expect(await complete(...valueLines)).toEqual(afterValues)
})

test('zsh completes files, and takes the value of an option for no command', async () => {
  if (Bun.which('zsh') === null) return console.log('not checked: zsh is not installed')
  const each = [...fileLines, ...valueLines].map(
    (words) => `words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}
PREFIX='${words.at(-1)}'; _kata_ts; print`,
  )
  const stubs = `compdef() { }
_files() { print -rn -- 'files ' }
compadd() { shift; local each; for each in "$@"; do [[ "$each" == "$PREFIX"* ]] && print -rn -- "$each "; done }`
  const script = `${stubs}\n${completionScript(program, 'zsh')}\n${each.join('\n')}`
  const child = Bun.spawn(['zsh', '-fc', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = (await child.stdout.text()).trimEnd().split('\n')
  expect(lines.map((line) => line.split(' ').filter((word) => word !== ''))).toEqual([
    ...fileLines.map(() => ['files']),
    ...afterValues,
  ])
})

test('fish takes the value of an option for no command', () => {
  const script = completionScript(program, 'fish')
  expect(script).toMatch(/case [^\n]*' --namespace'[^\n]*\n +set skips 1\n/)
  expect(script).toMatch(/-l image -r /)
})

test('bash completes the names that a command takes', async () => {
  expect(
    await complete(
      ['kata-ts', 'stop', 'ps-'],
      ['kata-ts', 'audit', 'ps-'],
      ['kata-ts', 'volume', 'rm', 'volume-'],
      ['kata-ts', 'volume', 'create', 'volume-'],
      ['kata-ts', 'network', 'inspect', 'network-'],
      ['kata-ts', 'snapshot', 'create', 'ps-'],
      ['kata-ts', 'snapshot', 'rm', 'snapshot-'],
      ['kata-ts', 'snapshot', 'remove', 'snapshot-'],
    ),
  ).toEqual([
    ...[['ps---quiet'], ['ps---quiet'], ['volume-ls---quiet'], [], ['network-ls---quiet']],
    ...[['ps---quiet'], ['snapshot-ls---quiet'], ['snapshot-ls---quiet']],
  ])
})

test('docker’s other words for a sub-command are known, and not offered', async () => {
  const lines = [
    ['kata-ts', 'volume', 'li'],
    ['kata-ts', 'volume', 'list', '--q'],
    ['kata-ts', 'factory', 'ls', '--con'],
  ]
  expect(await complete(...lines)).toEqual([[], ['--quiet'], ['--config']])
  const fish = completionScript(program, 'fish')
  expect(fish).toContain("case 'volume ls' 'volume list'\n")
  expect(fish).not.toContain("-a list -d 'list volumes")
})

test.each(['volume', 'network', 'snapshot', 'guest', 'factory'])('%s takes ls and list', (group) => {
  const ls = helpOf(group, 'ls')
  expect(ls).toContain(`kata-ts ${group} `)
  expect(helpOf(group, 'list')).toBe(ls)
  expect(helpOf(group)).not.toMatch(/ls\|list|list\|ls|rm\|remove/)
})

test('fish takes no sub-command for the command of the same name', () => {
  const script = completionScript(program, 'fish')
  const namesOf = (group: string) => new RegExp(`-n '([^']*)' -a '\\(kata-ts ${group} --quiet`, 'g')
  const volumes = [...script.matchAll(namesOf('volume ls'))].map(([, condition]) => condition)
  expect(volumes).toEqual(['__kata_ts_at "volume inspect"', '__kata_ts_at "volume rm"'])
  expect([...script.matchAll(namesOf('ps'))].map(([, condition]) => condition)).toContain('__kata_ts_at "rm"')
  expect(script).not.toContain('__fish_seen_subcommand_from')
})

test('zsh completes at once where it loads the script itself', () => {
  const script = completionScript(program, 'zsh')
  expect(script).toStartWith('#compdef kata-ts\n')
  // The name of the file in the package.
  expect(script).toMatch(/funcstack\[1\]\}" == "_kata-ts" \]\]; then\n {2}_kata_ts "\$@"\n/)
})

test.each([
  ['bash', ['bash', '-n']],
  ['zsh', ['zsh', '-n']],
  ['fish', ['fish', '--no-execute']],
] as const)('%s takes its script', (shell, command) => {
  if (Bun.which(command[0]) === null) return console.log(`not checked: ${shell} is not installed`)
  const stdin = Buffer.from(completionScript(program, shell))
  const { stderr, exitCode } = Bun.spawnSync([...command, '/dev/stdin'], { stdin })
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: '' })
})

test('every command has a summary and an example', () => {
  for (const command of walk(program)) {
    expect(command.summary()).not.toBe('')
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    expect(help).toContain('Example:\n  $ kata-ts ')
  }
})
