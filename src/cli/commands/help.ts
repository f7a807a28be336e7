/** `kata-ts help [COMMAND...]`: the help of a command, however deep it is. `kata-ts help CODE`: what an error means. */
import { type Command, Help, type Option } from 'commander'
import { findEntry } from '../../errors/catalogue.ts'
import { groupOrder } from '../groups.ts'
import { allCommandsGroup, describe, isCalled } from './command.ts'

/** Replaces commander's help command below `parent`, which accepts only one word. */
export function helpCommand(parent: Command): Command {
  return describe({
    usage: 'help [command...]',
    summary: 'show the help of a command, or explain an error code',
    example: 'help KVM_UNUSABLE',
  }).action((words: string[]) => {
    const error = words.length === 1 ? errorText(words[0]!) : undefined
    if (error !== undefined) return parent.configureOutput().writeOut?.(error)
    words.reduce((found, word) => childOf(found, word) ?? refuse(parent, words), parent).help()
  })
}

/** `[CODE]`, as messages have it, or without brackets. */
function errorText(word: string): string | undefined {
  const code = word.replace(/^\[(.*)\]$/, '$1')
  const entry = findEntry(code)
  if (entry === undefined) return undefined
  const { sentence, remedy } = entry
  const plain = (text: string) => text.replace(/\{"(\w+)"\}/g, '"{$1}"')
  const words = `${sentence}${remedy}`.includes('{')
    ? '\nWords in braces stand for what the message names.\n'
    : ''
  return `[${code}] ${plain(sentence)}.\nWhat to do: ${plain(remedy)}\n${words}`
}

/**
 * Shows a command's own options only. Those of all commands would push the example out of sight, so the text behind it names them.
 * Commands are listed by group.
 */
export const helpOrder: Partial<Help> = {
  formatHelp(command, helper) {
    if (command.parent === null) return Help.prototype.formatHelp.call(this, command, helper)
    const isOwn = ({ helpGroupHeading }: Option) => helpGroupHeading !== allCommandsGroup
    const visibleOptions = (of: Command) => helper.visibleOptions(of).filter(isOwn)
    const brief = Object.assign(Object.create(helper) as Help, { visibleOptions })
    return Help.prototype.formatHelp.call(brief, command, brief)
  },
  /** Without aliases, which the help of the command itself has. */
  subcommandTerm(command) {
    const term = Help.prototype.subcommandTerm.call(this, command)
    const [alias] = command.aliases()
    return alias === undefined ? term : term.replace(`|${alias}`, '')
  },
  groupItems(unsorted, visible, heading) {
    const groups = Help.prototype.groupItems(unsorted, visible, heading)
    const last = groups.get(allCommandsGroup)
    if (last !== undefined && groups.delete(allCommandsGroup)) groups.set(allCommandsGroup, last)
    const at = (heading: string) => groupOrder.indexOf(heading)
    return new Map([...groups].sort(([one], [other]) => at(one) - at(other)))
  },
}

function childOf(parent: Command, name: string): Command | undefined {
  return parent.commands.find((command) => isCalled(command, name))
}

function refuse(parent: Command, words: readonly string[]): never {
  parent.error(`unknown help topic '${words.join(' ')}'`)
}
