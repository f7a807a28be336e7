/** The command table, whole and with the one command that is asked for. */
import { expect, test } from 'bun:test'
import type { Cli } from './commands/command.ts'
import { buildProgram } from './program.ts'

const cli = {
  settings() {
    throw new Error('no command runs here')
  },
  finish() {},
  print() {},
  tell() {},
} as unknown as Cli

const whole = buildProgram(cli)

test('each command can be made alone, as it is in the whole table', () => {
  const own = ['completion', 'service', 'monitor', 'service-worker', 'help']
  for (const command of whole.commands) {
    const name = command.name()
    const { commands } = buildProgram(cli, name)
    if (own.includes(name)) expect([name, commands.length]).toEqual([name, whole.commands.length])
    else {
      expect(commands.map((one) => one.name())).toEqual([name])
      expect(commands[0]!.helpInformation()).toBe(command.helpInformation())
    }
  }
})

test('a word that is no command finds all of them, and is told the nearest', async () => {
  for (const word of ['rnu', 'constructor', '--help'])
    expect(buildProgram(cli, word).commands.length).toBe(whole.commands.length)
  const program = buildProgram(cli, 'rnu')
  await expect(program.parseAsync(['rnu'], { from: 'user' })).rejects.toThrow(
    "unknown command 'rnu' (Did you mean run?)",
  )
})
