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
  /** Whether one of its arguments is a path of the host. */
  readonly takesPaths: boolean
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
    takesPaths: command.registeredArguments.some((argument) => valuesOfArgument(argument.name()) === 'paths'),
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
    .map(({ path, options, children, lister, argumentWords, takesPaths }) => {
      const flags = options.flatMap(({ flag, short }) => (short === undefined ? [flag] : [short, flag]))
      const names = lister === undefined ? '' : ` $(${lister})`
      const words = `words="${[...children, ...argumentWords, ...flags].join(' ')}${names}"`
      return `    "${path}") ${words}${takesPaths ? ' values="@"' : ''} ;;`
    })
    .join('\n')
}

/** The command's path and each name of the option: of every option that another word has to follow. */
function valued({ path, options }: Entry): { readonly words: readonly string[]; readonly values: Values }[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(({ flag, short, values }) => {
      const names = short === undefined ? [flag] : [short, flag]
      return { words: names.map((name) => `${path} ${name}`), values }
    })
}

/**
 * A function that bash and zsh share: what may follow the command and word in `$1` goes into `values`; `@` stands for paths, and `none` says that
 * the word is no option with a value.
 */
function valuesFunction(entries: readonly Entry[]): string {
  const cases = entries.flatMap(valued).map(({ words, values }) => {
    const text = values === 'paths' ? '@' : (values ?? []).join(' ')
    return `    ${words.map((word) => `"${word}"`).join('|')}) values="${text}" ;;`
  })
  return `_kata_ts_values() {
  values="none"
  case "$1" in
${cases.join('\n')}
  esac
}`
}

/** The body of the loop over the words before the cursor: the path of the command, and what may follow the last of them. */
const wordSteps = (
  entries: readonly Entry[],
  variable: string,
): string => `    if [[ "$values" != "none" ]]; then
      values="none"
      continue
    fi
    case "$${variable} $word" in
${pathCases(entries, shellCase(variable))}
    esac
    _kata_ts_values "$${variable} $word"`

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
${valuesFunction(entries)}
_kata_ts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" values="none" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${wordSteps(entries, 'path')}
  done
  if [[ "$values" != "none" && "$values" != "@" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
    return
  elif [[ "$values" == "none" ]]; then
    case "$path" in
${cases(entries)}
    esac
    [[ "$current" == -* ]] && values="none"
  fi
  if [[ "$values" == "@" ]]; then
    compopt -o default 2>/dev/null
    COMPREPLY=()
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -F _kata_ts kata-ts
`
}

function zsh(entries: readonly Entry[]): string {
  return `#compdef kata-ts
${valuesFunction(entries)}
_kata_ts() {
  local path_words="" words_line="" values="none" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
${wordSteps(entries, 'path_words')}
  done
  if [[ "$values" != "none" && "$values" != "@" ]]; then
    compadd -- \${=values}
    return
  elif [[ "$values" == "none" ]]; then
    case "$path_words" in
${cases(entries).replaceAll('words="', 'words_line="')}
    esac
    [[ "$PREFIX" == -* ]] && values="none"
  fi
  if [[ "$values" == "@" ]]; then
    _files
    return
  fi
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
    set -l skips 0
    for word in (commandline -opc)
        if test $skips = 1
            set skips 0
            continue
        end
        switch "$path $word"
${pathCases(entries, fishCase)}
${entries.map(fishValuedCase).filter(Boolean).join('\n')}
        end
    end
    test "$path" = "$argv[1]"
end`

const fishCase = (words: readonly string[], path: string): string =>
  `            case ${words.map(quote).join(' ')}\n                set path ${quote(path)}`

/** The word behind such an option is its value. */
function fishValuedCase(entry: Entry): string {
  const words = valued(entry).flatMap(({ words }) => words)
  return words.length === 0
    ? ''
    : `            case ${words.map(quote).join(' ')}\n                set skips 1`
}

const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
