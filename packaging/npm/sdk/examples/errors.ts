/** Errors have codes that programs may compare, and a remedy for people. */
import { Sandbox, SandboxError } from '@kata-ts/sdk'

await using box = await Sandbox.attach(process.argv[2] ?? 'shared')
const failing = {
  'a command that exits': () => box.exec(['sh', '-c', 'exit 3']).then(({ exitCode }) => `exit ${exitCode}`),
  'a command that is not there': () => box.exec(['no-such-command']),
  'a file that is not there': () => box.files.read('/no/such'),
  'a sandbox that is not there': () => Sandbox.attach('nobody'),
  'a size that is none': () => Sandbox.create({ memory: 'much' }),
}
for (const [what, work] of Object.entries(failing))
  try {
    console.log(`${what}: ${await work()}`)
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error
    console.log(`${what}: ${error.code}`)
  }
