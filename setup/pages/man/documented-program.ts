/** The command table for those who write about it: no command runs. */
import type { Command } from 'commander'
import { buildProgram } from '../../../src/cli/program.ts'

export function documentedProgram(): Command {
  return buildProgram({
    settings: () => {
      throw new Error('no command runs here')
    },
    finish: () => {},
    print: () => {},
    tell: () => {},
    throughService: async () => undefined,
    again: async () => 0,
  })
}
