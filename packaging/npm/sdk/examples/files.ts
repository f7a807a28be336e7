/** Files in, a command that works on them, files out. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Sandbox } from '@kata-ts/sdk'

await using box = await Sandbox.attach(process.argv[2] ?? 'shared')
await box.files.write('/work/numbers', '3\n1\n2\n', { mode: 0o644 })
await box.exec(['sh', '-c', 'sort numbers > sorted'], { cwd: '/work' })
for (const { name, size } of await box.files.list('/work')) console.log(name, size)
const directory = await mkdtemp('/tmp/example-')
await box.files.copyOut('/work/sorted', directory)
console.log((await readFile(`${directory}/sorted`, 'utf8')).split('\n').join(' ').trim())
await rm(directory, { recursive: true })
