/** The manual pages, from what the help and docs/configuration.md are made of: name with section, and text. */
import type { Command, Option } from 'commander'
import { groupOf, groupOrder } from '../../../src/cli/groups.ts'
import { configurationManual } from './configuration-manual.ts'
import { documentedProgram } from './documented-program.ts'
import { bold, example, heading, item, prose, subheading, text, title } from './roff.ts'

export interface Edition {
  readonly version: string
  readonly date: Date
}

const manual = 'kata-ts manual'

/** `kata-ts.1`, a page for each command (`kata-ts-image-build.1`), `kata-ts.toml.5`. */
export function manPages(edition: Edition): Readonly<Record<string, string>> {
  const program = documentedProgram()
  return {
    'kata-ts.1': programPage(program, edition),
    ...Object.fromEntries(
      commandsBelow(program, []).map(({ words, command }) => [
        `${pageOf(words)}.1`,
        commandPage(command, words, edition),
      ]),
    ),
    'kata-ts.toml.5': configurationManual(edition),
  }
}

interface Found {
  /** Behind `kata-ts`. */
  readonly words: readonly string[]
  readonly command: Command
}

function commandsBelow(parent: Command, words: readonly string[]): Found[] {
  return shown(parent).flatMap((command) => {
    const here = [...words, command.name()]
    return [{ words: here, command }, ...commandsBelow(command, here)]
  })
}

/** Those that the help shows, but for help itself below another command. */
const shown = (parent: Command): Command[] =>
  parent
    .createHelp()
    .visibleCommands(parent)
    .filter((command) => parent.parent === null || command.name() !== 'help')

const pageOf = (words: readonly string[]): string => ['kata-ts', ...words].join('-')

const edited = (name: string, section: number, { version, date }: Edition): string =>
  title(name, section, date, `kata-ts ${version}`, manual)

function programPage(program: Command, edition: Edition): string {
  const groups = groupOrder.map((group) => ({
    group: group.replace(/:$/, ''),
    commands: shown(program).filter((command) => groupOf(command.name()) === group),
  }))
  return [
    edited('kata-ts', 1, edition),
    heading('Name'),
    'kata\\-ts \\- run containers in virtual machines of their own\n',
    heading('Synopsis'),
    `${bold('kata-ts')} [options] ${bold('COMMAND')} [arguments]\n`,
    heading('Description'),
    `${text(program.description())}\n`,
    '.PP\nThe same file is containerd\\(aqs shim when it is called \\fBcontainerd\\-shim\\-kata\\-ts\\-v2\\fR: the runtime is \\fBio.containerd.kata\\-ts.v2\\fR.\n',
    heading('Commands'),
    ...groups
      .filter(({ commands }) => commands.length > 0)
      .flatMap(({ group, commands }) => [
        subheading(group),
        ...commands.map((command) => item(`${bold(pageOf([command.name()]))}(1)`, text(command.summary()))),
      ]),
    ...options(program),
    exitStatus,
    files,
    seeAlso(['kata-ts.toml(5)']),
  ].join('')
}

function commandPage(command: Command, words: readonly string[], edition: Edition): string {
  const children = shown(command)
  const name = ['kata-ts', ...words].join(' ')
  return [
    edited(pageOf(words), 1, edition),
    heading('Name'),
    `${text(pageOf(words))} \\- ${text(command.summary())}\n`,
    heading('Synopsis'),
    `${bold(name)} ${text(command.usage())}\n`,
    heading('Description'),
    `${text(command.description())}\n`,
    ...(children.length === 0 ? [] : [heading('Commands')]),
    ...children.map((child) => item(`${bold(pageOf([...words, child.name()]))}(1)`, text(child.summary()))),
    ...options(command),
    heading('Example'),
    example(exampleOf(command)),
    seeAlso(['kata-ts(1)', ...(words.length > 1 ? [`${pageOf(words.slice(0, -1))}(1)`] : [])]),
  ].join('')
}

/** Under the headings of the help, in its order. */
function options(command: Command): string[] {
  const help = command.createHelp()
  const visible = help.visibleOptions(command)
  const byGroup = help.groupItems(
    [...command.options],
    visible,
    (option) => option.helpGroupHeading ?? 'Options:',
  )
  return [...byGroup].flatMap(([group, all]) => [
    heading(group.replace(/:$/, '')),
    ...all.map((option) => item(flags(option), prose(option.description))),
  ])
}

const flags = ({ flags }: Option): string =>
  flags
    .split(', ')
    .map((flag) => {
      const [name = '', ...value] = flag.split(' ')
      return [bold(name), ...value.map(text)].join(' ')
    })
    .join(', ')

/** The line of the help, as it is typed. */
function exampleOf(command: Command): string {
  let help = ''
  const kept = command.configureOutput()
  command.configureOutput({ writeOut: (more) => (help += more) }).outputHelp()
  command.configureOutput(kept)
  return /^Example:\n {2}\$ (.*)$/m.exec(help)?.[1] ?? ''
}

const exitStatus = [
  heading('Exit status'),
  '\\fBrun\\fR and \\fBexec\\fR end as the command does:\n',
  item('\\fB125\\fR', 'a failure of the runtime'),
  item('\\fB126\\fR', 'a command that cannot be executed'),
  item('\\fB127\\fR', 'a command that is not found'),
  item('128 + \\fIn\\fR', 'the command was ended by signal \\fIn\\fR'),
  item('\\fB255\\fR', 'the machine died while the command ran'),
  '.PP\nThe other commands end with 1 when they fail, and with 125 when they are called wrongly.\n',
].join('')

const files = [
  heading('Files'),
  item('\\fI/etc/kata\\-ts/configuration.toml\\fR', 'the configuration: \\fBkata\\-ts.toml\\fR(5)'),
  item('\\fI/run/kata\\-ts\\fR', 'state of running sandboxes'),
  item('\\fI/var/lib/kata\\-ts\\fR', 'containers with their logs, volumes, images'),
  item('\\fI/var/cache/kata\\-ts\\fR', 'guest images that were built on this host'),
].join('')

function seeAlso(pages: readonly string[]): string {
  const named = pages.map((page) => {
    const [, name = '', section = ''] = /^(.*)(\(\d\))$/.exec(page) ?? []
    return `${bold(name)}${section}`
  })
  return `${heading('See also')}${named.join(', ')}\n`
}
