/** Docker's other ways to write options: `--rm=true`, `-t=false` for a flag that is not given, and `-m=512m`. */
import type { Command, Option } from 'commander'
import { isCalled } from './commands/command.ts'

/** Go's words for it (strconv.ParseBool). */
const yes = /^(1|t|T|TRUE|true|True)$/
const no = /^(0|f|F|FALSE|false|False)$/

interface Part {
  readonly words: readonly string[]
  /** The option that they give. */
  readonly option?: Option | undefined
}

/**
 * The words with options as commander takes them, up to where the options of the command end. The last value of a flag counts. What is neither
 * yes nor no is left, to be refused. Pure.
 */
export function withPlainFlags(program: Command, argv: readonly string[]): readonly string[] {
  let parts: Part[] = []
  let command = program
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const child = command.commands.find((candidate) => isCalled(candidate, word))
    // Behind them everything is the container's.
    if (word === '--' || (child === undefined && !word.startsWith('-') && endsOptions(command)))
      return [...parts.flatMap(({ words }) => words), ...argv.slice(at)]
    if (child !== undefined) command = child
    for (const single of singleOptions(command, word)) {
      const [, name = single, value] = /^(--?[A-Za-z][\w-]*)=(.*)$/s.exec(single) ?? []
      const option = optionOf(command, name)
      const isFlag = option !== undefined && !takesValue(option) && value !== undefined
      if (isFlag && no.test(value)) parts = parts.filter((part) => part.option !== option)
      else if (isFlag && yes.test(value)) parts.push({ words: [name], option })
      // Commander would take the `=` for a part of the value.
      else if (takesValue(option) && value !== undefined && name === option?.short)
        parts.push({ words: [name, value] })
      // Its value may look like an option.
      else if (takesValue(option) && value === undefined && at + 1 < argv.length)
        parts.push({ words: [single, argv[++at]!] })
      else parts.push({ words: [single], option })
    }
  }
  return parts.flatMap(({ words }) => words)
}

/** `-itp` as `-i`, `-t` and `-p`. What stands behind an option with a value is that. */
function singleOptions(command: Command, word: string): readonly string[] {
  const singles: string[] = []
  let rest = word
  while (/^-[A-Za-z]{2}/.test(rest)) {
    const option = optionOf(command, rest.slice(0, 2))
    if (option === undefined || takesValue(option)) break
    singles.push(rest.slice(0, 2))
    rest = `-${rest.slice(2)}`
  }
  return [...singles, rest]
}

const takesValue = (option: Option | undefined): boolean =>
  option?.required === true || option?.optional === true

const optionOf = (command: Command, name: string): Option | undefined =>
  command.options.find(({ long, short }) => name === long || name === short)

const endsOptions = (command: Command): boolean =>
  (command as unknown as { readonly _passThroughOptions?: boolean })._passThroughOptions === true
