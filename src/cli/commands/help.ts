/** `kata-ts help [COMMAND...]`: the help of a command, however deep it is. */
import { type Command, Help, type Option } from 'commander'
import { groupOrder } from '../groups.ts'
import { allCommandsGroup, describe } from './command.ts'

/** Below `parent`, in the place of commander's, which knows one word only. */
export function helpCommand(parent: Command): Command {
  return describe({
    usage: 'help [command...]',
    summary: 'show the help of a command',
    example: 'help config show',
  }).action((words: string[]) => {
    words.reduce((found, word) => childOf(found, word) ?? refuse(parent, words), parent).help()
  })
}

/**
 * A command's own options, and not those of all commands, which would push the example out of sight; it names them behind that. Commands
 * by their groups.
 */
export const helpOrder: Partial<Help> = {
  formatHelp(command, helper) {
    if (command.parent === null) return Help.prototype.formatHelp.call(this, command, helper)
    const isOwn = ({ helpGroupHeading }: Option) => helpGroupHeading !== allCommandsGroup
    const visibleOptions = (of: Command) => helper.visibleOptions(of).filter(isOwn)
    const brief = Object.assign(Object.create(helper) as Help, { visibleOptions })
    return Help.prototype.formatHelp.call(brief, command, brief)
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
  return parent.commands.find((command) => command.name() === name)
}

function refuse(parent: Command, words: readonly string[]): never {
  parent.error(`unknown help topic '${words.join(' ')}'`)
}
