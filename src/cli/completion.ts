/** Completion scripts for shells, generated from the command table, so that they know every command and option. */
import type { Command } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

/** One command as a completion knows it. */
interface Entry {
  /** Words after `kata-ts`, for instance `guest build`; empty for the program itself. */
  readonly path: string
  readonly summary: string
  readonly options: readonly { readonly flag: string; readonly short?: string; readonly text: string }[]
  readonly children: readonly string[]
  /** Its arguments are names of containers. */
  readonly takesNames: boolean
}

export function completionScript(program: Command, shell: Shell): string {
  const entries = collectEntries(program, [])
  return { bash, zsh, fish }[shell](entries)
}

function collectEntries(command: Command, words: readonly string[]): Entry[] {
  const help = command.createHelp()
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help')
  const entry: Entry = {
    path: words.join(' '),
    summary: command.summary(),
    options: help.visibleOptions(command).map(({ long, short, description }) => ({
      flag: long ?? '',
      ...(short === undefined ? {} : { short }),
      text: description,
    })),
    children: children.map((child) => child.name()),
    takesNames: command.registeredArguments.some((argument) => argument.name() === 'name'),
  }
  return [entry, ...children.flatMap((child) => collectEntries(child, [...words, child.name()]))]
}

/** Bash and zsh share a function that prints the words which may follow. */
function cases(entries: readonly Entry[]): string {
  return entries
    .map(({ path, options, children, takesNames }) => {
      const flags = options.flatMap(({ flag, short }) => (short === undefined ? [flag] : [short, flag]))
      const names = takesNames ? ' $(kata-ts ps --quiet 2>/dev/null)' : ''
      return `    "${path}") words="${[...children, ...flags].join(' ')}${names}" ;;`
    })
    .join('\n')
}

function bash(entries: readonly Entry[]): string {
  return `# bash completion for kata-ts
_kata_ts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${entries
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      "${parentOf(path)} ${lastOf(path)}") path="${path}" ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases(entries)}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _kata_ts kata-ts
`
}

function zsh(entries: readonly Entry[]): string {
  return `#compdef kata-ts
_kata_ts() {
  local path_words="" words_line="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$path_words $word" in
${entries
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      "${parentOf(path)} ${lastOf(path)}") path_words="${path}" ;;`)
  .join('\n')}
    esac
  done
  case "$path_words" in
${cases(entries).replaceAll('words="', 'words_line="')}
  esac
  compadd -- \${=words_line}
  _files
}
compdef _kata_ts kata-ts
`
}

function fish(entries: readonly Entry[]): string {
  const lines = entries.flatMap((entry) => {
    const condition = fishCondition(entry, entries)
    const children = entry.children.map((name) => {
      const child = entries.find(({ path }) => path === `${entry.path} ${name}`.trim())
      return `complete -c kata-ts -f -n '${condition}' -a ${name} -d ${quote(child?.summary ?? '')}`
    })
    const options = entry.options.map(({ flag, short, text }) => {
      const shortFlag = short === undefined ? '' : ` -s ${short.slice(1)}`
      return `complete -c kata-ts -n '${condition}'${shortFlag} -l ${flag.slice(2)} -d ${quote(text)}`
    })
    const names = entry.takesNames
      ? [`complete -c kata-ts -f -n '${condition}' -a '(kata-ts ps --quiet 2>/dev/null)'`]
      : []
    return [...children, ...options, ...names]
  })
  return `# fish completion for kata-ts\n${lines.join('\n')}\n`
}

function fishCondition({ path, children }: Entry, entries: readonly Entry[]): string {
  const top = entries[0]!.children.join(' ')
  if (path === '') return `not __fish_seen_subcommand_from ${top}`
  const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
  const deeper = children.length === 0 ? [] : [`not __fish_seen_subcommand_from ${children.join(' ')}`]
  return [...seen, ...deeper].join('; and ')
}

const parentOf = (path: string): string => path.split(' ').slice(0, -1).join(' ')
const lastOf = (path: string): string => path.split(' ').at(-1) ?? ''
const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
