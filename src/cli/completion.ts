/** Completion scripts for shells, generated from the command table, so that they know every command and option. */
import type { Command } from 'commander'
import { type Values, valuesOfArgument, valuesOfOption } from './completion-values.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

interface Flag {
  readonly flag: string
  readonly short?: string
  readonly text: string
  /** Another word has to follow. */
  readonly takesValue: boolean
  readonly values: Values
}

/** One command as a completion knows it. */
interface Entry {
  /** Words after `kata-ts`, for instance `guest build`; empty for the program itself. */
  readonly path: string
  /** Words for the last of the path, its name first. */
  readonly names: readonly string[]
  readonly summary: string
  readonly options: readonly Flag[]
  readonly children: readonly string[]
  /** The command that lists what its arguments may be. */
  readonly lister: string | undefined
  /** Fixed words that its arguments may be. */
  readonly argumentWords: readonly string[]
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
    names: [command.name(), ...command.aliases()],
    summary: command.summary(),
    options: help.visibleOptions(command).map(({ long, short, description, flags, required }) => ({
      flag: long ?? '',
      ...(short === undefined ? {} : { short }),
      text: description,
      takesValue: required,
      values: valuesOfOption(flags, description),
    })),
    children: children.map((child) => child.name()),
    lister: listerOf(words, command.registeredArguments[0]?.name()),
    argumentWords: command.registeredArguments.flatMap((argument) => {
      const values = valuesOfArgument(argument.name())
      return Array.isArray(values) ? values : []
    }),
  }
  return [entry, ...children.flatMap((child) => collectEntries(child, [...words, child.name()]))]
}

const groupsWithNames: readonly string[] = ['volume', 'network', 'snapshot']

/** By the words of a command and the name of its first argument. What `create` makes has a new name, but for the container of a snapshot. */
function listerOf([group = '', verb]: readonly string[], argument = ''): string | undefined {
  const list = (of: string) => `kata-ts ${of} --quiet 2>/dev/null`
  if (groupsWithNames.includes(group) && verb !== 'create')
    return argument === '' ? undefined : list(`${group} ls`)
  const isContainer = ['name', 'container', 'sandbox'].includes(argument)
  return isContainer && group !== 'volume' ? list('ps') : undefined
}

/** Bash and zsh share a function that prints the words which may follow. */
function cases(entries: readonly Entry[]): string {
  return entries
    .map(({ path, options, children, lister, argumentWords }) => {
      const flags = options.flatMap(({ flag, short }) => (short === undefined ? [flag] : [short, flag]))
      const names = lister === undefined ? '' : ` $(${lister})`
      return `    "${path}") words="${[...children, ...argumentWords, ...flags].join(' ')}${names}" ;;`
    })
    .join('\n')
}

/** A case of the command and the word before the cursor, which says what may follow an option; `@` stands for paths. */
function valueCases(entries: readonly Entry[]): string {
  return entries
    .flatMap(({ path, options }) =>
      options
        .filter(({ takesValue }) => takesValue)
        .map(({ flag, short, values }) => {
          const names = short === undefined ? [flag] : [short, flag]
          const words = values === 'paths' ? '@' : (values ?? []).join(' ')
          return `    ${names.map((name) => `"${path} ${name}"`).join('|')}) values="${words}" ;;`
        }),
    )
    .join('\n')
}

/** A case for each command of the path so far and a word behind it; `write` gets these words, and the path that follows. */
function pathCases(
  entries: readonly Entry[],
  write: (words: readonly string[], path: string) => string,
): string {
  return entries
    .filter(({ path }) => path !== '')
    .map(({ path, names }) => {
      const parent = path.split(' ').slice(0, -1).join(' ')
      return write(
        names.map((name) => `${parent} ${name}`),
        path,
      )
    })
    .join('\n')
}

const shellCase =
  (variable: string) =>
  (words: readonly string[], path: string): string =>
    `      ${words.map((word) => `"${word}"`).join('|')}) ${variable}="${path}" ;;`

function bash(entries: readonly Entry[]): string {
  return `# bash completion for kata-ts
_kata_ts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${pathCases(entries, shellCase('path'))}
    esac
  done
  local values="none" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  case "$path $previous" in
${valueCases(entries)}
  esac
  if [[ "$values" == "@" ]]; then
    compopt -o default 2>/dev/null
    COMPREPLY=()
    return
  elif [[ "$values" != "none" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
    return
  fi
  case "$path" in
${cases(entries)}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -F _kata_ts kata-ts
`
}

function zsh(entries: readonly Entry[]): string {
  return `#compdef kata-ts
_kata_ts() {
  local path_words="" words_line="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$path_words $word" in
${pathCases(entries, shellCase('path_words'))}
    esac
  done
  local values="none"
  case "$path_words \${words[CURRENT-1]}" in
${valueCases(entries)}
  esac
  if [[ "$values" == "@" ]]; then
    _files
    return
  elif [[ "$values" != "none" ]]; then
    compadd -- \${=values}
    return
  fi
  case "$path_words" in
${cases(entries).replaceAll('words="', 'words_line="')}
  esac
  compadd -- \${=words_line}
}
# zsh runs this file at the first completion when it is one of its $fpath; otherwise it was sourced.
if [[ "\${funcstack[1]}" == "_kata-ts" ]]; then
  _kata_ts "$@"
else
  compdef _kata_ts kata-ts
fi
`
}

function fish(entries: readonly Entry[]): string {
  const lines = entries.flatMap((entry) => {
    const condition = `__kata_ts_at ${JSON.stringify(entry.path)}`
    const children = entry.children.map((name) => {
      const child = entries.find(({ path }) => path === `${entry.path} ${name}`.trim())
      return `complete -c kata-ts -f -n '${condition}' -a ${name} -d ${quote(child?.summary ?? '')}`
    })
    const options = entry.options.map(({ flag, short, text, takesValue, values }) => {
      const shortFlag = short === undefined ? '' : ` -s ${short.slice(1)}`
      const words = Array.isArray(values) ? ` -a ${quote(values.join(' '))}` : ''
      const value = takesValue ? (values === 'paths' ? ' -r' : ` -x${words}`) : ''
      return `complete -c kata-ts -n '${condition}'${shortFlag} -l ${flag.slice(2)}${value} -d ${quote(text)}`
    })
    const words = entry.argumentWords.map((word) => `complete -c kata-ts -f -n '${condition}' -a ${word}`)
    const names =
      entry.lister === undefined ? [] : [`complete -c kata-ts -f -n '${condition}' -a '(${entry.lister})'`]
    return [...children, ...options, ...words, ...names]
  })
  return `# fish completion for kata-ts\n${fishPath(entries)}\n${lines.join('\n')}\n`
}

/** By place, as in bash: the words alone would take `volume rm` for `rm`, too. */
const fishPath = (entries: readonly Entry[]): string => `function __kata_ts_at
    set -l path ''
    for word in (commandline -opc)
        switch "$path $word"
${pathCases(entries, fishCase)}
        end
    end
    test "$path" = "$argv[1]"
end`

const fishCase = (words: readonly string[], path: string): string =>
  `            case ${words.map(quote).join(' ')}\n                set path ${quote(path)}`

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
