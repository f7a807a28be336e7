/** Docker's other ways to write options: `--rm=true`, `-t=false` for a flag that is not given, and `-m=512m`. */
import type { Command, Option } from 'commander'

/** Go's words for it (strconv.ParseBool). */
const yes = /^(1|t|T|TRUE|true|True)$/
const no = /^(0|f|F|FALSE|false|False)$/

/**
 * The words with options as commander takes them, up to where the options of the command end. What is neither yes nor no is left, to be
 * refused. Pure.
 */
export function withPlainFlags(program: Command, argv: readonly string[]): readonly string[] {
  const plain: string[] = []
  let command = program
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const child = command.commands.find((candidate) => candidate.name() === word)
    // Behind them everything is the container's.
    if (word === '--' || (child === undefined && !word.startsWith('-') && endsOptions(command)))
      return [...plain, ...argv.slice(at)]
    if (child !== undefined) command = child
    const [, name = word, value] = /^(--?[A-Za-z][\w-]*)=(.*)$/s.exec(word) ?? []
    const option = optionOf(command, name)
    const takesValue = option?.required === true || option?.optional === true
    const isFlag = option !== undefined && !takesValue && value !== undefined
    if (isFlag && no.test(value)) continue
    if (takesValue && value !== undefined && name === option.short) {
      // Commander would take the `=` for a part of the value.
      plain.push(name, value)
      continue
    }
    plain.push(isFlag && yes.test(value) ? name : word)
    // Its value may look like an option.
    if (takesValue && value === undefined && at + 1 < argv.length) plain.push(argv[++at]!)
  }
  return plain
}

const optionOf = (command: Command, name: string): Option | undefined =>
  command.options.find(({ long, short }) => name === long || name === short)

const endsOptions = (command: Command): boolean =>
  (command as unknown as { readonly _passThroughOptions?: boolean })._passThroughOptions === true
