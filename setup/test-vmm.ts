/**
 * `npm run test:vmm -- clh`: the pod suite over another VMM than QEMU. Prints which program and version it runs: a real one
 * by its environment variable or the path, else the double.
 *
 *   npm run test:vmm -- VMM          every file of the suite
 *   npm run test:vmm -- VMM NAME     those whose path holds NAME
 */
import { findVmm } from '../e2e/harness/vmm.ts'
import { drivers } from '../src/config/drivers.ts'
import { root } from './paths.ts'

/** What drives pods; the rest of e2e/ is about QEMU itself, the guest alone, or no VMM at all. */
const suite = [
  'run',
  'clh',
  'posture',
  'attack',
  'leftovers',
  'failpoints',
  'uid-reuse',
  'wrong-input',
  'disk',
  'shim',
  'containerd/first',
  'containerd/ctr',
].map((name) => `e2e/${name}.test.ts`)

const [asked = '', filter = ''] = process.argv.slice(2)
const driver = drivers.find((known) => known === asked)
if (driver === undefined) {
  console.error(`unknown VMM ${asked || '(none)'}; known are: ${drivers.join(', ')}`)
  process.exit(2)
}
const { path, isDouble } = await findVmm(driver)
const version = Bun.spawnSync([path, '--version']).stdout.toString().trim()
console.log(`${driver}: ${path}${isDouble ? ', a double' : ''}: ${version}`)
const files = suite.filter((file) => file.includes(filter))
const child = Bun.spawn(
  [
    ...[process.execPath, 'test', '--timeout', '180000', '--preload', './e2e/harness/preload.ts'],
    ...files.map((file) => `./${file}`),
  ],
  {
    cwd: root,
    env: { ...process.env, KATA_TS_E2E_VMM: driver },
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  },
)
process.exit(await child.exited)
